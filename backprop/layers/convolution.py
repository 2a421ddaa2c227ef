"""The convolution of images: every place of the output is the same linear function of the window that it sees.

    y[n,q,s,t] = Σluv x[n,l,s+u,t+v] W[q,l,u,v] + b[q]

with l and q the channels of input and output, (s, t) the place and (u, v) the entry of a window; with a stride d and
a padding p the input is x[n,l,ds+u-p,dt+v-p], zero outside the image. Groups split the channels: an output sees
those of its own group. Like every library we do not flip the kernel.

Its products, and their derivatives, stand in `backprop.layers.kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType, ufunc_buffer_bytes
from backprop.layers.base import Planned, Shape, Tensors
from backprop.layers.cells import Cells, total
from backprop.layers.kernels import Kernels
from backprop.layers.planned_convolution import Layout, PlannedConvolution
from backprop.layers.reading import misread, whole
from backprop.layers.windows import check_image


@final
@dataclass(frozen=True, repr=False)
class Convolution(Kernels):
    """Σ x W + b over every window of an image."""

    name: ClassVar[str] = "conv"
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

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: str | bool) -> Convolution:
        """`conv5x6` has a kernel of 5x5 and 6 outputs, `conv3x5x6` one of 3x5; options are stride, padding, groups.

        Raises `NetworkError` for anything else, and for inputs that are no image.
        """
        check_image(cls.name, shape)
        known = {
            "stride": 1,
            "padding": 0,
            "groups": 1,
        }  # and the least value of each, which is the usual one
        if len(numbers) not in (2, 3) or options.keys() - known:
            expected = "its kernel and its outputs, such as conv5x6 or conv3x5x6,stride=2,padding=1,groups=2"
            raise misread(cls.name, numbers, options, expected)
        rows, columns = (whole(cls.name, "kernel", number) for number in (numbers[0], numbers[-2]))
        outputs = whole(cls.name, "outputs", numbers[-1])
        stride, padding, groups = (
            whole(cls.name, key, options.get(key, least), least) for key, least in known.items()
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

    # In the short form

    def planned(self, n: int, dtype: DType) -> Planned:
        """The layer with buffers, and the patches laid out as it takes least copying and fewest small sums."""
        return PlannedConvolution(self, n, dtype)

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Of a block of samples the patches and their products, both ways; W and dW in another order."""
        plan = Layout.of(self)
        products = 0 if plan.direct else plan.product_numbers
        block = plan.samples(n, itemsize) * 2 * (products + plan.patch_numbers)
        return (block + 2 * self.outputs * self.kernel) * itemsize

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The bias as it is added; the sum of dy, and dW of every sample of a block."""
        samples = Layout.of(self).samples(n, itemsize)
        weights = self.outputs * self.kernel
        return (
            ufunc_buffer_bytes(samples * o, itemsize),
            max(n * self.outputs, samples * weights + weights) * itemsize,
        )
