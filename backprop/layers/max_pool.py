"""Max pooling: y[n,l,s,t] is the largest of the window, x[n,l,ds+u,dt+v] over (u, v), with the stride d.

    ∂y[n,o]/∂x[n,i] = 1 where input i is the largest in the window of output o, else 0

    VJP: dx is the sum of dy over the windows in which an input is the largest        JVP: ẋ at the largest

Where several are the largest there is no derivative; like PyTorch we take the first of them, row by row.

`forward` and `vjp` go along the rows of every window, then along the column of what they have found: the first of the
largest rows, and in it the first of the largest numbers, is the first of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Margin, Planned, Tensors
from backprop.layers.cells import Cells
from backprop.layers.windows import Pooling, blocks

_BLOCK_BYTES = 1 << 18
"""Bytes of the largest of every row of a block of samples: what is made of it stays in a second-level cache."""


@final
@dataclass(frozen=True, repr=False)
class MaxPool(Pooling):
    """The largest number of every window; of complex numbers, the one with the largest real part."""

    name: ClassVar[str] = "max-pool"
    aliases: ClassVar[tuple[str, ...]] = ("pool",)
    reads_input: ClassVar[bool] = True
    underivable: ClassVar[str] = "which input is the largest follows from numbers, and symbols have no size"
    examples: ClassVar[tuple[str, ...]] = ("2x4x4 max-pool2", "1x4x5 max-pool3x2,stride=1")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "max over u, v of {x}[n,l,s+u,t+v]",
        "input_jacobian": "[{x}[n,i] is the largest of its window]",
        "vjp": "Σs Σt [{x}[n,i] is the largest of the window] ∂{k}/∂{y}[n,l,s,t]",
    }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """The largest of every window."""
        return self.code_of("max")

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The largest of the window, and whether an input is the first that is as large."""
        if form == "vjp":
            return None
        seen = self.seen(index[0])
        if form == "forward":
            return f"MAX({','.join(map(at.x, seen))})"
        if index[1] not in seen:
            return 0
        y, before = at.y(index[0]), seen[: seen.index(index[1])]
        said = [f"{at.x(index[1])}={y}", *(f"{at.x(i)}<{y}" for i in before)]
        return f"IF(AND({','.join(said)}),1,0)"

    @property
    def smooth(self) -> bool:
        """Whether no two inputs are compared."""
        return self.entries == 1

    def margins(self, x: Array) -> Iterator[Margin]:
        """By how much the largest of a window is above each of the others: at zero another one takes its place."""
        n, inputs = len(x), self.windows.inputs
        windows = x[:, inputs]
        place = windows.argmax(axis=2)[:, :, None]
        largest = np.take_along_axis(np.broadcast_to(inputs, windows.shape), place, axis=2)
        above = np.take_along_axis(windows, place, axis=2) - windows
        both = np.broadcast_to(largest, windows.shape), np.broadcast_to(inputs, windows.shape)
        yield Margin(above.reshape(n, -1), *(index.reshape(n, -1) for index in both))

    def distances(self, params: Tensors, x: Array) -> Iterator[Array]:
        """Half above zero for the largest of every window, half below for the others: the side changes with it."""
        yield self.largest(x) - 0.5

    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        y = torch.nn.functional.max_pool2d(x.reshape(-1, *self.shape), self.size, self.stride)
        return y.reshape(len(x), -1)

    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        axes = (1, 1, *self.size), (1, 1, self.stride, self.stride)
        y = jax.lax.reduce_window(x.reshape(-1, *self.shape), -float("inf"), jax.lax.max, *axes, "VALID")
        return y.reshape(len(x), -1)

    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        """By indexing the first of equal maxima: autograd's own maximum would share the gradient among them."""
        windows = x[:, self.windows.inputs]
        plain = getattr(windows, "_value", windows)
        largest = np.argmax(plain, axis=2)[:, :, None] == np.arange(self.entries)[:, None]
        return autograd.numpy.sum(windows * largest, axis=2).reshape(len(x), -1)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """The first number of each window with the largest real part."""
        found = [
            np.take_along_axis(window, window.real.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
            for window in self.cut_out(x)
        ]
        return np.stack(found, axis=2).reshape(len(x), -1)

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """One comparison for every entry of a window but the first."""
        return n * o * max(1, self.entries - 1)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Of every entry of a row, then of a column: a comparison, whether it is the first, and a product."""
        return 3 * n * (self._row_numbers * self.size[1] + o * self.size[0]) if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The largest of every row of a window, of a block of samples; and y."""
        return (self._samples(n, itemsize) * self._row_numbers + (0 if out else n * o)) * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """Of a block of samples what `planned` keeps; the largest of every row with y, or ∂L/∂ them; and dx."""
        samples = self._samples(n, itemsize)
        beside = max(samples * o * itemsize, ufunc_buffer_bytes(samples * self._row_numbers, itemsize))
        block = self.planned_bytes(samples, i, o, itemsize) + samples * self._row_numbers * itemsize + beside
        return block + (0 if out else n * i * itemsize)

    @property
    def _row_numbers(self) -> int:
        """The largest of every row of a window: so many numbers of one sample, (l, h, t)."""
        return self.shape[0] * self.shape[1] * self.windows.places[1]

    def _samples(self, n: int, itemsize: int) -> int:
        return max(1, min(n, _BLOCK_BYTES // (self._row_numbers * itemsize)))

    def blocks(self, n: int, itemsize: int) -> Iterator[slice]:
        """The samples, as many at a time as stay in the cache."""
        return blocks(n, self._samples(n, itemsize))

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """Which entries are the largest, and ẏ."""
        return n * o * (self.entries + itemsize * (directions or 1))

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """Of a block of samples the largest of every row, or ∂L/∂ them."""
        numbers = self._samples(n, itemsize) * self._row_numbers
        return numbers * itemsize, numbers * itemsize + ufunc_buffer_bytes(numbers, itemsize)

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Which entries are the largest, as truth values and as numbers."""
        return n * o * self.entries * (1 + itemsize) + self.windows.inputs_bytes

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """The largest of every row of a window, and of those the largest."""
        y = np.empty_like(x, shape=(len(x), self.output_width(x.shape[1])), order="C") if out is None else out
        for block in self.blocks(len(x), x.itemsize):
            self.reduce(self.rows(x[block]), 0, out=self.images(y[block]))
        return y

    def rows(self, x: Array) -> Array:
        """The largest of every row of the windows, (n, l, h, t)."""
        image = self.windows.image(x)
        rows = np.empty_like(image, shape=(*image.shape[:3], self.windows.places[1]), order="C")
        self.reduce(image, 1, out=rows)
        return rows

    def _along(self, image: Array, axis: int) -> list[Array]:
        """The image at each entry of the windows along rows (0) or columns (1)."""
        lines = self.windows.lines[axis]
        return [image[..., inputs, :] if axis == 0 else image[..., inputs] for _, inputs in lines]

    def reduce(self, image: Array, axis: int, *, out: Array) -> None:
        """The largest along one axis of the windows; of complex numbers, the first with the largest real part."""
        first, *others = self._along(image, axis)
        if not others or np.iscomplexobj(image):
            out[...] = first
            for entry in others:
                np.copyto(out, entry, where=entry.real > out.real)
            return
        for entry in others:
            first = np.maximum(first, entry, out=out)

    def masks(self, image: Array, best: Array, axis: int, *, out: Array) -> None:
        """Where each entry of the windows along one axis is the first of the largest, (entries, …)."""
        _mark_first(self._along(image, axis), best, out=out)

    def push_back(self, dy: Array, masks: Array, axis: int, *, out: Array) -> None:
        """Add dy to the first of the largest along one axis, and zero to the others."""
        length, size, places = self.shape[1 + axis], self.size[axis], self.windows.places[axis]
        alone = self.stride >= size  # no input is in two windows
        if not alone or self.stride * places != length or self.stride != size:
            out[...] = 0
        for place, mask in zip(self._along(out, axis), masks, strict=True):
            if alone:
                np.multiply(dy, mask, out=place)
            else:
                np.add(place, dy * mask, out=place)

    def largest(self, x: Array) -> Array:
        """For every entry of the windows, at which places it is the first of the largest: (entries, n, l, s, t)."""
        best = self.images(self.forward({}, x))
        masks = np.empty((self.entries, *best.shape), np.bool_)
        _mark_first([*self.taken(x)], best, out=masks)
        return masks

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """1 where an input is the largest in the window of an output, (n, o, i)."""
        out = self._jacobian(x, y, out)
        for at_tap, mask in zip(self.pairs(out), self.largest(x), strict=True):
            at_tap[...] = mask
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """1 for the largest entry of a window, 0 for the others, and the inputs that they belong to."""
        chosen = self.largest(x).astype(y.dtype).reshape(self.entries, len(x), *self.split)
        return EinsumFactor("knls", chosen, "ls", self.split, "lks", self.windows.inputs)

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """dy, added to the largest input of the window."""
        dx = np.empty_like(x) if out is None else out
        for block in self.blocks(len(x), x.itemsize):
            call = _Planned(self, block.stop - block.start)
            call.forward({}, x[block], out=np.empty_like(y[block], order="C"))
            call.vjp({}, x[block], y[block], dy[block], input_needed=True, out=dx[block], dparams={})
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ at the largest input of the window."""
        dy = np.zeros((*np.broadcast_shapes(dx.shape[:-1], (len(x),)), y.shape[1]), dx.dtype)
        pushed = self.images(dy)
        for entry, mask in zip(self.taken(dx), self.largest(x), strict=True):
            np.copyto(pushed, entry, where=mask)
        return dy

    def planned(self, n: int, dtype: DType) -> Planned:
        """The layer with memory for what `forward` has found the largest."""
        return _Planned(self, n)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """A truth value for every entry of a row, then of a column of the windows."""
        return n * (self._row_numbers * self.size[1] + o * self.size[0])


class _Planned:
    """Max pooling for batches of n, which keeps where the last `forward` has found the largest."""

    def __init__(self, layer: MaxPool, n: int) -> None:
        self._layer = layer
        (u, v), (channels, h, _), (s, t) = layer.size, layer.shape, layer.windows.places
        self._by_row = np.empty((u, n, channels, s, t), np.bool_)
        self._by_column = np.empty((v, n, channels, h, t), np.bool_)

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """y (n, o)."""
        layer = self._layer
        for block in layer.blocks(len(x), x.itemsize):
            image, best = layer.windows.image(x[block]), layer.images(out[block])
            rows = layer.rows(x[block])
            layer.reduce(rows, 0, out=best)
            layer.masks(image, rows, 1, out=self._by_column[:, block])
            layer.masks(rows, best, 0, out=self._by_row[:, block])
        return out

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool,
        out: Array,
        dparams: Tensors,
    ) -> tuple[Array | None, Tensors]:
        """The closed form, for the batch of the last `forward`."""
        if not input_needed:
            return None, {}
        layer = self._layer
        for block in layer.blocks(len(dy), dy.itemsize):
            by_column = self._by_column[:, block]
            back = np.empty(by_column.shape[1:], dy.dtype)
            layer.push_back(layer.images(dy[block]), self._by_row[:, block], 0, out=back)
            layer.push_back(back, by_column, 1, out=layer.windows.image(out[block]))
        return out, {}


def _mark_first(entries: list[Array], best: Array, *, out: Array) -> None:
    """Where each of the entries is the first that is as large as the best: of `out` (entries, …) exactly one is."""
    free = out[-1]  # the last is it where no other is
    free[...] = True
    for mask, entry in zip(out[:-1], entries, strict=False):
        np.equal(entry, best, out=mask)
        np.logical_and(mask, free, out=mask)
        np.greater(free, mask, out=free)
