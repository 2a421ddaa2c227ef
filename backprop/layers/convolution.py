"""The convolution of images: every place of the output is the same linear function of the window that it sees.

    y[n,q,s,t] = Σluv x[n,l,s+u,t+v] W[q,l,u,v] + b[q]

with l and q the channels of input and output, (s, t) the place and (u, v) the entry of a window; with a stride d and
a padding p the input is x[n,l,ds+u-p,dt+v-p], zero outside the image. Groups split the channels: an output sees
those of its own group. Like every library we do not flip the kernel.

Let X[n,k,s] be the patches, what place s (rows by columns) sees, with k = (l, u, v). Then y = W X for every sample,
one matrix product (im2col; Chellapilla, Puri and Simard 2006, section 2), and

    ∂y[n,q,s]/∂W[q',k] = X[n,k,s] δ[q,q']        ∂y[n,q,s]/∂x[n,i] = W[q,k] where X[n,k,s] is x[n,i], else 0

    VJP: dX = Wᵀ dy, dx the sum of all dX that are the same input, dW = Σₙ dy Xᵀ, db = Σₙₛ dy
    JVP: ẏ = W Ẋ + Ẇ X + ḃ
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType, ufunc_buffer_bytes
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, OfShape, Planned, Shape, Tensors
from backprop.layers.cells import Cells, total
from backprop.layers.planned_convolution import Layout, PlannedConvolution
from backprop.layers.windows import BLOCK_BYTES, Windows, blocks, check_image, given, whole


@final
@dataclass(frozen=True, repr=False)
class Convolution(OfShape):
    """Σ x W + b over every window of an image; `stride`, `padding`, `groups`.

    `outputs` channels come from an image of `shape` (l, h, w), by kernels of `size`.

    Raises `NetworkError` for a kernel that does not fit, or channels that do not split into `groups`.
    """

    shape: Shape
    size: tuple[int, int]
    outputs: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    name: ClassVar[str] = "conv"
    reads_input: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    symbol: ClassVar[str] = "z"
    letters: ClassVar[Mapping[str, str]] = {"W": "qluv", "b": "q"}
    examples: ClassVar[tuple[str, ...]] = (
        "1x4x4 conv3x2",
        "2x5x4 conv3x2x4,stride=2,padding=1,groups=2",
        "1x3x3 conv3x1,padding=1",
    )
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "Σl Σu Σv {x}[n,l,s+u,t+v] {W}[q,l,u,v] + {b}[q]",
        "input_jacobian": "{W}[q,l,h-s,w-t]",
        "parameter_jacobians W": "{x}[n,l,s+u,t+v] δ[q,q′]",
        "parameter_jacobians b": "δ[q,q′]",
        "parameter_factors W": "{x}[n,l,s+u,t+v]",
        "parameter_factors b": "1",
        "vjp": "Σq Σu Σv ∂{k}/∂{y}[n,q,h-u,w-v] {W}[q,l,u,v]",
        "vjp W": "Σn Σs Σt {x}[n,l,s+u,t+v] ∂{k}/∂{y}[n,q,s,t]",
        "vjp b": "Σn Σs Σt ∂{k}/∂{y}[n,q,s,t]",
    }

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

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: str | bool) -> Convolution:
        """`conv5x6` has a kernel of 5x5 and 6 outputs, `conv3x5x6` one of 3x5; options are stride, padding, groups.

        Raises `NetworkError` for anything else, and for inputs that are no image.
        """
        check_image(cls.name, shape)
        known = {"stride": 1, "padding": 0, "groups": 1}  # and the least value of each
        if len(numbers) not in (2, 3) or options.keys() - known:
            raise NetworkError(
                f"A convolution got {given(numbers, options)}; expected its kernel and its outputs, such as conv5x6 "
                "or conv3x5x6,stride=2,padding=1,groups=2."
            )
        rows, columns, outputs = (
            whole(cls.name, key, number, 1)
            for key, number in (("kernel", numbers[0]), ("kernel", numbers[-2]), ("outputs", numbers[-1]))
        )
        stride, padding, groups = (
            whole(cls.name, key, options.get(key, {"padding": 0}.get(key, 1)), least)
            for key, least in known.items()
        )
        return cls(shape, (rows, columns), outputs, stride, padding, groups)

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """Σ x W + b over the window of a place; W, x and 1 of the channel of the output."""
        if form == "vjp":
            return None
        q, place = divmod(index[0], self.windows.count)
        if form == "parameter_jacobians b":
            return int(index[1] == q)
        group = q * self.groups // self.outputs
        seen = self.windows.inputs.reshape(self.groups, self.kernel, -1)[group, :, place].tolist()
        if form == "forward":
            inside = ((k, i) for k, i in enumerate(seen) if i < math.prod(self.shape))
            products = total((at.x(i), at.own("W", q * self.kernel + k)) for k, i in inside)
            return f"{products}+{at.own('b', q)}"
        if form == "input_jacobian":
            return at.own("W", q * self.kernel + seen.index(index[1])) if index[1] in seen else 0
        channel, k = divmod(index[1], self.kernel)
        return at.x(seen[k]) if channel == q and seen[k] < math.prod(self.shape) else 0

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """By the windows of the padded image; every group by itself."""
        (l, h, w), (u, v), p, d = self.shape, self.size, self.padding, self.stride  # noqa: E741
        rule = "nlstuv,qluv->nqst" if self.groups == 1 else "nglstuv,gqluv->ngqst"
        lines = [
            f"image = np.pad(x.reshape(-1, {l}, {h}, {w}), ((0, 0), (0, 0), ({p}, {p}), ({p}, {p})))",
            f"seen = np.lib.stride_tricks.sliding_window_view(image, ({u}, {v}), axis=(2, 3))[:, :, ::{d}, ::{d}]",
        ]
        if self.groups > 1:
            g = self.groups
            lines.append(f"seen = seen.reshape(len(x), {g}, {l // g}, *seen.shape[2:])")
            lines.append(f"W = W.reshape({g}, -1, *W.shape[1:])")
        lines.append(f'y = np.einsum("{rule}", seen, W).reshape(len(x), len(b), -1)')
        return "\n".join([*lines, "return (y + b[:, None]).reshape(len(x), -1)"])

    @property
    def text(self) -> str:
        """Kernel and outputs, and each option where it is not the usual one."""
        rows, columns = self.size
        size = f"{rows}" if rows == columns else f"{rows}x{columns}"
        options = (("stride", self.stride, 1), ("padding", self.padding, 0), ("groups", self.groups, 1))
        return f"conv{size}x{self.outputs}" + "".join(
            f",{key}={value}" for key, value, usual in options if value != usual
        )

    @property
    def input_shape(self) -> Shape:
        """(l, h, w)."""
        return self.shape

    @property
    def made(self) -> Shape:
        """(q, s, t)."""
        return (self.outputs, *self.windows.places)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """W (q, l, u, v), with the channels l of one group, and b (q,)."""
        return {
            "W": (self.outputs, self.shape[0] // self.groups, *self.size),
            "b": (self.outputs,),
        }

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """W normal with variance 2/k (He et al. 2015), b zero."""
        weights = rng.standard_normal(self.parameter_shapes()["W"]) * math.sqrt(2 / self.kernel)
        return {"W": weights, "b": np.zeros(self.outputs)}

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One output after another, of the window cut out of the padded image."""
        p, (rows, columns) = self.padding, self.size
        image = np.pad(x.reshape(len(x), *self.shape), ((0, 0), (0, 0), (p, p), (p, p)))
        a, b, outputs = self.shape[0] // self.groups, self.outputs // self.groups, []
        for q, s, t in np.ndindex(self.outputs, *self.windows.places):
            h, w, first = s * self.stride, t * self.stride, q // b * a
            seen = image[:, first : first + a, h : h + rows, w : w + columns]
            outputs.append(np.einsum("nluv,luv->n", seen, params["W"][q]) + params["b"][q])
        return np.stack(outputs, axis=1)

    # Costs

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """The matrix product and the bias."""
        return 2 * n * o * self.kernel + n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The product for dW and the sum for db; where dx is needed, the product for dX and its sums."""
        products = 2 * n * o * self.kernel
        return products + n * o + input_needed * (products + n * self._patch_numbers)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The patches of a block, and y."""
        samples = self._samples(n, itemsize)
        buffer = ufunc_buffer_bytes(samples * o, itemsize)
        return (0 if out else n * o * itemsize) + samples * self._patch_numbers * itemsize + buffer

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The patches of a block and its samples' dW, or dX; and dx."""
        samples = self._samples(n, itemsize)
        block = samples * (self._patch_numbers + self.outputs * self.kernel) + self.outputs * self.kernel
        return (block + (0 if out else n * i)) * itemsize

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """X and Ẇ X, of the first layer, beside which W Ẋ is small; or Ẋ and W Ẋ."""
        return n * (directions or 1) * (self._patch_numbers + o) * itemsize

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The bias as it is added; the sum of dy, and dW of every sample of a block."""
        samples = Layout.of(self).samples(n, itemsize)
        weights = self.outputs * self.kernel
        return (
            ufunc_buffer_bytes(samples * o, itemsize),
            max(n * self.outputs, samples * weights + weights) * itemsize,
        )

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

    def _multiply(self, params: Tensors, patches: Array, *, out: Array) -> None:
        """W X + b into `out` (n, o)."""
        np.matmul(self.weights(params), patches, out=self.places(out))
        y = out.reshape(len(out), self.outputs, -1)
        np.add(y, params["b"][:, None], out=y)

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
            self._multiply(params, self.patches(x[block]), out=y[block])
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """W[q,k] where the window of a place has the input, (n, o, i)."""
        if out is None:
            out = np.zeros((len(x), y.shape[1], x.shape[1]), x.dtype)
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

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # of its sizes
        """The libraries' own convolutions."""
        return {"autograd": self._autograd, "jax": self._jax, "torch": self._torch}

    def _torch(self, torch: Any, own: Any, x: Any) -> Any:
        image = x.reshape(-1, *self.shape)
        y = torch.nn.functional.conv2d(
            image, own["W"], own["b"], stride=self.stride, padding=self.padding, groups=self.groups
        )
        return y.reshape(len(x), -1)

    def _jax(self, jax: Any, own: Any, x: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x.reshape(-1, *self.shape),
            own["W"],
            (self.stride,) * 2,
            [(self.padding,) * 2] * 2,
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
            feature_group_count=self.groups,
        )
        return (y + own["b"][:, None, None]).reshape(len(x), -1)

    def _autograd(self, autograd: Any, own: Any, x: Any) -> Any:
        """By matrix products of patches, made by indexing: autograd has no convolution with a stride or groups."""
        windows, np_ = self.windows, autograd.numpy
        padded = np_.concatenate([x, np_.zeros((len(x), 1))], axis=1)
        patches = padded[:, windows.inputs.reshape(self.groups, -1, windows.count)]
        kernel = own["W"].reshape(self.groups, -1, self.kernel)
        y = np_.einsum("gqk,ngks->ngqs", kernel, patches).reshape(len(x), self.outputs, -1)
        return (y + own["b"][:, None]).reshape(len(x), -1)

    def planned(self, n: int, dtype: DType) -> Planned:
        """The layer with buffers, and the patches laid out as it takes least copying and fewest small sums."""
        return PlannedConvolution(self, n, dtype)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Of a block of samples the patches and their products, both ways; W and dW in another order."""
        plan = Layout.of(self)
        products = 0 if plan.direct else plan.product_numbers
        block = plan.samples(n, itemsize) * 2 * (products + plan.patch_numbers)
        return (block + 2 * self.outputs * self.kernel) * itemsize
