"""Gradient checkers of other libraries on a planted layer, each as its documentation uses it.

    check_vjp        backprop.check_vjp(forward, backward, inputs)
    torch gradcheck  torch.autograd.gradcheck of an autograd.Function with this backward, in float64
    jax check_grads  jax.test_util.check_grads of a custom_vjp with this backward, order 1, reverse, in float64
    scipy            scipy.optimize.check_grad of ⟨u, forward⟩ with a random u: at most 1e-5 · max(1, ‖g‖)

A tool tells "right", "wrong" or "failed": an exception, such as for a shape, of a wrong backward pass counts as
found. named: whether a kind of mistake was told; no other tool names any.
"""

import importlib
import time
from dataclasses import dataclass

import numpy as np
from planted.layers.libraries import in_jax, in_torch

import backprop
from backprop.check.leaves import float64_in_jax

ALLOWED = 1e-5


@dataclass(frozen=True)
class Answer:
    """What a tool says of a backward pass. kinds: the names that it gives. calls: of the forward pass."""

    verdict: str
    kinds: tuple[str, ...]
    calls: int
    seconds: float


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0
        self.__signature__ = importlib.import_module("inspect").signature(function)

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


@dataclass(frozen=True)
class Counting:
    """A layer whose forward pass counts its calls."""

    forward: Counted
    backward: object


def by_check_vjp(layer, backward, arrays):
    check = backprop.check_vjp(layer.forward, backward, arrays)
    return check.verdict, tuple(finding.kind for finding in check.findings)


def by_torch(layer, backward, arrays):
    torch = importlib.import_module("torch")
    forward, made = in_torch(layer, backward)
    tensors = tuple(made(array, array.dtype.name) for array in map(np.asarray, arrays))
    for tensor in tensors:
        tensor.requires_grad_(tensor.is_floating_point())
    is_right = torch.autograd.gradcheck(forward, tensors, raise_exception=False)
    return "right" if is_right else "wrong", ()


def by_jax(layer, backward, arrays):
    test_util = importlib.import_module("jax.test_util")
    with float64_in_jax(True):
        forward, made = in_jax(layer, backward)
        inputs = [made(array, array.dtype.name) for array in map(np.asarray, arrays)]
        moving = [k for k, each in enumerate(inputs) if each.dtype.kind == "f"]

        def of_moving(*tensors):
            given = dict(zip(moving, tensors, strict=True))
            return forward(*(given.get(k, each) for k, each in enumerate(inputs)))

        try:
            test_util.check_grads(of_moving, [inputs[k] for k in moving], order=1, modes=["rev"])
        except AssertionError:
            return "wrong", ()
    return "right", ()


def by_scipy(layer, backward, arrays):
    optimize = importlib.import_module("scipy.optimize")
    arrays = [np.asarray(array) for array in arrays]
    moving = [k for k, each in enumerate(arrays) if each.dtype.kind == "f"]
    ends = np.cumsum([arrays[k].size for k in moving])[:-1]
    u = np.random.default_rng(0).normal(size=np.shape(layer.forward(*arrays)))

    def at(vector):
        parts = iter(np.split(vector, ends))
        return [next(parts).reshape(each.shape) if k in moving else each for k, each in enumerate(arrays)]

    def gradient(vector):
        given = backward(u, *at(vector))
        given = given if isinstance(given, tuple) else (given,)
        return np.concatenate([np.ravel(given[k]) for k in moving])

    x = np.concatenate([arrays[k].ravel() for k in moving])
    off = optimize.check_grad(lambda vector: np.sum(u * layer.forward(*at(vector))), gradient, x)
    return "right" if off <= ALLOWED * max(1.0, np.linalg.norm(gradient(x))) else "wrong", ()


TOOLS = {
    "check_vjp": (by_check_vjp, "backprop"),
    "torch gradcheck": (by_torch, "torch"),
    "jax check_grads": (by_jax, "jax"),
    "scipy check_grad": (by_scipy, "scipy"),
}
"""Every tool with the package that it needs, this package's checker first."""


def ask(tool, layer, slip=None):
    """What a tool says of a layer with its right backward pass, or with a slip."""
    counting = Counting(Counted(layer.forward), layer.backward)
    backward = layer.backward if slip is None else layer.spoilt(slip)
    start = time.process_time()  # of this process alone, whatever else the machine does
    with np.errstate(all="ignore"):
        try:
            verdict, kinds = TOOLS[tool][0](counting, backward, layer.inputs(np.random.default_rng(1)))
        except Exception:  # whatever another library raises is a row of the table
            verdict, kinds = "failed", ()
    return Answer(verdict, kinds, counting.forward.calls, time.process_time() - start)
