"""Windows over an image: which inputs each place of the output sees, for convolution and pooling.

An image has axes (l, h, w), channels by rows by columns, flattened in this order. The window of place (s, t) begins
at row s · stride - padding and column t · stride - padding; its entry (u, v) lies u rows below and v columns right of
that. For one (u, v), all places see inputs that lie as regularly as they do: such a tap is one slice of the image.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from backprop.arrays import Array
from backprop.errors import NetworkError
from backprop.layers.base import ByInput, OfShape, Shape
from backprop.layers.reading import misread, misshapen, whole

Slices = tuple[slice, slice]

BLOCK_BYTES = 1 << 20
"""Bytes of the patches of a block of samples: in a second-level cache of 2 MB they stay until they are multiplied."""

_INDEX_BYTES = np.dtype(np.intp).itemsize


class Tap(NamedTuple):
    """One entry of all windows: the places (s, t) at which it is inside the image, and the inputs (h, w) there."""

    places: Slices
    inputs: Slices


@dataclass(frozen=True)
class Windows:
    """Windows of `size` over an image of `shape` (l, h, w); raises `NetworkError` where no window fits."""

    shape: Shape
    size: tuple[int, int]
    stride: int
    padding: int = 0

    def __post_init__(self) -> None:
        if min(self.places) < 1:
            wide = "x".join(map(str, self.size))
            padded = "x".join(str(length + 2 * self.padding) for length in self.shape[1:])
            raise NetworkError(
                f"A window is {wide} and the padded image {padded}; expected a window within it."
            )

    @cached_property
    def places(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        rows, columns = (
            (length + 2 * self.padding - size) // self.stride + 1
            for length, size in zip(self.shape[1:], self.size, strict=True)
        )
        return rows, columns

    @cached_property
    def count(self) -> int:
        """The number of places."""
        return math.prod(self.places)

    @cached_property
    def lines(self) -> tuple[tuple[Slices, ...], ...]:
        """For every row u of a window, and for every column v, the places and the inputs along that axis."""
        return tuple(tuple(self._tap(axis, k) for k in range(size)) for axis, size in enumerate(self.size))

    @cached_property
    def taps(self) -> tuple[Tap, ...]:
        """Every entry of a window, row by row."""
        rows, columns = self.lines
        return tuple(Tap((s, t), (h, w)) for s, h in rows for t, w in columns)

    def _tap(self, axis: int, k: int) -> Slices:
        """The places along an axis at which entry k is inside the image, and the inputs there."""
        length, offset = self.shape[1 + axis], k - self.padding
        first = max(0, -(offset // self.stride))
        stop = max(first, min(self.places[axis], (length - 1 - offset) // self.stride + 1))
        start = first * self.stride + offset
        return slice(first, stop), slice(start, start + (stop - first) * self.stride, self.stride)

    def image(self, x: Array) -> Array:
        """x (…, i) with the axes of the image."""
        return x.reshape(*x.shape[:-1], *self.shape)

    def patches(self, x: Array) -> Array:
        """What every place sees of x (…, i): (…, l, u v, s, t), zero outside the image."""
        image = self.image(x)
        make = np.zeros if self.padding else np.empty
        made = make((*image.shape[:-2], len(self.taps), *self.places), x.dtype)
        for k, tap in enumerate(self.taps):
            made[..., k, *tap.places] = image[..., *tap.inputs]
        return made

    def add_patches(self, patches: Array, *, out: Array) -> Array:
        """The transpose: each entry of patches (…, l, u v, s, t) is added to its input, into `out` (…, i)."""
        out[...] = 0
        image = self.image(out)
        for k, tap in enumerate(self.taps):
            inputs = image[..., *tap.inputs]
            np.add(inputs, patches[..., k, *tap.places], out=inputs)
        return out

    @property
    def inputs(self) -> Array:
        """The number of the input that each entry of the patches holds, (l, u v, s t); i for none."""
        i = math.prod(self.shape)
        numbers = np.full((self.shape[0], len(self.taps), *self.places), i)
        image = np.arange(i).reshape(self.shape)
        for k, tap in enumerate(self.taps):
            numbers[:, k, *tap.places] = image[:, *tap.inputs]
        return numbers.reshape(self.shape[0], len(self.taps), self.count)

    @property
    def inputs_bytes(self) -> int:
        """The bytes of `inputs`."""
        return self.shape[0] * len(self.taps) * self.count * _INDEX_BYTES


def check_image(name: str, shape: Shape) -> None:
    """Raise `NetworkError` unless the shape of a layer's inputs is one of an image."""
    if len(shape) != 3:
        raise misshapen(name, shape, "channels, rows and columns such as 1x28x28")


