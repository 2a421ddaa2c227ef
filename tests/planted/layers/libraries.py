"""A planted layer as an autograd.Function of PyTorch and as a custom_vjp of JAX, from the same two functions."""

import importlib

import numpy as np

from backprop.check.leaves import float64_in_jax


def in_torch(layer, backward=None):
    """The layer, with its own backward pass or another one, and a function from an array and a dtype to a tensor."""
    torch = importlib.import_module("torch")

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return layer.forward(*inputs)

        @staticmethod
        def backward(ctx, *upstream):
            return (backward or layer.backward)(*upstream, *ctx.saved_tensors)

    return ByHand.apply, lambda array, dtype: torch.asarray(array).to(getattr(torch, dtype))


def in_jax(layer, backward=None):
    """The same in JAX."""
    jax = importlib.import_module("jax")
    by_hand = jax.custom_vjp(layer.forward)

    def pull_back(kept, dy):
        given = (backward or layer.backward)(dy, *kept)
        return given if isinstance(given, tuple) else (given,)

    by_hand.defvjp(lambda *inputs: (layer.forward(*inputs), inputs), pull_back)
    return by_hand, lambda array, dtype: jax.numpy.asarray(array, dtype.replace("int64", "int32"))


LIBRARIES = {"torch": in_torch, "jax": in_jax}


def checked_in(library, layer, dtype):
    """The check of a right layer in a library and a floating dtype."""
    from backprop import check_vjp

    forward, made = LIBRARIES[library](layer)
    if library == "jax":  # one compilation, in place of one for each operation
        forward = importlib.import_module("jax").jit(forward)
    with float64_in_jax(dtype == "float64"):
        arrays = map(np.asarray, layer.inputs(np.random.default_rng(1)))
        inputs = [made(array, dtype if array.dtype.kind == "f" else array.dtype.name) for array in arrays]
        return check_vjp(forward, inputs=inputs)
