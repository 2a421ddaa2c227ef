"""Leaves: the numbers of a point as NumPy arrays, and back as the arrays of the library that they came from.

The one place that knows the arrays of PyTorch, JAX, pandas and ml_dtypes; `product` knows what the first two
differentiate. None of them is imported here: who holds one of their arrays has loaded the library already.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array, DType

# Formats: in how many bits a number is kept. NumPy knows no bfloat16: such numbers are kept in float32.


class Format(NamedTuple):
    """The format of floating numbers: its name, and the bits of its significand, 53 for float64."""

    name: str
    bits: int

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number."""
        return 2.0 ** (1 - self.bits)


SINGLE, HALF, BFLOAT = Format("float32", 24), Format("float16", 11), Format("bfloat16", 8)
"""The formats that are narrower than float64."""


@functools.cache
def format_of(dtype: DType) -> Format:
    """The format of a NumPy dtype, real or complex."""
    return Format(dtype.name, bits_of(float(np.finfo(dtype).eps)))


def bits_of(eps: float) -> int:
    """The bits of the significand of a format, from the distance from 1 to its next number."""
    return 1 - round(math.log2(eps))


def round_to(values: Array, bits: int) -> Array:
    """The nearest numbers of so many bits."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**bits) * 2.0**-bits, exponent))


# Arrays of other libraries.


def library(name: str) -> Any:
    """A library that the user has loaded, or None."""
    return sys.modules.get(name)


def _is_of(value: Any, name: str, kind: str) -> bool:
    """Whether the value is of a class of this library, which its user must then have imported."""
    module = library(name)
    return module is not None and isinstance(value, getattr(module, kind))


def is_torch(value: Any) -> bool:
    """Whether a value is a PyTorch tensor."""
    return _is_of(value, "torch", "Tensor")


def is_jax(value: Any) -> bool:
    """Whether a value is a JAX array."""
    return _is_of(value, "jax", "Array")


def is_pandas(value: Any) -> bool:
    """Whether a value is a Series of pandas, whose numbers have labels."""
    return _is_of(value, "pandas", "Series")


def is_none(value: Any) -> bool:
    """Whether a value stands for no gradient: None, or JAX's float0."""
    return value is None or (isinstance(value, np.ndarray) and value.dtype.names == ("float0",))


def _is_narrow(dtype: DType) -> bool:
    """Whether a dtype is one of ml_dtypes, such as bfloat16. NumPy does not know that these are floating."""
    ml_dtypes = library("ml_dtypes")
    if dtype.kind != "V" or dtype.fields is not None or ml_dtypes is None:
        return False
    return hasattr(ml_dtypes, dtype.name)


def read(value: Any) -> tuple[Array, Format | None]:
    """Any array or number as a NumPy array, and the format of its numbers; None where these are not floating.

    Raises what NumPy raises for what is no array.
    """
    if is_torch(value):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        value = value.to_dense() if value.layout is not library("torch").strided else value
        floats = value.is_floating_point() or value.is_complex()
        bits = bits_of(library("torch").finfo(value.dtype).eps) if floats else 0
        if 0 < bits < HALF.bits:  # NumPy has no such dtype
            return value.float().numpy(), Format(str(value.dtype).removeprefix("torch."), bits)
        value = value.numpy()
    array = np.asarray(value)
    if _is_narrow(array.dtype):
        bits = bits_of(float(library("ml_dtypes").finfo(array.dtype).eps))
        return array.astype(np.float32), Format(array.dtype.name, bits)
    return array, format_of(array.dtype) if array.dtype.kind in "fc" else None


def read_numbers(value: Any) -> tuple[Array | None, Format | None]:
    """What `read` gives, with Python numbers (dtype object) as float64; None for what is no array, or is masked."""
    try:
        if np.ma.is_masked(value):
            return None, None
        array, form = read(value)
        return array.astype(np.float64) if array.dtype.kind == "O" and value is not None else array, form
    except (TypeError, ValueError, RuntimeError):
        return None, None


def to_numpy(value: Any) -> Array:
    """Any array or number as a NumPy array."""
    return read(value)[0]


