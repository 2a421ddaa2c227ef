"""Layers by hand: a forward and a backward pass, and the slips that are made in writing the latter.

Each file beside this one holds one layer, written once for NumPy, PyTorch and JAX:

    forward(*inputs) -> y            backward(dy, *inputs) -> one gradient for each input, None for what has none
    LAYER = Layer(name, forward, backward, inputs, slips)

A slip is one change of the text of `backward`, with the kinds of mistake by which a check may call it.
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special


@dataclass(frozen=True)
class Slip:
    """One wrong edit of a backward pass: `old` of its text becomes `new`. kinds: any of these names it."""

    name: str
    old: str
    new: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """A layer. inputs: from a generator to its inputs, floating ones in float64 beside whole numbers and masks."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    slips: tuple[Slip, ...]

    def spoilt(self, slip: Slip) -> Callable[..., Any]:
        """The backward pass with a slip in it."""
        text = inspect.getsource(self.backward)
        assert text.count(slip.old) == 1, (
            f"{self.name}, {slip.name}: {slip.old!r} occurs {text.count(slip.old)} times"
        )
        scope = dict(vars(sys.modules[self.backward.__module__]))
        exec(text.replace(slip.old, slip.new), scope)
        return scope[self.backward.__name__]


def every_layer() -> list[Layer]:
    """The layers of all files beside this one."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    modules = [vars(importlib.import_module(f"planted.layers.{name}")) for name in names if name != "suite"]
    found = (module.get("LAYERS") or [module.get("LAYER")] for module in modules)
    return [layer for layers in found for layer in layers if layer is not None]


# What the three libraries call differently.


def library_of(x: Any) -> Any:
    """NumPy, PyTorch, jax.numpy or autograd.numpy, whichever an array comes from."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and isinstance(x, torch.Tensor):
        return torch
    if jax is not None and isinstance(x, jax.Array):
        return jax.numpy
    tracer = sys.modules.get("autograd.tracer")
    if tracer is not None and isinstance(x, tracer.Box):
        return sys.modules["autograd.numpy"]
    return np


def like(values: Any, x: Any) -> Any:
    """NumPy values as an array of the library and the dtype of `x`."""
    lib = library_of(x)
    if lib is np or "autograd" in lib.__name__:
        return np.asarray(values, x.dtype)
    return lib.asarray(values, dtype=x.dtype)


def one_hot(numbers: Any, count: int, x: Any) -> Any:
    """1 at each of the whole numbers and 0 elsewhere (…, count), in the library and the dtype of `x`."""
    return like(numbers[..., None] == library_of(numbers).arange(count), x)


def largest(x: Any, axis: int = -1) -> Any:
    """The largest entries along an axis, which stays."""
    lib = library_of(x)
    return lib.amax(x, axis, True) if lib.__name__ == "torch" else lib.max(x, axis=axis, keepdims=True)


def erf(x: Any) -> Any:
    """The error function."""
    lib = library_of(x)
    if lib.__name__ == "torch":
        return lib.erf(x)
    if lib is np:
        return scipy.special.erf(x)
    family = "autograd" if "autograd" in lib.__name__ else "jax"
    return importlib.import_module(f"{family}.scipy.special").erf(x)
