"""Layers written by hand: every right backward pass passes, in every library and dtype, and every slip is found."""

import importlib

import numpy as np
import pytest
from planted.layers.layer import every_layer

import backprop
from backprop.check.leaves import float64_in_jax

LAYERS = every_layer()
SLIPS = [
    pytest.param(layer, slip, id=f"{layer.name}-{slip.name}") for layer in LAYERS for slip in layer.slips
]


def inputs_of(layer):
    return layer.inputs(np.random.default_rng(1))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_right_backward_pass_passes(layer):
    check = backprop.check_vjp(layer.forward, layer.backward, inputs_of(layer))
    assert check.ok, check
    assert check.findings == ()


@pytest.mark.parametrize(("layer", "slip"), SLIPS)
def test_every_slip_is_found_and_called_what_it_is(layer, slip):
    check = backprop.check_vjp(layer.forward, layer.spoilt(slip), inputs_of(layer))
    assert check.verdict == "wrong", check
    assert {finding.kind for finding in check.findings} & set(slip.kinds), check


def in_torch(layer):
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return layer.forward(*inputs)

        @staticmethod
        def backward(ctx, *upstream):
            return layer.backward(*upstream, *ctx.saved_tensors)

    return ByHand.apply, lambda array, dtype: torch.asarray(array).to(getattr(torch, dtype))


def in_jax(layer):
    jax = importlib.import_module("jax")
    by_hand = jax.custom_vjp(layer.forward)

    def backward(kept, dy):
        given = layer.backward(dy, *kept)
        return given if isinstance(given, tuple) else (given,)

    by_hand.defvjp(lambda *inputs: (layer.forward(*inputs), inputs), jax.jit(backward))
    return jax.jit(by_hand), lambda array, dtype: jax.numpy.asarray(array, dtype)


SLOW = pytest.mark.processes
"""JAX compiles each layer anew for each dtype."""


@pytest.mark.parametrize(
    "dtype", [pytest.param("float64", marks=SLOW), "float32", pytest.param("bfloat16", marks=SLOW)]
)
@pytest.mark.parametrize("library", [in_torch, in_jax], ids=["torch", "jax"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_right_layer_of_pytorch_or_jax_is_not_called_wrong(layer, library, dtype):
    pytest.importorskip(library.__name__.removeprefix("in_"))
    forward, made = library(layer)
    with float64_in_jax(dtype == "float64"):
        inputs = [
            made(array, dtype if array.dtype.kind == "f" else "bool" if array.dtype == bool else "int32")
            for array in map(np.asarray, inputs_of(layer))
        ]
        check = backprop.check_vjp(forward, inputs=inputs)
    assert check.ok, check
