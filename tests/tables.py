"""The cases of the tests of the core, as tables, and the oracles that results are compared with.

The oracles share no code with what they judge. Each layer is written a second time for the tests, for complex numbers
too, and a third time in the functions of HIPS autograd, which differentiates a whole network in float64. Where
rounding is tested, mpmath evaluates formulas with 50 digits.
"""

import functools
import math
import os
import re
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

import autograd
import autograd.numpy as anp
import autograd.scipy.special
import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from outside import planted
from outside.layers import LayerNorm, LeakyReLU

from backprop import Batch, Network, Parameters, installed_strategies, layers
from backprop.layers import HIDDEN, Layer, Linear, find_activation
from backprop.layers.embedding import Embedding
from backprop.losses import LOSSES
from backprop.notation import read_network
from backprop.peers.torch_compile import TorchCompile
from backprop.registry import known_peers

DTYPES = ("float32", "float64")

PROPERTY = settings(
    deadline=None,
    database=None,
    derandomize="CI" not in os.environ,
    max_examples=60 if "CI" in os.environ else 25,
    suppress_health_check=[HealthCheck.too_slow],
)
"""No time is asserted and nothing is written. Every run tries the same examples; the checks of a change, more and new
ones."""


# Layers: i -> layer


EXAMPLES = {text: read_network(text)[-1] for kind in layers.LAYERS.values() for text in kind.examples}
"""The layers that are made for a shape, by the text of their file: the last layer of each text."""

MADE = {**EXAMPLES, **planted.EXAMPLES}
"""Beside them, from outside, planted layers of the checker's tests, which were written for it by hand."""

LAYERS = {
    **{name: find_activation("activation", name) for name in HIDDEN},
    "linear": lambda width: Linear(width, 2 * width - 1),
    "linear-square": lambda width: Linear(width, width),
    **{text: lambda width, layer=layer: layer for text, layer in MADE.items()},
    "outside-leaky-relu": lambda width: LeakyReLU(),
    "outside-layer-norm": LayerNorm,
}
"""Every layer that has a file, and some from outside: one states f and f' alone, the others have parameters."""


def width_of(name, width):
    """The inputs of the layer of that name: `width`, unless the layer is made for a shape."""
    return math.prod(MADE[name].input_shape) if name in MADE else width


@dataclass(frozen=True)
class LayerCase:
    """A layer with parameters, input and output, all of them read-only."""

    layer: Layer
    params: dict
    x: np.ndarray
    y: np.ndarray

    @property
    def oracle(self):
        """The layer as it is written for tests, of real or complex numbers."""
        if self.layer.oracle is None:
            pytest.skip(f"the layer {self.layer.name} has no oracle")
        return self.layer.oracle

    @property
    def wide(self):
        """Parameters and input in float64."""
        return {name: value.astype(float) for name, value in self.params.items()}, self.x.astype(float)

    @property
    def arguments(self):
        """What every local derivative is handed first."""
        return self.params, self.x, self.y


def layer_case(name, x, seed=0):
    """The layer of that name with random parameters and the input `x`, which is frozen.

    A layer that is made for a shape has random inputs instead, as many samples and of the dtype of `x`.
    """
    if x.shape[1] != width_of(name, x.shape[1]):
        x = random_input(len(x), width_of(name, 0), x.dtype, seed + 1)
    layer = LAYERS[name](x.shape[1])
    x = as_read_by(layer, x)
    rng = np.random.default_rng(seed)
    params = {
        local: freeze(rng.standard_normal(shape).astype(x.dtype))
        for local, shape in layer.parameter_shapes().items()
    }
    return LayerCase(layer, params, freeze(x), freeze(layer.forward(params, x)))


def as_read_by(layer, x):
    """The inputs as that layer takes them: an embedding takes whole numbers."""
    return np.floor(np.abs(x)) % layer.words if isinstance(layer, Embedding) else x


def random_input(n, i, dtype, seed=1):
    """An array (n, i) of numbers of the order of one."""
    return (2 * np.random.default_rng(seed).standard_normal((n, i))).astype(dtype)


def freeze(array):
    """The same array, which nobody can write to any more."""
    array.flags.writeable = False
    return array


# Networks


