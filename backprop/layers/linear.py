"""The linear layer y = x W + b, with W (i, o) and b (o,); or y = x W, without a bias.

∂y[n,o]/∂x[n,i]  = W[i,o]
∂y[n,o]/∂W[i,o'] = x[n,i] δ[o,o']
∂y[n,o]/∂b[o']   = δ[o,o']

VJP: dx = dy Wᵀ, dW = xᵀ dy, db = Σₙ dy        JVP: ẏ = ẋ W + x Ẇ + ḃ
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.broadcasting import outer_product
from backprop.layers.base import EinsumFactor, Layer, Shape, Tensors
from backprop.layers.cells import Cells, total
from backprop.layers.reading import misread


@final
@dataclass(frozen=True, repr=False)
class Linear(Layer):
    """y = x W + b with `inputs` = i and `outputs` = o; without `bias`, y = x W."""

    inputs: int
    outputs: int
    bias: bool = True

    name: ClassVar[str] = "linear"
    reads_input: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    symbol: ClassVar[str] = "z"
    letters: ClassVar[Mapping[str, str]] = {"W": "io", "b": "o"}
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = dict.fromkeys(
        ("autograd", "jax", "torch"),
        lambda _, own, x: x @ own["W"] + own["b"] if "b" in own else x @ own["W"],
    )
    _formulas: ClassVar[Mapping[str, str]] = {
        "input_jacobian": "{W}[i,o]",
        "vjp": "Σo ∂{k}/∂{y}[n,o] {W}[i,o]",
        "parameter_jacobians W": "{x}[n,i] δ[o,o′]",
        "parameter_jacobians b": "δ[o,o′]",
        "parameter_factors W": "{x}[n,i]",
        "parameter_factors b": "1",
        "vjp W": "Σn {x}[n,i] ∂{k}/∂{y}[n,o]",
        "vjp b": "Σn ∂{k}/∂{y}[n,o]",
    }

    @property
    def formulas(self) -> Mapping[str, str]:  # type: ignore[override]  # with a bias or without
        """The right-hand sides that a reader sees, with the bias where there is one."""
        return {"forward": "Σi {x}[n,i] {W}[i,o]" + " + {b}[o]" * self.bias, **self._formulas}

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """Σi x W + b; W; x where o is the column of W, and 1 where it is that of b."""
        match form, index:
            case "forward", (o,):
                products = total((at.x(i), at.own("W", i * self.outputs + o)) for i in range(self.inputs))
                return products + (f"+{at.own('b', o)}" if self.bias else "")
            case "input_jacobian", (o, i):
                return at.own("W", i * self.outputs + o)
            case "parameter_jacobians W", (o, k):
                return at.x(k // self.outputs) if k % self.outputs == o else 0
            case "parameter_jacobians b", (o, k):
                return int(o == k)
        return None

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: str | bool) -> Linear:
        """The layer with the given outputs, and every input; raises `NetworkError` for anything else."""
        if len(numbers) != 1 or options:
            raise misread(cls.name, numbers, options, "the number of its outputs, such as 10")
        return cls(math.prod(shape), int(numbers[0]))

    @property
    def text(self) -> str:
        """The number of outputs."""
        return str(self.outputs)

    @property
    def input_shape(self) -> Shape:
        """(i,)."""
        return (self.inputs,)

    def output_shape(self, shape: Shape) -> Shape:
        """(o,), whatever the arrangement of the inputs; raises `NetworkError` where they are not i."""
        return (self.output_width(math.prod(shape)),)

    @property
    def rows(self) -> int:
        """The weights of one output: i, and one more for the bias."""
        return self.inputs + self.bias

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Σi x[n,i] W[i,o] + b[o]."""
        return np.asarray(np.einsum("ni,io->no", x, params["W"]) + params.get("b", 0))

    def output_width(self, input_width: int) -> int:
        """o; raises `NetworkError` where `input_width` is not i."""
        self.check_inputs(input_width)
        return self.outputs

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """W (i, o) and b (o,)."""
        shapes: dict[str, tuple[int, ...]] = {"W": (self.inputs, self.outputs)}
        return {**shapes, "b": (self.outputs,)} if self.bias else shapes

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """W normal with variance 2/i (He et al. 2015), b zero."""
        weights = rng.standard_normal((self.inputs, self.outputs)) * math.sqrt(2 / self.inputs)
        return {"W": weights, "b": np.zeros(self.outputs)} if self.bias else {"W": weights}

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """One matrix product and the bias."""
        return 2 * n * i * o + n * o * self.bias

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """One matrix product for dW, one for dx where it is needed, and the sum for db."""
        return (2 if input_needed else 1) * 2 * n * i * o + n * o * self.bias

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The bias is added in place, row by row."""
        added = ufunc_buffer_bytes(n * o, itemsize) if self.bias else 0
        return (0 if out else n * o * itemsize) + added

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The vector of ones whose product with dy is db, or dx."""
        return n * (1 if out else i) * itemsize

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """x Ẇ and ẋ W, or ẋ W alone."""
        if directions is not None:
            return n * directions * o * itemsize
        return 2 * n * o * itemsize + ufunc_buffer_bytes(n * o, itemsize)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x W + b."""
        y: Array = np.matmul(x, params["W"], out=out)
        return np.add(y, params["b"], out=y) if self.bias else y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """Wᵀ for every sample: (n, o, i)."""
        if out is None:
            out = np.empty((len(x), self.outputs, self.inputs), x.dtype)
        out[...] = params["W"].T
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂y/∂W (n, o, i, o) holds x on the diagonal of its two output axes, ∂y/∂b (n, o, o) ones."""
        jacobians = self._jacobians(x, y, out)
        np.einsum("noio->noi", jacobians["W"])[...] = x[:, None, :]  # a writeable view of the diagonal
        if self.bias:
            np.einsum("noo->no", jacobians["b"])[...] = 1
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """W, the same for every sample."""
        return EinsumFactor("io", params["W"])

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """x for W and the number one for b: the δ of both is the axis o that the operands share."""
        factors = {"W": EinsumFactor("ni", x)}
        return {**factors, "b": EinsumFactor("", np.ones((), x.dtype))} if self.bias else factors

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
        """dx = dy Wᵀ, dW = xᵀ dy, db = Σₙ dy."""
        dparams = self._gradients(x, dparams)
        self.weight_gradient(x, dy, out=dparams["W"])
        if self.bias:
            self.bias_gradient(dy, out=dparams["b"])
        dx = np.matmul(dy, params["W"].T, out=out) if input_needed else None
        return dx, dparams

    @staticmethod
    def weight_gradient(x: Array, dy: Array, *, out: Array) -> None:
        """dW = xᵀ dy (i, o), of inputs x (n, i) and dy (n, o)."""
        if len(x) == 1:
            outer_product(x[0], dy[0], out=out)
        else:
            np.matmul(x.T, dy, out=out)

    @staticmethod
    def bias_gradient(dy: Array, *, out: Array) -> None:
        """db = Σₙ dy (o,)."""
        if len(dy) == 1:
            out[...] = dy[0]
        else:
            np.matmul(np.ones(len(dy), dy.dtype), dy, out=out)  # BLAS: faster than a sum over n

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ W + x Ẇ + ḃ."""
        # One product of two matrices: NumPy would multiply the samples of every direction by themselves.
        pushed: Array = (dx.reshape(-1, self.inputs) @ params["W"]).reshape(*dx.shape[:-1], self.outputs)
        if not dparams:
            return pushed
        dy: Array = x @ dparams["W"]
        if self.bias:
            dy += dparams["b"]
        dy += pushed
        return dy
