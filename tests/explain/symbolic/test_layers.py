"""Every closed form of every layer is proven, for all numbers at once, by running the layer's own code on symbols."""

import math

import numpy as np
import pytest
from over import part

import backprop
from backprop.errors import UnsupportedError
from backprop.explain.symbolic import prove_layer
from backprop.explain.symbolic.forms import SymbolicLayer
from backprop.explain.symbolic.subjects import derive
from backprop.layers import (
    GELU,
    HIDDEN,
    EinsumFactor,
    Elementwise,
    Linear,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    find_activation,
)
from backprop.layers.convolution import Convolution
from backprop.notation import read_network

LAYERS = {
    "linear": lambda i: Linear(i, 2),
    **{name: find_activation("layer", name) for name in HIDDEN},
}


def test_no_layer_is_left_out_but_those_that_are_made_for_a_shape():
    assert {name for name, kind in backprop.layers.LAYERS.items() if not kind.examples} <= set(LAYERS)


MADE_FOR_A_SHAPE = (
    "1x3x3 conv2x2",
    "2x2x3 conv2x2,stride=2,padding=1,groups=2",
    "1x3x3 mean-pool2,stride=1",
    "2x4 patches2",
    "2x1x2 tokens",
    "2x2 tokenwise2",
    "2x2 positions",
    "3x2 mean-tokens",
    "2x1 rnn1,sequence",
    "2x1 rnn1",
    "1x1 lstm1",
    "2x1 attention",
)


@pytest.mark.parametrize("text", part(MADE_FOR_A_SHAPE, 2))
def test_every_form_of_a_layer_that_is_made_for_a_shape_is_proven_for_a_small_one(text):
    layer = read_network(text)[-1]
    claims = prove_layer(layer, 1, math.prod(layer.input_shape))
    assert not [str(claim) for claim in claims if not claim.holds]
    assert {"input_factor", "vjp", "jvp"} <= {claim.what.split(": ")[1] for claim in claims}


def test_a_convolution_whose_kernel_is_flipped_on_the_way_back_is_refuted(monkeypatch):
    right = Convolution.vjp

    def flipped(self, params, x, y, dy, **more):
        return right(self, {**params, "W": params["W"][..., ::-1]}, x, y, dy, **more)

    monkeypatch.setattr(Convolution, "vjp", flipped)
    claims = prove_layer(read_network("1x3x3 conv2x1")[-1], 1, 9)
    assert [claim.what.split(": ")[1] for claim in claims if claim.fault] == ["vjp"]


def test_what_compares_symbols_with_each_other_is_declined_in_a_sentence():
    with pytest.raises(UnsupportedError, match="which input is the largest follows from numbers"):
        derive("pool", 3)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2)], ids=str)
def test_every_form_of_a_layer_is_proven(name, shape):
    claims = prove_layer(LAYERS[name](shape[1]), *shape)
    assert not [str(claim) for claim in claims if not claim.holds]
    layer, forms = LAYERS[name](shape[1]), {claim.what.split(": ")[1] for claim in claims}
    assert {"vjp", "jvp"} <= forms
    by_sample = {"no sample changes the output of another", "input_jacobian", "input_factor"}
    by_parameter = {"parameter_jacobians", "parameter_factors", "vjp"}
    if layer.lacks:  # the samples are coupled, and the products are proven
        by_sample, by_parameter = set(), {"vjp"}
    assert by_sample <= forms
    for form in by_parameter:
        assert {f"{form} of {parameter}" for parameter in layer.parameter_shapes()} <= forms
    assert ("derivative" in forms) == issubclass(type(LAYERS[name](1)), Elementwise)