@dataclass(frozen=True)
class Scenario:
    """A network, by its sizes or as a text of layers, and a batch size; the samples follow from the seed."""

    name: str
    sizes: tuple | str
    batch_size: int = 4
    options: dict = field(default_factory=dict, hash=False)
    seed: int = 0

    @functools.cached_property
    def network(self):
        """The network that the sizes and options describe."""
        if isinstance(self.sizes, str):
            return Network.parse(self.sizes, **self.options)
        return Network.mlp(*self.sizes, **self.options)

    def sample(self, dtype, seed=None):
        """Frozen random parameters and batch; the same numbers in every dtype up to rounding."""
        rng = np.random.default_rng(self.seed if seed is None else seed)
        params = self.network.init(rng, dtype)
        for name in params:
            if name.startswith("b"):  # zero biases would hide what happens to them
                params[name][...] = 0.3 * rng.standard_normal(params[name].shape)
            elif name.startswith("gamma"):  # so would scales of one
                params[name][...] += 0.3 * rng.standard_normal(params[name].shape)
        inputs = rng.standard_normal((self.batch_size, self.network.inputs)).astype(dtype)
        inputs = as_read_by(self.network.layers[0], inputs)
        labels = rng.integers(0, self.network.label_classes, self.batch_size)
        freeze(params.vector)
        return Parameters(params.layout, params.vector), Batch(freeze(inputs), freeze(labels))


def sample(network, n, dtype="float64", seed=0):
    """Initial parameters and a batch of n samples."""
    rng = np.random.default_rng(seed)
    params = network.init(rng, dtype)
    inputs = as_read_by(network.layers[0], rng.standard_normal((n, network.inputs)).astype(dtype))
    return params, Batch(inputs, rng.integers(0, network.classes, n))


OUTSIDE = Path(__file__).parent / "outside" / "layers.py"
PLANTED = Path(planted.__file__)

MSE = {"loss": "mean-squared-error"}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("toy-relu", (4, 3, 2)),
        Scenario("one-sample", (4, 3, 2), batch_size=1, seed=3),
        Scenario("deep-tanh", (5, 4, 3, 2), options={"activation": "tanh"}),
        Scenario("deeper-tanh", (4, 5, 5, 5, 5, 3), batch_size=7, options={"activation": "tanh"}),
        Scenario("sigmoid", (6, 5, 3), options={"activation": "sigmoid"}),
        Scenario("gelu", (6, 5, 3), options={"activation": "gelu"}),
        Scenario("softmax-inside", (5, 4, 3), options={"activation": "softmax"}),
        Scenario("digits", (49, 32, 10), batch_size=8),
        Scenario("digits-one-sample", (49, 32, 10), batch_size=1),
        Scenario("squares-linear", (4, 3, 2), options=MSE),
        Scenario("squares-softmax", (4, 3, 2), options={**MSE, "output": "softmax"}),
        Scenario("squares-tanh", (5, 4, 3), options={**MSE, "output": "tanh", "activation": "gelu"}),
        Scenario("one-layer", (4, 3)),
        Scenario("one-layer-squares", (4, 3), batch_size=1, options=MSE),
        Scenario("one-of-each", (1, 1, 2), batch_size=3, options={"activation": "tanh"}),
        *(Scenario(f"any-{name}", (5, 4, 3), options={"activation": name}) for name in HIDDEN),
        *(Scenario(f"any-{name}", (5, 4, 3), options={"loss": name}) for name in LOSSES),
        Scenario("one-output", (5, 4, 1), options={"loss": "binary-cross-entropy", "activation": "tanh"}),
        Scenario("no-bias", (5, 4, 3), options={"bias": False}),
        Scenario(
            "other-activations",
            (5, 4, 4, 3),
            options={**MSE, "activation": ("tanh", "silu"), "output": "sigmoid"},
        ),
        Scenario("mlp-bn", "6 5 batch-norm relu 4 batch-norm tanh 3", batch_size=6),
        Scenario("mlp-dropout", "6 5 dropout0.4 tanh 3", batch_size=5),
        Scenario("resmlp-ln", "5 4 residual(layer-norm 3 gelu 4) residual(rms-norm 3 relu 4) layer-norm 3"),
        Scenario("tokens", "3x4 layer-norm rms-norm 5 tanh 3", options=MSE),
        Scenario("channels", "2x2x2 batch-norm 5 tanh 3", batch_size=3),
        Scenario("convolutions", "1x6x6 conv3x2 relu pool2 conv2x3,padding=1 tanh mean-pool2 3"),
        Scenario("strides", "2x6x5 conv3x2x4,stride=2,padding=1,groups=2 tanh max-pool2,stride=1 3"),
        Scenario("rows", "1x4x3 lstm3,sequence tanh rnn2 3"),
        Scenario(
            "patches", "4x4 patches2 tokenwise4 positions residual(attention,heads=2) relu mean-tokens 3"
        ),
        Scenario("words", "3 embedding4x2 attention,causal,key=3 mean-tokens 3"),
        Scenario("outside-leaky-relu", (6, 5, 3), options={"activation": f"{OUTSIDE}:LeakyReLU"}),
        Scenario("outside-layer-norm", (5, 4, 3), options={"activation": f"{OUTSIDE}:LayerNorm"}),
        Scenario("planted", f"4x2 {PLANTED}:GroupNorm {PLANTED}:SwiGLU {PLANTED}:GELU 3"),
        Scenario("planted-steps", f"3x2 {PLANTED}:GRU 3", batch_size=3),
    )
}
"""Networks of many shapes; among them one with every activation and every loss that has a file, and some with layers
from outside."""

