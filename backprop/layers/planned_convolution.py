"""The convolution of the short form: buffers that are used again, and patches that take less copying.

`Kernels` states what is computed; here it is computed in another order, for batches of one size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backprop.arrays import Array, DType, aligned_empty, aligned_zeros
from backprop.layers.base import Tensors
from backprop.layers.kernels import Kernels
from backprop.layers.windows import BLOCK_BYTES, Slices, blocks


class Layout(NamedTuple):
    """Which part of a window is laid out in patches, and which is added up after the product with the kernel.

    patches: for every entry of a patch, a slice of the patches' rows and columns, and of the image's. sums: for every
    part of the kernel, the places' rows and the products' rows. rows: how many rows of patches an image has.
    """

    layer: Kernels
    patches: tuple[tuple[Slices, Slices], ...]
    sums: tuple[Slices, ...]
    rows: int

    @classmethod
    def of(cls, layer: Kernels) -> Layout:
        """The columns alone where they are more than the outputs, which are then added up row by row."""
        windows = layer.windows
        if layer.shape[0] * layer.size[1] < layer.outputs:
            every = slice(None)
            return cls(layer, windows.taps, ((every, every),), windows.places[0])
        rows, columns = windows.lines
        every = slice(None)
        return cls(layer, tuple(((every, t), (every, w)) for t, w in columns), rows, layer.shape[1])

    @property
    def direct(self) -> bool:
        """Whether the products are the outputs, and nothing is added up."""
        return len(self.sums) == 1 and self.rows == self.layer.windows.places[0]

    @property
    def positions(self) -> int:
        """The columns of a sample's matrix of patches."""
        return self.rows * self.layer.windows.places[1]

    @property
    def patch_numbers(self) -> int:
        """The numbers of X of one sample."""
        return self.layer.shape[0] * len(self.patches) * self.positions

    @property
    def product_numbers(self) -> int:
        """The numbers of Z of one sample."""
        return len(self.sums) * self.layer.outputs * self.positions

    def samples(self, n: int, itemsize: int) -> int:
        """The samples of a block: their patches and products stay in the cache until they are used."""
        largest = max(self.patch_numbers, self.product_numbers)
        return max(1, min(n, BLOCK_BYTES // (largest * itemsize)))


class PlannedConvolution:
    """A convolution for batches of n, with buffers for a block of samples.

    Where an image has many channels only the columns of the windows are laid out, X[n,(l,v),(h,t)]. Every row u of
    the kernel is multiplied with all rows h of the image, and what belongs to one place is added:

        Z[n,(u,q),(h,t)] = Σ_lv W[q,l,u,v] X[n,(l,v),(h,t)]        y[n,q,s,t] = Σu Z[n,(u,q),(s+u,t)] + b[q]
        dZ[n,(u,q),(s+u,t)] = dy[n,q,s,t]        dW = Σₙ dZ Xᵀ        dX = Wᵀ dZ

    X then has as many numbers as the image times the columns of a window, not times all its entries, and a whole row
    of places is added at a time. Of an image with few channels, X are the whole windows, and Z is y. The patches are
    laid out anew on the way back: reading those of a whole batch again would take as long.
    """

    def __init__(self, layer: Kernels, n: int, dtype: DType) -> None:
        self._layer, self._layout = layer, Layout.of(layer)
        plan, g, t = self._layout, layer.groups, layer.windows.places[1]
        a, b, u, v = layer.shape[0] // g, layer.outputs // g, len(plan.sums), len(plan.patches)
        samples = plan.samples(n, dtype.itemsize)
        self._image, self._outputs = (g, a, *layer.shape[1:]), (g, 1, b, *layer.windows.places)
        self._kernel, self._kernel_gradient = (aligned_empty((g, u, b, a, v), dtype) for _ in range(2))
        # Zero outside the image, and of dZ where a row has no place; never written there.
        self._patches = aligned_zeros((samples, g, a, v, plan.rows, t), dtype)
        self._patches_back = aligned_empty(self._patches.shape, dtype)
        if not plan.direct:
            self._back = aligned_zeros((samples, g, u, b, plan.rows, t), dtype)
            self._products = aligned_empty(self._back.shape, dtype)
        self._blocks = [*blocks(n, samples)]

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """y (n, o)."""
        self._kernel[...] = self._by_parts(params["W"])
        kernel, bias = _matrices(self._kernel), params["b"].reshape(*self._outputs[:3], 1, 1)
        for block in self._blocks:
            patches, y = self._seen(x[block]), out[block].reshape(-1, *self._outputs)
            if self._layout.direct:
                np.matmul(kernel, patches, out=_matrices(y))
                np.add(y, bias, out=y)
                continue
            products = self._products[: len(y)]
            np.matmul(kernel, patches, out=_matrices(products))
            y[...] = bias
            for u, (rows, seen) in enumerate(self._layout.sums):
                sums = y[:, :, 0, :, rows]
                np.add(sums, products[:, :, u, :, seen], out=sums)
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
        """The closed form, with W as the last `forward` has laid it out."""
        kernel, total = _matrices(self._kernel), _matrices(self._kernel_gradient)
        total[...] = 0
        np.sum(dy.reshape(len(dy), len(dparams["b"]), -1).sum(axis=2), axis=0, out=dparams["b"])
        for block in self._blocks:
            patches, back = self._seen(x[block]), self._spread(dy[block])
            by_sample = np.matmul(back, patches.swapaxes(-1, -2))
            np.add(total, by_sample.sum(axis=0), out=total)
            if input_needed:
                made = self._patches_back[: len(back)]
                np.matmul(kernel.swapaxes(-1, -2), back, out=_matrices(made))
                dx = out[block].reshape(-1, *self._image)
                dx[...] = 0
                for v, (places, inputs) in enumerate(self._layout.patches):
                    sums = dx[..., *inputs]
                    np.add(sums, made[..., v, *places], out=sums)
        self._by_parts(dparams["W"])[...] = self._kernel_gradient
        return (out if input_needed else None), dparams

    def _seen(self, x: Array) -> Array:
        """X (n, g, l v, positions) of a block."""
        image, patches = x.reshape(-1, *self._image), self._patches[: len(x)]
        for v, (places, inputs) in enumerate(self._layout.patches):
            patches[..., v, *places] = image[..., *inputs]
        return _matrices(patches)

    def _spread(self, dy: Array) -> Array:
        """dZ (n, g, u q, positions) of a block."""
        given = dy.reshape(-1, *self._outputs)
        if self._layout.direct:
            return _matrices(given)
        back = self._back[: len(given)]
        for u, (rows, seen) in enumerate(self._layout.sums):
            back[:, :, u, :, seen] = given[:, :, 0, :, rows]
        return _matrices(back)

    def _by_parts(self, weights: Array) -> Array:
        """A view of W (q, l, u, v) as (g, u, q, l, v), or with all entries in one as (g, 1, q, l, u v)."""
        g, parts = self._layer.groups, len(self._layout.sums)
        return weights.reshape(g, -1, weights.shape[1], parts, len(self._layout.patches)).transpose(
            0, 3, 1, 2, 4
        )


def _matrices(array: Array) -> Array:
    """The last four axes as two: (…, u, q, h, t) as (…, u q, h t)."""
    *others, u, q, h, t = array.shape
    return array.reshape(*others, u * q, h * t)
