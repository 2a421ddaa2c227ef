"""Mean pooling: y[n,l,s,t] is the mean of the window, 1/k Σuv x[n,l,ds+u,dt+v], of k numbers with the stride d.

∂y[n,o]/∂x[n,i] = 1/k where input i is in the window of output o, else 0

VJP: dx is the sum of dy/k over the windows that an input is in        JVP: the mean of ẋ
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Tensors
from backprop.layers.cells import Cells
from backprop.layers.windows import Pooling


@final
@dataclass(frozen=True, repr=False)
class MeanPool(Pooling):
    """The mean of every window."""

    name: ClassVar[str] = "mean-pool"
    reads_input: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = ("2x4x4 mean-pool2", "1x4x5 mean-pool3x2,stride=1")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "1/k Σu Σv {x}[n,l,s+u,t+v]",
        "input_jacobian": "1/k",
        "vjp": "Σu Σv 1/k ∂{k}/∂{y}[n,l,h-u,w-v]",
    }

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """The mean of every window."""
        return self.code_of("mean")

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The mean of the window, and 1/k of every number in it."""
        if form == "vjp":
            return None
        seen = self.seen(index[0])
        if form == "forward":
            return f"AVERAGE({','.join(map(at.x, seen))})"
        return f"1/{self.entries}" if index[1] in seen else 0

    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        y = torch.nn.functional.avg_pool2d(x.reshape(-1, *self.shape), self.size, self.stride)
        return y.reshape(len(x), -1)

    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        axes = (1, 1, *self.size), (1, 1, self.stride, self.stride)
        y = jax.lax.reduce_window(x.reshape(-1, *self.shape), 0.0, jax.lax.add, *axes, "VALID")
        return y.reshape(len(x), -1) / self.entries

    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        return x[:, self.windows.inputs].mean(axis=2).reshape(len(x), -1)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """The mean of each window by itself."""
        means = [window.mean(axis=2) for window in self.cut_out(x)]
        return np.stack(means, axis=2).reshape(len(x), -1)

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """A sum over the window, and a product."""
        return n * o * (self.entries + 1)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """A product, and one sum for every entry of a window."""
        return n * o * (self.entries + 1) if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y."""
        return 0 if out else n * o * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """dy/k and dx."""
        return (n * o + (0 if out else n * i)) * itemsize + ufunc_buffer_bytes(n * o, itemsize)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """ẏ."""
        return n * (directions or 1) * o * itemsize

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The number of the input of every entry."""
        return self.windows.inputs_bytes

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """The sum of what all windows have at one entry after another, times 1/k."""
        y = np.empty((len(x), self.output_width(x.shape[1])), x.dtype) if out is None else out
        self._mean(x, self.images(y))
        return y

    def _mean(self, x: Array, means: Array) -> None:
        first, *others = self.taken(x)
        means[...] = first
        for entry in others:
            np.add(means, entry, out=means)
        np.multiply(means, self._share(x), out=means)

    def _share(self, x: Array) -> Any:
        """1/k as a number of the dtype of x."""
        return np.ones((), x.dtype)[()] / self.entries

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """1/k where the window of an output has the input, (n, o, i)."""
        out = self._jacobian(x, y, out)
        for at_tap in self.pairs(out):
            at_tap[...] = self._share(y)
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The number 1/k for every entry of a window, and the input that it belongs to."""
        shares = np.full(self.entries, self._share(y))
        return EinsumFactor("k", shares, "ls", self.split, "lks", self.windows.inputs)

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """dy/k, added to every input of the window."""
        share = self.images(dy * self._share(dy))
        dx = np.empty((len(dy), self.inputs), dy.dtype) if out is None else out
        dx[...] = 0
        for inputs in self.taken(dx):
            np.add(inputs, share, out=inputs)
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """The mean of ẋ."""
        dy = np.empty((*dx.shape[:-1], y.shape[1]), dx.dtype)
        self._mean(dx, self.images(dy))
        return np.broadcast_to(dy, (*dx.shape[:-2], *y.shape)) if len(dx) == 1 else dy