STRATEGIES = installed_strategies()

PEERS = {**known_peers(), TorchCompile.name: TorchCompile(backend="aot_eager")}
"""What a C++ compiler makes takes seconds a network; here PyTorch runs the same graph as it is."""

EXACT_STRATEGIES = {name: s for name, s in STRATEGIES.items() if s.accuracy.exponent == 1}


def cells(strategies, scenarios=SCENARIOS, dtypes=DTYPES):
    """Every (strategy, scenario, dtype) that the strategy says it can do, by names."""
    return [
        (strategy.name, scenario, dtype)
        for strategy in strategies.values()
        for scenario in scenarios
        for dtype in dtypes
        if strategy.unsupported(SCENARIOS[scenario].network, np.dtype(dtype)) is None
    ]


def run(strategy, network, params, batch, plan=None):
    """One call, with a plan of its own unless one is given."""
    if plan is None:
        plan = strategy.prepare(network, len(batch.inputs), params.dtype)
    return strategy.value_and_gradient(plan, params, batch)


def oracle(network, params, batch):
    """The loss and its gradient (p,) by HIPS autograd in float64, of the forms that layers and loss have for it."""
    short, inputs = network.short, batch.inputs.astype(float)

    def loss(vector):
        x, rest = inputs, vector
        for layer in short.layers:
            own = {}
            for name, shape in layer.parameter_shapes().items():
                size = int(np.prod(shape))
                own[name], rest = anp.reshape(rest[:size], shape), rest[size:]
            x = layer.peers["autograd"](autograd, own, x)
        return short.loss_function.peers["autograd"](autograd, x, batch.labels)

    value, gradient = autograd.value_and_grad(loss)(params.vector.astype(float))
    return float(value), gradient


@functools.cache
def truth(scenario, dtype):
    """The loss and the gradient (p,) of a scenario's sample by the oracle, found once."""
    return oracle(SCENARIOS[scenario].network, *SCENARIOS[scenario].sample(dtype))


def relative_error(gradient, expected, keep=slice(None)):
    """‖g - g*‖ / ‖g*‖, the difference over the elements `keep` alone."""
    difference = gradient.astype(float)[keep] - expected[keep]
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))


def comparable(strategy, scenario, dtype):
    """The parameters (p,) at which the strategy's error model holds: all, unless it makes steps."""
    if strategy.accuracy.exponent == 1 or strategy.accuracy.directions:
        return slice(None)
    network, batch_size = SCENARIOS[scenario].network, SCENARIOS[scenario].batch_size
    step = getattr(strategy.prepare(network, batch_size, np.dtype(dtype)), "relative_step", 0)
    return smooth_parameters(scenario, dtype, max(step, float(np.finfo(dtype).eps) ** (1 / 3)))


@functools.cache
def smooth_parameters(scenario, dtype, relative_step):
    """The parameters (p,) whose difference step takes no pre-activation through a kink.

    Elsewhere a difference quotient is no derivative, and no tolerance has a say.
    """
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    smooth = np.ones(network.parameter_count, bool)
    if all(layer.smooth for layer in network.layers):
        return smooth
    moved = params.copy()

    def signs():
        steps = network.evaluate(network.local(moved), batch.inputs)
        return [distance > 0 for step in steps for distance in step.layer.distances(step.own, step.x)]

    here = signs()
    for k, value in enumerate(params.vector):
        for direction in (-1, 1):
            moved.vector[k] = value + direction * relative_step * max(1, abs(value))
            smooth[k] &= all(np.array_equal(a, b) for a, b in zip(here, signs(), strict=True))
        moved.vector[k] = value
    return smooth


def arrays_of(thing):
    """Every array that can be reached from a plan, a batch, parameters or a result."""
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, Parameters):
        return [thing.vector]
    if is_dataclass(thing):
        return arrays_of([getattr(thing, entry.name) for entry in fields(thing)])
    if isinstance(thing, dict):
        return arrays_of(list(thing.values()))
    if isinstance(thing, (list, tuple)):
        return [array for part in thing for array in arrays_of(part)]
    return []


# Precision and messages


def exact(number):
    """A NumPy scalar as an mpmath number, without rounding even for longdouble."""
    high = float(number)
    return mpmath.mpf(high) + mpmath.mpf(float(number - type(number)(high)))


def sentence(error):
    """The message, after a check that it is one sentence which says what was got and what was expected."""
    message = str(error)
    assert "\n" not in message
    assert message.endswith(".")
    own = re.sub(r"""'[^']*'|"[^"]*\"""", "", message)  # what was got is quoted, whatever it says
    assert not re.search(r"[.!] [A-Z]", own), f"more than one sentence: {message}"
    assert "expected" in message or "did you mean" in message, message
    assert not message.startswith(("'", '"')), message
    return message