def copied_leaf(value: Any) -> Any:
    """An array in memory of its own; anything else copied as deeply as it can be."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if is_torch(value):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if is_jax(value):  # it cannot be changed
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # of whatever kind, such as a generator's
        return value


def back_to(like: Any, original: Format | None) -> Callable[[Array, bool], Any] | None:
    """What turns a NumPy array into one of the library of `like`; None where that is NumPy with a dtype of its own.

    The array is turned into the dtype of `like`, or keeps its own where it is to be `wide`. The device stays, and so
    does whether PyTorch records a gradient.
    """
    if is_torch(like):
        torch = library("torch")
        device, dtype, wants = like.device, like.dtype, like.requires_grad

        def tensor(array: Array, wide: bool) -> Any:
            made = torch.from_numpy(array).to(device=device, dtype=None if wide else dtype)
            return made.requires_grad_(wants)

        return tensor
    if is_jax(like):
        jnp, dtype = library("jax").numpy, like.dtype
        return lambda array, wide: jnp.asarray(array, None if wide else dtype)
    if is_pandas(like):
        index, name, kind = like.index, like.name, type(like)
        return lambda array, wide: kind(array, index=index, name=name)
    if original is not None and isinstance(like, np.ndarray | np.generic) and _is_narrow(like.dtype):
        dtype = like.dtype
        return lambda array, wide: array if wide else array.astype(dtype)
    return None


@contextlib.contextmanager
def float64_in_jax(needed: bool) -> Iterator[None]:
    """Let JAX compute in float64, which it does not unless it is told so."""
    jax = library("jax")
    if not needed or jax is None:
        yield
        return
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        yield


@contextlib.contextmanager
def seeded_torch(needed: bool) -> Iterator[None]:
    """Let PyTorch draw the same random numbers in every call, such as those of dropout."""
    if not needed:
        yield
        return
    torch = library("torch")
    accelerator = getattr(torch, "accelerator", None)  # PyTorch 2.5 has none
    # For accelerators that are not there manual_seed notes tracebacks, which takes longer than a small function.
    on_cpu = accelerator is not None and not accelerator.is_available()
    with torch.random.fork_rng():
        (torch.default_generator if on_cpu else torch.random).manual_seed(0)
        yield


# Leaf: one tensor of a point.


@dataclass(frozen=True)
class Leaf:
    """A tensor of a point.

    shape, dtype: of its real numbers; those of a complex tensor are pairs of real and imaginary part, along a last
    axis of two. format: in which the point is known; that of bfloat16 is narrower than its dtype, float32.
    scalar: the type of a number that is no array, None for an array. weak: a Python or whole number, whose gradient
    may be of any floating dtype. is_complex: whether it is complex. conjugate: whether its gradient is written as
    JAX does, ∂L/∂x - i ∂L/∂y, and not ∂L/∂x + i ∂L/∂y. native: into the array of another library.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    format: Format
    scalar: type | None = None
    weak: bool = False
    is_complex: bool = False
    conjugate: bool = False
    native: Callable[[Array, bool], Any] | None = None

    @property
    def size(self) -> int:
        """The number of its entries."""
        return math.prod(self.shape)

    def build(self, values: Array, dtype: DType | None = None) -> Any:
        """`values` as an array of its own, or as the number that it was."""
        wanted = self.dtype if dtype is None else dtype
        array = np.array(values, wanted).reshape(self.shape)
        if self.is_complex:
            array = array.view(np.result_type(wanted, np.complex64)).reshape(self.shape[:-1])
        if self.native is not None:
            return self.native(array, dtype is not None)
        if self.scalar is None:
            return array
        number = array[()]
        return number.item() if self.scalar in (float, complex) and wanted.itemsize <= 16 else number

    def rounded(self, values: Array) -> Array:
        """`values` in numbers of its own format."""
        kept = values.astype(self.dtype)
        return kept if self.format.bits >= format_of(self.dtype).bits else round_to(kept, self.format.bits)

    def parts(self, array: Array) -> Array:
        """The real numbers of an array that may be complex, as this tensor keeps them."""
        if not self.is_complex:
            return array
        array = np.ascontiguousarray(array, np.result_type(array.dtype, np.complex64))
        array = array.conj() if self.conjugate else array
        return array.view(array.real.dtype).reshape(*array.shape, 2)
