"""The predicted cost: memory against what is really allocated, operations against a count by hand."""

import dataclasses
import gc
import tracemalloc

import numpy as np
import pytest
from over import over, part
from tables import DTYPES, SCENARIOS, STRATEGIES, oracle, relative_error, run, sample

from backprop import Network
from backprop.layers import Linear
from backprop.layers.residual import Residual
from backprop.layers.rnn import RNN

TOY = Network.mlp(4, 3, 2)
F32, F64 = np.dtype("float32"), np.dtype("float64")


def measured_peak_bytes(strategy, network, params, batch):
    """The most that `prepare` and one call have allocated at once, and the call's result."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = run(strategy, network, params, batch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before, result


def networks():
    """The cases are so large that a few kB of Python objects are far less than a tenth of the memory."""
    squares = {"loss": "mean-squared-error"}
    return {
        "digits-relu": (Network.mlp(49, 32, 10), 256),
        "digits-tanh": (Network.mlp(49, 32, 10, activation="tanh"), 256),
        "digits-sigmoid": (Network.mlp(49, 32, 10, activation="sigmoid"), 256),
        "digits-gelu": (Network.mlp(49, 32, 10, activation="gelu"), 256),
        "digits-squares": (Network.mlp(49, 32, 10, **squares), 256),
        "digits-squares-softmax": (Network.mlp(49, 32, 10, output="softmax", **squares), 256),
        "digits-half-batch": (Network.mlp(49, 32, 10), 128),
        "normalised": (Network.parse("49 32 layer-norm relu 32 rms-norm tanh 10"), 256),
        "narrow-relu": (Network.mlp(4, 8, 3), 2048),
        "narrow-gelu": (Network.mlp(4, 8, 3, activation="gelu"), 2048),
        "narrow-sigmoid": (Network.mlp(4, 3, 8, 3, activation="sigmoid"), 2048),
        "narrow-squares": (Network.mlp(4, 3, 8, **squares), 2048),
        "deep": (Network.mlp(784, 128, 64, 10, activation="tanh"), 32),
        "deep-gelu": (Network.mlp(784, 128, 64, 10, activation="gelu"), 32),
        "strides": (Network.parse("4x11x11 conv3x8,stride=2,groups=2 relu pool3,stride=1 3"), 64),
        "image": (Network.parse("1x12x12 conv3x8,padding=1 relu pool2 conv3x6 tanh mean-pool2 5"), 64),
        "batch-normalised": (Network.parse("49 32 batch-norm relu 32 batch-norm tanh 10"), 256),
        "mnist": (Network.mlp(784, 512, 10), 8),
        "mnist-large-batch": (Network.mlp(784, 512, 10), 512),
        "states": (Network.parse("14x14 rnn16,sequence 5"), 128),
        "residual": (Network.parse("40 32 residual(layer-norm 48 gelu 32) residual(24 tanh 32) 10"), 8),
        "images inside": (
            Network.parse("1x8x8 conv3x3,padding=1 residual(conv3x3,padding=1 relu) pool2 5"),
            4,
        ),
        "one head": (Network.parse("16x12 attention mean-tokens 5"), 40),
        "rows": (Network.parse("28x28 lstm32 10"), 32),
        "tokens": (
            Network.parse("28x28 patches7 tokenwise32 positions attention,heads=4 mean-tokens 10"),
            24,
        ),
        "words": (Network.parse("12 embedding100x32 lstm32 10"), 16),
        "causal": (Network.parse("12 embedding100x24 positions attention,heads=2,causal mean-tokens 10"), 24),
        "table": (Network.parse("24 embedding200x16 mean-tokens 10"), 6),
    }


NETWORKS = networks()

PREDICTED = {name: strategy for name, strategy in STRATEGIES.items() if strategy.cost is not None}

TOO_SMALL = 250e3  # bytes: Python objects, and what CPython keeps of those that it has freed, would count
TOO_LARGE = 150e6  # bytes: a test should run on any machine
TOO_SLOW = 1e9  # operations


def affordable():
    """(strategy, network, dtype) that take neither much memory nor time by the very prediction under test.

    Every strategy meets every network that is not too large for it, in one dtype: the dtypes take turns from network
    to network, so that a strategy meets both of them.
    """
    for name, strategy in PREDICTED.items():
        for k, (key, (network, batch_size)) in enumerate(NETWORKS.items()):
            for dtype in (DTYPES[k % 2], DTYPES[1 - k % 2]):
                if strategy.unsupported(network, np.dtype(dtype)) is not None:
                    continue
                cost = strategy.cost(network, batch_size, np.dtype(dtype))
                if TOO_SMALL < cost.peak_bytes < TOO_LARGE and cost.flops < TOO_SLOW:
                    yield name, key, dtype
                    break


@pytest.mark.parametrize(("name", "key", "dtype"), part(affordable(), 6))
def test_predicted_peak_memory_is_within_a_tenth_of_what_is_measured(name, key, dtype):
    strategy, (network, batch_size) = STRATEGIES[name], NETWORKS[key]
    params, batch = sample(network, batch_size, dtype)
    run(strategy, TOY, *sample(TOY, 2, dtype))  # imports and caches
    measured, _ = measured_peak_bytes(strategy, network, params, batch)
    predicted = strategy.cost(network, batch_size, np.dtype(dtype)).peak_bytes
    assert predicted == pytest.approx(measured, rel=0.1)


def test_the_memory_of_every_strategy_is_measured_somewhere_and_of_most_in_both_dtypes():
    measured = list(affordable())
    assert {name for name, _, _ in measured} == set(PREDICTED)
    assert {key for _, key, _ in measured} == set(NETWORKS)
    several = [name for name in PREDICTED if sum(one == name for one, _, _ in measured) > 4]
    assert len(several) > len(PREDICTED) / 2
    assert {(name, dtype) for name, _, dtype in measured if name in several} == {
        (name, dtype) for name in several for dtype in DTYPES
    }


def test_the_full_jacobian_of_784_512_10_needs_as_much_as_predicted_and_is_right():
    strategy, network = STRATEGIES["full-jacobian"], Network.mlp(784, 512, 10)
    params, batch = sample(network, 1, "float32")
    run(strategy, TOY, *sample(TOY, 2, "float32"))
    measured, (_, gradient) = measured_peak_bytes(strategy, network, params, batch)
    predicted = strategy.cost(network, 1, F32).peak_bytes
    assert predicted == pytest.approx(measured, rel=0.01)
    assert strategy.cost(network, 1, F64).peak_bytes == 2 * predicted
    error = relative_error(gradient.vector, oracle(network, params, batch)[1])
    assert error <= strategy.accuracy.tolerance(network, F32)


class Counting(RNN):
    """A recurrent layer that counts its steps, forward and back."""

    def step(self, states, t):
        STEPS[0] += 1
        super().step(states, t)

    def pull(self, slopes, dh, dc, dz):
        STEPS[0] += 1
        super().pull(slopes, dh, dc, dz)

    def push(self, slopes, dz, dc):
        STEPS[0] += 1
        return super().push(slopes, dz, dc)


STEPS = [0]
BY_STEPS = [
    name
    for name, strategy in PREDICTED.items()
    if strategy.cost(TOY, 1, F64).forward_calls == 1 and name != "layerwise-vjp"
]
"""The strategies of derivatives; `layerwise-vjp` has a loop of its own in every layer."""


@pytest.mark.parametrize("inner", ["4x3 rnn5 2", "4x3 residual(rnn3,sequence) 2"])
@over(name=BY_STEPS)
def test_the_passes_of_a_recurrent_layer_grow_as_the_steps_that_it_takes(name, inner):
    """From the first batch to one of nine samples, where a strategy takes one sample after another."""
    strategy, network = STRATEGIES[name], counting(Network.parse(inner))
    if strategy.unsupported(network, F64) is not None:
        return
    passes, steps = [], []
    for n in (1, 9):
        STEPS[0] = 0
        run(strategy, network, *sample(network, n, "float64"))
        steps.append(STEPS[0] / 4)
        passes.append(strategy.cost(network, n, F64).passes)
    assert passes[1] / passes[0] == pytest.approx(steps[1] / steps[0], rel=0.1)
    assert steps[0] / 3 <= passes[0] <= 3 * steps[0]  # a step back, or in SciPy, is not one forward
    assert strategy.cost(TOY, 8, F64).passes == 0


def counting(network):
    """The network with recurrent layers that count."""

    def counted(layer):
        if isinstance(layer, RNN):
            return Counting(**{field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)})
        if isinstance(layer, Residual):
            return dataclasses.replace(layer, layers=tuple(map(counted, layer.layers)))
        return layer

    return dataclasses.replace(network, layers=tuple(map(counted, network.layers)))


@over(name=PREDICTED)
def test_a_cost_is_predicted_without_allocating_for_it(name):
    network = Network.mlp(784, 512, 10)
    STRATEGIES[name].cost(network, 128, F64)
    tracemalloc.start()
    try:
        cost = STRATEGIES[name].cost(network, 128, F64)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000 < cost.peak_bytes


@over(name=PREDICTED, scenario=SCENARIOS)
def test_a_cost_is_made_of_positive_whole_numbers_and_grows_with_the_batch(name, scenario):
    network, strategy = SCENARIOS[scenario].network, STRATEGIES[name]
    if strategy.unsupported(network, F64) is not None:
        return
    small, large = (strategy.cost(network, n, F64) for n in (1, 1000))
    for cost in (small, large):
        for entry in (cost.flops, cost.bytes_moved, cost.peak_bytes, cost.forward_calls):
            assert isinstance(entry, int)
            assert entry > 0
    # random directions are drawn once, whatever the batch
    assert large.flops >= (1.1 if strategy.accuracy.directions else 700) * small.flops
    assert large.bytes_moved > small.bytes_moved
    assert large.peak_bytes >= small.peak_bytes


def test_operations_of_the_short_form_are_those_counted_by_hand():
    # forward  4 to 3: 2·5·4·3 + 5·3 = 135, relu 5·3 = 15, 3 to 2: 2·5·3·2 + 5·2 = 70, softmax 14·5·2 = 140
    # backward 3 to 2: two products and a sum 2·60 + 10 = 130, relu 2·15 = 30, 4 to 3: one product 120 + 15
    cost = STRATEGIES["short-form"].cost(TOY, 5, F64)
    assert cost.flops == (135 + 15 + 70 + 140) + (130 + 30 + 135)
    assert cost.forward_calls == 1


def test_bytes_of_the_short_form_are_those_counted_by_hand():
    # 23 parameters, each read forward and back, and its gradient written; 5 samples of 4 inputs, read twice
    # z₁, in whose place relu writes, 5·3, z₂ 5·2, and δ of the hidden layer 5·3: each is written and read twice
    cost = STRATEGIES["short-form"].cost(TOY, 5, F64)
    assert cost.bytes_moved == 8 * (3 * 23 + 2 * 5 * 4 + 3 * (15 + 10 + 15))
    # gelu cannot write over its input, which it reads again on the way back
    gelu = STRATEGIES["short-form"].cost(Network.mlp(4, 3, 2, activation="gelu"), 5, F64)
    assert gelu.bytes_moved == cost.bytes_moved + 8 * 3 * 15


def test_operations_of_the_layerwise_vjp_are_those_counted_by_hand():
    # as above, but softmax 4·5·2 = 40 by itself, and the dx of the first layer 2·5·4·3 = 120 is formed
    cost = STRATEGIES["layerwise-vjp"].cost(TOY, 5, F64)
    assert cost.flops == (135 + 15 + 70 + 140) + (40 + 130 + 30 + 135 + 120)
    assert cost.forward_calls == 1


def test_the_full_jacobian_counts_every_number_of_its_matrices():
    # ∂p/∂z₂ 2·2, ∂z₂/∂a₁ 2·3, ∂a₁/∂z₁ 3·3; ∂z₂/∂W₂ 2·6, ∂z₂/∂b₂ 2·2, ∂z₁/∂W₁ 3·12, ∂z₁/∂b₁ 3·3
    numbers = (4 + 6 + 9) + (12 + 4 + 36 + 9)
    cost = STRATEGIES["full-jacobian"].cost(TOY, 5, F64)
    assert cost.bytes_moved == 8 * 5 * numbers
    assert cost.flops == TOY.forward_flops(5) + 2 * 5 * (numbers + 23)
    # and while the softmax is evaluated, its sum and what divides by it
    assert cost.peak_bytes == 8 * (numbers + 2 * 23 + (3 + 3 + 2 + 2) + (1 + 2))


def test_operations_of_the_batched_jacobian_are_those_counted_by_hand():
    # chain: p to z₂ 2·2·2, z₂ to a₁ 2·2·3, a₁ to z₁ 2·3·3, each per sample and class
    cost = STRATEGIES["batched-jacobian"].cost(TOY, 5, F64)
    assert cost.bytes_moved == 8 * 5 * 2 * 23  # written once, and read while it is in the cache
    einsum = STRATEGIES["batched-jacobian-einsum"].cost(TOY, 5, F64)
    assert einsum.bytes_moved == 2 * cost.bytes_moved  # written, and read again
    # beside the array: which inputs are not zero, and all rows of dL/dW of one sample
    assert cost.peak_bytes == einsum.peak_bytes + (5 * 4 + 8 * 4 * 3) + (5 * 3 + 8 * 3 * 2)
    assert cost.forward_calls == 1


@pytest.mark.parametrize("name", PREDICTED)
def test_the_forward_pass_runs_as_often_as_predicted(name, monkeypatch):
    rows, forward = [], Linear.forward

    def counted(self, params, x, **options):
        rows.append(len(x))
        return forward(self, params, x, **options)

    monkeypatch.setattr(Linear, "forward", counted)
    run(STRATEGIES[name], TOY, *sample(TOY, 5, "float64"))
    assert sum(rows) == 2 * 5 * STRATEGIES[name].cost(TOY, 5, F64).forward_calls