@dataclass(frozen=True, repr=False)
class Pooling(ByInput, OfShape):
    """One number for every window of every channel: x (l, h, w) → y (l, s, t)."""

    shape: Shape
    size: tuple[int, int]
    stride: int

    reads_output: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self.windows  # raises where no window fits

    @cached_property
    def windows(self) -> Windows:
        """What each output sees."""
        return Windows(self.shape, self.size, self.stride)

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: str | bool) -> Self:
        """`pool2` has windows of 2x2 and as large a stride, `pool3x2,stride=1` windows of 3x2 and a stride of 1.

        Raises `NetworkError` for anything else, and for inputs that are no image.
        """
        check_image(cls.name, shape)
        if len(numbers) not in (1, 2) or options.keys() - {"stride"}:
            expected = f"the size of its windows, such as {cls.name}2 or {cls.name}3x2,stride=1"
            raise misread(cls.name, numbers, options, expected)
        rows, columns = (whole(cls.name, "window", number) for number in (numbers[0], numbers[-1]))
        stride = whole(cls.name, "stride", options.get("stride", rows))
        return cls(shape, (rows, columns), stride)

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # of its sizes
        """The libraries' own poolings."""
        return {"autograd": self._autograd, "jax": self._jax, "torch": self._torch}

    @abstractmethod
    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        """By autograd's functions."""

    @abstractmethod
    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        """By JAX's."""

    @abstractmethod
    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        """By PyTorch's."""

    def code_of(self, reduction: str) -> str:
        """`Layer.code` of a pooling by that method of an array."""
        axes, size = ", ".join(map(str, self.shape)), ", ".join(map(str, self.size))
        return (
            f"seen = np.lib.stride_tricks.sliding_window_view(x.reshape(-1, {axes}), ({size}), axis=(2, 3))\n"
            f"return seen[:, :, ::{self.stride}, ::{self.stride}].{reduction}(axis=(4, 5)).reshape(len(x), -1)"
        )

    @property
    def text(self) -> str:
        """The name, the size, and the stride where it is another."""
        rows, columns = self.size
        size = f"{rows}" if rows == columns else f"{rows}x{columns}"
        return f"{self.name}{size}" + (f",stride={self.stride}" if self.stride != rows else "")

    @property
    def input_shape(self) -> Shape:
        """(l, h, w)."""
        return self.shape

    @property
    def made(self) -> Shape:
        """(l, s, t)."""
        return (self.shape[0], *self.windows.places)

    @property
    def inputs(self) -> int:
        """i."""
        return math.prod(self.shape)

    @property
    def entries(self) -> int:
        """The numbers of a window."""
        return len(self.windows.taps)

    def input_nonzeros(self, i: int, o: int) -> int:
        """The windows of all outputs."""
        return o * self.entries

    def input_products(self, i: int, o: int) -> int:
        """The same: each is added to its input."""
        return o * self.entries

    def seen(self, o: int) -> list[int]:
        """The inputs in the window of output o, row by row."""
        channel, place = divmod(o, self.windows.count)
        return [int(i) for i in self.windows.inputs[channel, :, place]]

    def images(self, y: Array) -> Array:
        """y (…, o) with the axes (…, l, s, t)."""
        return y.reshape(*y.shape[:-1], self.shape[0], *self.windows.places)

    def taken(self, x: Array) -> Iterator[Array]:
        """x (…, i) at every entry of the windows: views (…, l, s, t)."""
        image = self.windows.image(x)
        for tap in self.windows.taps:
            yield image[..., *tap.inputs]

    @property
    def split(self) -> Shape:
        """(l, s), the axes of the output with all places in one."""
        return self.shape[0], self.windows.count

    def pairs(self, jacobian: Array) -> Iterator[Array]:
        """Views (n, l, s, t) of a Jacobian (n, o, i): of every place and the input at one entry of its window."""
        axes = jacobian.reshape(len(jacobian), self.shape[0], *self.windows.places, *self.shape)
        for tap in self.windows.taps:
            yield np.einsum("nlstlst->nlst", axes[:, :, *tap.places, :, *tap.inputs])

    def cut_out(self, x: Array) -> Iterator[Array]:
        """For an oracle: the window (n, l, u v) of every place, cut out by itself."""
        image = x.reshape(len(x), *self.shape)
        for s, t in np.ndindex(*self.windows.places):
            h, w = s * self.stride, t * self.stride
            yield image[:, :, h : h + self.size[0], w : w + self.size[1]].reshape(*image.shape[:2], -1)


def blocks(n: int, samples: int) -> Iterator[slice]:
    """n samples in their order, so many at a time; the last block may have fewer."""
    for first in range(0, n, samples):
        yield slice(first, min(first + samples, n))
