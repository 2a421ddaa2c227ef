"""Squares of an image as tokens: (c, h, w) → (h/s · w/s, c s s). With s = 1, `tokens`, every place is a token.

    y[n, (r, k), (c, a, b)] = x[n, c, r s + a, k s + b]

The numbers are moved and stay the same, so the Jacobian is a permutation and the VJP moves them back.
28x28 patches7 gives 16 tokens of 49 numbers, 8x4x4 tokens 16 tokens of 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, OfAnyWidth, Shape, Tensors
from backprop.layers.cells import Cells
from backprop.layers.reading import misread, misshapen, whole


@final
@dataclass(frozen=True, repr=False)
class Patches(OfAnyWidth):
    """Squares of `size` by `size` pixels of an image as tokens (`channels`, `height`, `width`)."""

    channels: int
    height: int
    width: int
    size: int = 1

    name: ClassVar[str] = "patches"
    aliases: ClassVar[tuple[str, ...]] = ("tokens",)
    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("4x6 patches2", "2x2x3 tokens")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "{x} by patches, its numbers moved",
        "input_jacobian": "1 where a number is moved to, 0 elsewhere",
        "vjp": "∂{k}/∂{y}, its numbers moved back",
    }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """The same in every library; an array of PyTorch has its axes moved by permute."""

        def moved(_: Any, own: Any, x: Any) -> Any:
            image = x.reshape(len(x), *self._image)
            image = image.permute(self._axes) if hasattr(image, "permute") else image.transpose(self._axes)
            return image.reshape(len(x), -1)

        return dict.fromkeys(("autograd", "jax", "torch"), moved)

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for images (h, w) or (c, h, w), with the size of a patch or, as `tokens`, without.

        Raises `NetworkError` for inputs that are no image, or that do not divide into such patches.
        """
        if len(numbers) > 1 or options:
            raise misread(
                cls.name, numbers, options, "the side of a patch, as patches7, or nothing, as tokens"
            )
        if len(shape) not in (2, 3):
            raise misshapen(cls.name, shape, "an image, such as 28x28 or 1x28x28")
        size = whole(cls.name, "side", numbers[0]) if numbers else 1
        channels, height, width = (1, *shape)[-3:]
        if height % size or width % size:
            raise NetworkError(
                f"The layer patches got images of {height}x{width}; expected sides that {size} divides."
            )
        return cls(channels, height, width, size)

    @property
    def text(self) -> str:
        """patches7, or tokens."""
        return "tokens" if self.size == 1 else f"patches{self.size}"

    @property
    def input_shape(self) -> Shape:
        """(c, h, w), or (h, w) of a single channel."""
        image = (self.channels, self.height, self.width)
        return image if self.channels > 1 else image[1:]

    def output_shape(self, shape: Shape) -> Shape:
        """(t, d)."""
        rows, columns = self.height // self.size, self.width // self.size
        return rows * columns, self.channels * self.size**2

    _axes: ClassVar[tuple[int, ...]] = (0, 2, 4, 1, 3, 5)

    @property
    def _image(self) -> tuple[int, ...]:
        """The axes of an image: channel, row of patches, row in a patch, and the same of columns."""
        s = self.size
        return self.channels, self.height // s, s, self.width // s, s

    @property
    def _patches(self) -> tuple[int, ...]:
        """The axes of patches: row and column of a patch, channel, row and column in it."""
        c, rows, s, columns, _ = self._image
        return rows, columns, c, s, s

    def _move(self, x: Array, out: Array) -> Array:
        """Patches of images, into `out`."""
        out.reshape(len(x), *self._patches)[...] = x.reshape(len(x), *self._image).transpose(self._axes)
        return out

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """The axes of images, moved."""
        sizes = ", ".join(map(str, (-1, *self._image)))
        return f"return x.reshape({sizes}).transpose({', '.join(map(str, self._axes))}).reshape(len(x), -1)"

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The number that is moved there, and a one for it."""
        if form == "vjp":
            return None
        i = int(self._order[index[0]])
        return at.x(i) if form == "forward" else int(index[1] == i)

    @property
    def _order(self) -> Array:
        """For every output the place of its input."""
        places = np.arange(self.channels * self.height * self.width)
        order: Array = self._move(places[None], np.empty_like(places)[None])[0]
        return order

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One patch after another, cut out of the image."""
        s, image = self.size, x.reshape(len(x), self.channels, self.height, self.width)
        cut = [
            image[:, :, r : r + s, k : k + s].reshape(len(x), -1)
            for r in range(0, self.height, s)
            for k in range(0, self.width, s)
        ]
        return np.concatenate(cut, axis=1)

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """None: a move for each number is counted as one, so that it is not free."""
        return n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The same moves back."""
        return n * o if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y."""
        return 0 if out else n * o * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """dx, or a copy of dy where dx is written over it."""
        return n * i * itemsize

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The places of all numbers."""
        return 3 * 8 * i

    def input_nonzeros(self, i: int, o: int) -> int:
        """A number for each input."""
        return i

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """The numbers, moved."""
        return self._move(x, np.empty_like(x, shape=x.shape) if out is None else out)

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """A one in the column of the number that is moved there."""
        out = self._jacobian(x, y, out)
        out[:, np.arange(y.shape[1]), self._order] = 1
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The number one: the axes alone are moved."""
        return EinsumFactor("", np.ones_like(x, shape=()), "rskab", self._patches, "krasb")

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """The numbers, moved back."""
        dx = np.empty_like(dy, shape=dy.shape) if out is None else out
        image = dx.reshape(len(dy), *self._image).transpose(self._axes)
        image[...] = dy.reshape(len(dy), *self._patches)  # where both are one array, NumPy copies first
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """The numbers of ẋ, moved."""
        every = np.broadcast_to(dx, np.broadcast_shapes(dx.shape, y.shape))
        rows = every.reshape(-1, dx.shape[-1])
        return self._move(rows, np.empty_like(dx, shape=rows.shape)).reshape(every.shape)
