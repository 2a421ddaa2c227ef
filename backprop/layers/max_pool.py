"""Max pooling: y[n,l,s,t] is the largest of the window, x[n,l,ds+u,dt+v] over (u, v), with the stride d.

    ∂y[n,o]/∂x[n,i] = 1 where input i is the largest in the window of output o, else 0

    VJP: dx is the sum of dy over the windows in which an input is the largest        JVP: ẋ at the largest

Where several are the largest there is no derivative; like PyTorch we take the first of them, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Margin, Tensors
from backprop.layers.windows import Pooling


def _by_torch(layer: MaxPool, torch: Any, own: Any, x: Any) -> Any:
    y = torch.nn.functional.max_pool2d(x.reshape(-1, *layer.shape), layer.size, layer.stride)
    return y.reshape(len(x), -1)


def _by_jax(layer: MaxPool, jax: Any, own: Any, x: Any) -> Any:
    axes = (1, 1, *layer.size), (1, 1, layer.stride, layer.stride)
    y = jax.lax.reduce_window(x.reshape(-1, *layer.shape), -float("inf"), jax.lax.max, *axes, "VALID")
    return y.reshape(len(x), -1)


def _by_autograd(layer: MaxPool, autograd: Any, own: Any, x: Any) -> Any:
    """By indexing with the first of the largest, which autograd's maximum would share out."""
    windows = x[:, layer.windows.inputs]
    plain = getattr(windows, "_value", windows)
    largest = np.argmax(plain, axis=2)[:, :, None] == np.arange(layer.entries)[:, None]
    return autograd.numpy.sum(windows * largest, axis=2).reshape(len(x), -1)


@final
@dataclass(frozen=True, repr=False)
class MaxPool(Pooling):
    """The largest number of every window; of complex numbers, the one with the largest real part."""

    name: ClassVar[str] = "max-pool"
    aliases: ClassVar[tuple[str, ...]] = ("pool",)
    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("2x4x4 max-pool2", "1x4x5 max-pool3x2,stride=1")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "max over u, v of {x}[n,l,s+u,t+v]",
        "input_jacobian": "[{x}[n,i] is the largest of its window]",
        "vjp": "Σs Σt [{x}[n,i] is the largest of the window] ∂{k}/∂{y}[n,l,s,t]",
    }

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

    @property
    def peers(self) -> Mapping[str, Callable[[Any, Any, Any], Any]]:  # type: ignore[override]  # of its sizes
        """The libraries' own poolings."""
        own = {"autograd": _by_autograd, "jax": _by_jax, "torch": _by_torch}
        return {name: lambda *given, form=form: form(self, *given) for name, form in own.items()}

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
        """Of every entry of a window: whether it is the largest and the first, a product, and a sum."""
        return n * o * self.entries * (3 if self.windows.disjoint else 4) if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y."""
        return 0 if out else n * o * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """Which entries are the largest, as truth values, and dx; where windows overlap, a product."""
        product = 0 if self.windows.disjoint else n * o * itemsize
        return 3 * n * o + product + (0 if out else n * i * itemsize) + ufunc_buffer_bytes(n * o, itemsize)

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Which entries are the largest, as truth values, their stack, and as numbers."""
        return n * o * self.entries * (1 + itemsize) + self.windows.inputs_bytes

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """The larger of what all windows have at one entry after another."""
        y = np.empty((len(x), self.output_width(x.shape[1])), x.dtype) if out is None else out
        best = self.images(y)
        first, *others = self.taken(x)
        best[...] = first
        for entry in others:
            if np.iscomplexobj(x):
                np.copyto(best, entry, where=entry.real > best.real)
            else:
                np.maximum(best, entry, out=best)
        return y

    def largest(self, x: Array, y: Array) -> Iterator[Array]:
        """For every entry of the windows, at which places it is the first of the largest: (n, l, s, t)."""
        best = self.images(y)
        free = np.ones(best.shape, np.bool_)
        for entry in self.taken(x):
            mask = np.equal(entry, best)
            np.logical_and(mask, free, out=mask)
            np.greater(free, mask, out=free)
            yield mask

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """1 where an input is the largest in the window of an output, (n, o, i)."""
        if out is None:
            out = np.zeros((*y.shape, x.shape[1]), y.dtype)
        for at_tap, mask in zip(self.pairs(out), self.largest(x, y), strict=True):
            at_tap[...] = mask
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """1 for the largest entry of a window, 0 for the others, and the inputs that they belong to."""
        chosen = np.stack([*self.largest(x, y)], axis=2).astype(y.dtype)
        shape = (*chosen.shape[:3], -1)
        return EinsumFactor("nlks", chosen.reshape(shape), "ls", self.split, "lks", self.windows.inputs)

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool = True,
        out: Array | None = None,
        dparams: Tensors | None = None,
    ) -> tuple[Array | None, Tensors]:
        """dy, added to the largest input of the window."""
        if not input_needed:
            return None, {}
        dx = np.empty_like(x) if out is None else out
        if not self.windows.tiling:
            dx[...] = 0
        back = self.images(dy)
        for inputs, mask in zip(self.taken(dx), self.largest(x, y), strict=True):
            if self.windows.disjoint:
                np.multiply(back, mask, out=inputs)
            else:
                np.add(inputs, back * mask, out=inputs)
        return dx, {}

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ at the largest input of the window."""
        dy = np.zeros((*np.broadcast_shapes(dx.shape[:-1], (len(x),)), y.shape[1]), dx.dtype)
        pushed = self.images(dy)
        for entry, mask in zip(self.taken(dx), self.largest(x, y), strict=True):
            np.copyto(pushed, entry, where=mask)
        return dy