MISTAKES = {
    "tanh: 1 - y for 1 - y²": (Tanh, "derivative", lambda form: lambda self, x, y: 1 - y, "derivative"),
    "sigmoid: y for y (1 - y)": (Sigmoid, "derivative", lambda form: lambda self, x, y: y, "derivative"),
    "relu: everywhere one": (
        ReLU,
        "derivative",
        lambda form: lambda self, x, y: np.ones_like(y),
        "derivative",
    ),
    "relu: the wrong side": (
        ReLU,
        "derivative",
        lambda form: lambda self, x, y: np.greater(0, x),
        "derivative",
    ),
    "gelu without x φ(x)": (
        GELU,
        "derivative",
        lambda form: (
            lambda self, x, y: form(self, x, y) - x * np.exp(-(x * x) / 2) * (1 / np.sqrt(2 * np.pi))
        ),
        "derivative",
    ),
    "gelu with the tanh approximation's constant": (
        GELU,
        "derivative",
        lambda form: lambda self, x, y: form(self, x, y) * 1.0001,
        "derivative",
    ),
    "softmax without its off-diagonal": (
        Softmax,
        "input_factor",
        lambda form: lambda self, p, x, y: EinsumFactor("no", y * (1 - y)),
        "input_factor",
    ),
    "softmax jacobian with a wrong sign": (
        Softmax,
        "input_jacobian",
        lambda form: lambda self, p, x, y, out=None: -form(self, p, x, y),
        "input_jacobian",
    ),
    "softmax vjp without the sum": (
        Softmax,
        "vjp",
        lambda form: lambda self, p, x, y, dy, **more: (y * dy, {}),
        "vjp",
    ),
    "softmax jvp with the sum of all": (
        Softmax,
        "jvp",
        lambda form: lambda self, p, x, y, dx, dp: y * (dx - np.sum(dx, axis=-1, keepdims=True)),
        "jvp",
    ),
    "softmax that subtracts the maximum above and not below": (
        Softmax,
        "forward",
        lambda form: (
            lambda self, p, x, out=None: (
                np.exp(x - x.max(axis=1, keepdims=True)) / np.exp(x).sum(axis=1, keepdims=True)
            )
        ),
        "input_jacobian",
    ),
    "linear jacobian of W with x of the next input": (
        Linear,
        "parameter_jacobians",
        lambda form: lambda self, p, x, y, out=None: form(self, p, np.roll(x, 1, 1), y),
        "parameter_jacobians of W",
    ),
    "linear factor of b twice": (
        Linear,
        "parameter_factors",
        lambda form: lambda self, p, x, y: form(self, p, x, y) | {"b": EinsumFactor("", np.array(2, object))},
        "parameter_factors of b",
    ),
    "linear vjp that forgets a sample in db": (
        Linear,
        "vjp",
        lambda form: (
            lambda self, p, x, y, dy, **more: (
                form(self, p, x, y, dy)[0],
                {"W": form(self, p, x, y, dy)[1]["W"], "b": dy[0]},
            )
        ),
        "vjp of b",
    ),
    "linear jvp without the bias": (
        Linear,
        "jvp",
        lambda form: lambda self, p, x, y, dx, dp: dx @ p["W"] + x @ dp["W"],
        "jvp",
    ),
    "linear with W where it should be transposed": (
        Linear,
        "vjp",
        lambda form: (
            lambda self, p, x, y, dy, **more: (
                dy @ p["W"].reshape(p["W"].shape[::-1]),
                form(self, p, x, y, dy)[1],
            )
        ),
        "vjp",
    ),
}


@pytest.mark.parametrize("name", part(MISTAKES, 2))
def test_a_wrong_formula_is_refuted_by_its_name_and_at_a_point(name, monkeypatch):
    kind, form, wrong, claimed = MISTAKES[name]
    monkeypatch.setattr(kind, form, wrong(getattr(kind, form)))
    claims = prove_layer(LAYERS[kind.name](3), 2, 3)
    refuted = {claim.what.split(": ")[1]: claim for claim in claims if not claim.holds}
    assert claimed in refuted, [str(claim) for claim in claims]
    assert "they differ by" in str(refuted[claimed])


def test_only_the_form_that_is_wrong_is_refuted(monkeypatch):
    monkeypatch.setattr(Softmax, "jvp", lambda self, p, x, y, dx, dp: dx)
    claims = prove_layer(Softmax(), 1, 2)
    assert [claim.what for claim in claims if not claim.holds] == ["softmax, n = 1: jvp"]


def test_a_layer_that_mixes_samples_is_refuted(monkeypatch):
    monkeypatch.setattr(Tanh, "forward", lambda self, p, x, out=None: np.tanh(x) * x[::-1])
    claims = prove_layer(Tanh(), 2, 1)
    assert "tanh, n = 2: no sample changes the output of another" in [
        claim.what for claim in claims if not claim.holds
    ]


def test_a_wrong_shape_is_refuted(monkeypatch):
    monkeypatch.setattr(Tanh, "input_jacobian", lambda self, p, x, y, out=None: np.zeros((1, 2, 1), object))
    (claim,) = [claim for claim in prove_layer(Tanh(), 1, 2) if not claim.holds]
    assert str(claim).endswith("input_jacobian: WRONG, its shape is (1, 2, 1) and should be (1, 2, 2)")


def test_the_shift_of_a_softmax_cancels_whatever_it_is():
    case = SymbolicLayer.of(Softmax(), 1, 2)
    assert {str(symbol) for element in case.y[0] for symbol in element.free_symbols} == {"x[0]", "x[1]"}
