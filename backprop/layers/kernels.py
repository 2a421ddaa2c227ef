"""The arithmetic of a convolution: its products with the patches of an image, their derivatives, and their costs.

Let X[n,k,s] be the patches, what place s (rows by columns) sees, with k = (l, u, v). Then y = W X for every sample,
one matrix product (im2col; Chellapilla, Puri and Simard 2006, section 2), and

    ∂y[n,q,s]/∂W[q',k] = X[n,k,s] δ[q,q']        ∂y[n,q,s]/∂x[n,i] = W[q,k] where X[n,k,s] is x[n,i], else 0

    VJP: dX = Wᵀ dy, dx the sum of all dX that are the same input, dW = Σₙ dy Xᵀ, db = Σₙₛ dy
    JVP: ẏ = W Ẋ + Ẇ X + ḃ
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, OfShape, Shape, Tensors
from backprop.layers.windows import BLOCK_BYTES, Windows, blocks


@dataclass(frozen=True, repr=False)
class Kernels(OfShape):
    """`outputs` channels from an image of `shape` (l, h, w), by kernels of `size`; `stride`, `padding`, `groups`.

    Raises `NetworkError` for a kernel that does not fit, or channels that do not split into `groups`.
    """

    shape: Shape
    size: tuple[int, int]
    outputs: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    reads_input: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.shape[0] % self.groups or self.outputs % self.groups:
            raise NetworkError(
                f"A convolution has {self.shape[0]} and {self.outputs} channels in {self.groups} groups; expected "
                "groups that divide both."
            )
        _ = self.windows  # raises where no window fits

    @cached_property
    def windows(self) -> Windows:
        """What each place sees."""
        return Windows(self.shape, self.size, self.stride, self.padding)

    @cached_property
    def kernel(self) -> int:
        """k, the weights that make one output: channels of a group by rows by columns."""
        return self.shape[0] // self.groups * math.prod(self.size)

    @property
    def made(self) -> Shape:
        """(q, s, t)."""
        return (self.outputs, *self.windows.places)

    # The parts of all products

    def weights(self, params: Tensors) -> Array:
        """W as (g, q, k), the outputs of every group."""
        return params["W"].reshape(self.groups, -1, self.kernel)

    def patches(self, x: Array) -> Array:
        """X (…, g, k, s)."""
        return self.windows.patches(x).reshape(*x.shape[:-1], self.groups, self.kernel, self.windows.count)

    def places(self, y: Array) -> Array:
        """y (…, o) with the axes (…, g, q, s)."""
        return y.reshape(*y.shape[:-1], self.groups, -1, self.windows.count)

    def _add_weight_gradient(self, dy: Array, patches: Array, *, dparams: Tensors) -> None:
        """Add dy Xᵀ, and the sum of dy over samples and places."""
        by_sample = np.matmul(self.places(dy), patches.swapaxes(-1, -2))
        weights = dparams["W"].reshape(by_sample.shape[1:])
        np.add(weights, by_sample.sum(axis=0), out=weights)
        bias = dparams["b"]
        np.add(
            bias, dy.reshape(-1, self.windows.count).sum(axis=1).reshape(len(dy), -1).sum(axis=0), out=bias
        )

    # Forms

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """W X + b, a block of samples at a time."""
        o = self.outputs * self.windows.count
        y = np.empty((len(x), o), np.result_type(x, params["W"])) if out is None else out
        for block in self.blocks(len(x), x.itemsize):
            np.matmul(self.weights(params), self.patches(x[block]), out=self.places(y[block]))
            by_channel = y[block].reshape(-1, self.outputs, self.windows.count)
            np.add(by_channel, params["b"][:, None], out=by_channel)
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """W[q,k] where the window of a place has the input, (n, o, i)."""
        out = self._jacobian(x, y, out)
        g, (rows, columns), (_, h, w) = self.groups, self.windows.places, self.shape
        q = self.outputs // g  # and not -1, of which a batch of no samples says nothing
        axes = out.reshape(len(x), g, q, rows, columns, g, self.shape[0] // g, h, w)
        kernels = params["W"].reshape(g, -1, self.shape[0] // g, math.prod(self.size))
        for k, tap in enumerate(self.windows.taps):
            at_tap = axes[:, :, :, *tap.places, :, :, *tap.inputs]
            # a writeable view of the pairs of a place and its own input, within each group
            np.einsum("ngqstglst->ngqstl", at_tap)[...] = kernels[:, :, None, None, :, k]
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂y/∂W (n, o, q, l, u, v) holds the window of the place for its own kernel, ∂y/∂b (n, o, q) ones."""
        n, jacobians = len(x), self._jacobians(x, y, out)
        g, a, (rows, columns) = self.groups, self.shape[0] // self.groups, self.windows.places
        q = self.outputs // g
        axes = jacobians["W"].reshape(n, g, q, rows, columns, g, q, a, math.prod(self.size))
        image = x.reshape(n, g, 1, a, *self.shape[1:])
        for k, tap in enumerate(self.windows.taps):
            at_tap = axes[:, :, :, *tap.places, ..., k]
            np.einsum("ngqstgql->ngqlst", at_tap)[...] = image[..., *tap.inputs]
        np.einsum("nqsq->nqs", jacobians["b"].reshape(n, self.outputs, rows * columns, self.outputs))[...] = 1
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """W, the same for all places, and the input that each product belongs to."""
        inputs = self.windows.inputs.reshape(self.groups, self.kernel, -1)
        return EinsumFactor("gqk", self.weights(params), "gqs", self._split, "gks", inputs)

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """X for W, summed over the places, and the number one for b."""
        one = np.ones((), x.dtype)
        return {
            "W": EinsumFactor("ngks", self.patches(x), "gqs", self._split, "gqk"),
            "b": EinsumFactor("", one, "gqs", self._split, "gq"),
        }

    @property
    def _split(self) -> Shape:
        return (self.groups, self.outputs // self.groups, self.windows.count)

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
        """dW = Σₙ dy Xᵀ, db = Σₙₛ dy, and dX = Wᵀ dy, added up where an input is in several windows."""
        dparams = self._gradients(x, dparams)
        dx = np.empty_like(x) if out is None and input_needed else out
        for gradient in dparams.values():
            gradient[...] = 0
        for block in self.blocks(len(x), x.itemsize):
            self._add_weight_gradient(dy[block], self.patches(x[block]), dparams=dparams)
            if input_needed:
                assert dx is not None  # it was allocated above
                self._pull(params, dy[block], out=dx[block])
        return (dx if input_needed else None), dparams

    def _pull(self, params: Tensors, dy: Array, *, out: Array) -> None:
        """dx into `out` (n, i)."""
        back = np.matmul(self.weights(params).swapaxes(-1, -2), self.places(dy))
        shape = (len(dy), self.shape[0], -1, *self.windows.places)
        self.windows.add_patches(back.reshape(shape), out=out)

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """W Ẋ + Ẇ X + ḃ."""
        pushed = np.matmul(self.weights(params), self.patches(dx))
        if dparams:
            moved = np.matmul(self.weights(dparams), self.patches(x))
            moved += dparams["b"].reshape(self.groups, -1, 1)
            pushed = np.add(moved, pushed, out=moved)
        dy: Array = pushed.reshape(*pushed.shape[:-3], -1)
        return dy

    # Costs

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """The matrix product and the bias."""
        return 2 * n * o * self.kernel + n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The product for dW and the sum for db; where dx is needed, the product for dX and its sums."""
        products = 2 * n * o * self.kernel
        return products + n * o + input_needed * (products + n * self._patch_numbers)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The patches of a block, or the buffer in which its bias is added; and y."""
        samples = self._samples(n, itemsize)
        buffer = ufunc_buffer_bytes(samples * o, itemsize)
        return (0 if out else n * o * itemsize) + max(samples * self._patch_numbers * itemsize, buffer)

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The patches of a block and its samples' dW, or dX; and dx."""
        samples = self._samples(n, itemsize)
        block = samples * (self._patch_numbers + self.outputs * self.kernel) + self.outputs * self.kernel
        return (block + (0 if out else n * i)) * itemsize

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """X and Ẇ X, of the first layer, beside which W Ẋ is small; or Ẋ and W Ẋ."""
        return n * (directions or 1) * (self._patch_numbers + o) * itemsize

    def input_nonzeros(self, i: int, o: int) -> int:
        """The kernel of every output, those of the padding included."""
        return o * self.kernel

    def input_products(self, i: int, o: int) -> int:
        """dX."""
        return self._patch_numbers

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The number of the input of every product."""
        return self.windows.inputs_bytes

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """What every output sees, and one for its bias."""
        return {"W": o * self.kernel, "b": o}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """X."""
        return n * self._patch_numbers * itemsize

    @property
    def _patch_numbers(self) -> int:
        """The numbers of X of one sample."""
        return self.groups * self.kernel * self.windows.count

    def _samples(self, n: int, itemsize: int) -> int:
        """The samples of a block."""
        return max(1, min(n, BLOCK_BYTES // (self._patch_numbers * itemsize)))

    def blocks(self, n: int, itemsize: int) -> Iterator[slice]:
        """The samples, as many at a time as are multiplied together."""
        return blocks(n, self._samples(n, itemsize))
