"""A linear layer for each token by itself, with the same weights: y_t = x_t W + b, also called position-wise.

    ∂y[n,t,o]/∂x[n,t′,i]  = W[i,o] δ[t,t′]
    ∂y[n,t,o]/∂W[i,o′]    = x[n,t,i] δ[o,o′]

The weights are used t times and have one gradient: dW = Σ_t x_tᵀ dy_t = Xᵀ dY, with the tokens of all samples one
after another in X (n t, i). Its forms are those of a linear layer for n t samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.cells import Cells, total
from backprop.layers.linear import Linear
from backprop.layers.over_tokens import OverTokens, tokens_of
from backprop.layers.reading import misread, whole


@final
@dataclass(frozen=True, repr=False)
class Tokenwise(OverTokens):
    """yₜ = xₜ W + b with `outputs` numbers for every token."""

    outputs: int

    name: ClassVar[str] = "tokenwise"
    complex_safe: ClassVar[bool] = True
    symbol: ClassVar[str] = "u"
    letters: ClassVar[Mapping[str, str]] = {"W": "io", "b": "o"}
    examples: ClassVar[tuple[str, ...]] = ("3x2 tokenwise4", "2x3 tokenwise3")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "Σi {x}[n,t,i] {W}[i,o] + {b}[o]",
        "input_jacobian": "{W}[i,o] δ[t,t′]",
        "input_factor": "{W}[i,o]",
        "vjp": "Σo ∂{k}/∂{y}[n,t,o] {W}[i,o]",
        "parameter_jacobians W": "{x}[n,t,i] δ[o,o′]",
        "parameter_jacobians b": "δ[o,o′]",
        "parameter_factors W": "{x}[n,t,i]",
        "parameter_factors b": "1",
        "vjp W": "Σn Σt {x}[n,t,i] ∂{k}/∂{y}[n,t,o]",
        "vjp b": "Σn Σt ∂{k}/∂{y}[n,t,o]",
    }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """The same product in every library."""

        def outputs(_: Any, own: Any, x: Any) -> Any:
            return (self.split(x) @ own["W"] + own["b"]).reshape(len(x), -1)

        return dict.fromkeys(("autograd", "jax", "torch"), outputs)

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer with the given outputs for a token; raises `NetworkError` for anything else."""
        if len(numbers) != 1 or options:
            raise misread(cls.name, numbers, options, "its outputs for a token, as tokenwise64")
        return cls(*tokens_of(shape, cls.name), whole(cls.name, "outputs", numbers[0]))

    @property
    def text(self) -> str:
        """tokenwise64."""
        return f"{self.name}{self.outputs}"

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """Token by token."""
        return f"return (x.reshape(-1, {self.tokens}, {self.features}) @ W + b).reshape(len(x), -1)"

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """As of a linear layer for the token of the output; zero between two tokens."""
        t, o = divmod(index[0], self.outputs)
        if form == "input_jacobian":
            token, i = divmod(index[1], self.features)
            return at.own("W", i * self.outputs + o) if t == token else 0
        if form == "parameter_jacobians W":
            i, column = divmod(index[1], self.outputs)
            return at.x(t * self.features + i) if o == column else 0
        if form == "parameter_jacobians b":
            return int(o == index[1])
        if form == "vjp":
            return None
        inputs = ((at.x(t * self.features + i), i * self.outputs + o) for i in range(self.features))
        return total((x, at.own("W", k)) for x, k in inputs) + f"+{at.own('b', o)}"

    @property
    def made(self) -> Shape:
        """(t, o)."""
        return (self.tokens, self.outputs)

    @property
    def linear(self) -> Linear:
        """The layer of a single token."""
        return Linear(self.features, self.outputs)

    def _rows(self, array: Array) -> Array:
        """The tokens of all samples (n t, d)."""
        return array.reshape(len(array) * self.tokens, array.shape[1] // self.tokens)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Σi x[n,t,i] W[i,o] + b[o]."""
        return np.asarray(np.einsum("nti,io->nto", self.split(x), params["W"]) + params["b"]).reshape(
            len(x), -1
        )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """W (i, o) and b (o,), as of one token."""
        return self.linear.parameter_shapes()

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """W normal with variance 2/i (He et al. 2015), b zero."""
        return self.linear.initial(rng)

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Those of a linear layer for n t samples."""
        return self.linear.forward_flops(n * self.tokens, self.features, self.outputs)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Those of a linear layer for n t samples."""
        return self.linear.vjp_flops(n * self.tokens, self.features, self.outputs, input_needed=input_needed)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The bias is added in place, row by row."""
        return (0 if out else n * o * itemsize) + ufunc_buffer_bytes(n * o, itemsize)

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The vector of ones whose product with dy is db, or dx."""
        return n * (self.tokens if out else i) * itemsize

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """x Ẇ with ḃ added, and ẋ W; or ẋ W alone for many directions."""
        return itemsize * n * o * directions if directions else self.linear.jvp_bytes(n, i, o, itemsize)

    def input_nonzeros(self, i: int, o: int) -> int:
        """W for every token."""
        return self.tokens * self.features * self.outputs

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """x for every output of its token, and ones."""
        return {"W": i * self.outputs, "b": o}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """x, which is copied where BLAS multiplies it."""
        return itemsize * n * i

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x_t W + b."""
        if out is None:
            out = np.empty_like(x, shape=(len(x), self.tokens * self.outputs))
        self.linear.forward(params, self._rows(x), out=self._rows(out))
        return out

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """Wᵀ on the diagonal of the tokens: (n, t o, t i)."""
        out = self._jacobian(x, y, out)
        blocks = out.reshape(len(x), self.tokens, self.outputs, self.tokens, self.features)
        np.einsum("ntoti->ntoi", blocks)[...] = params["W"].T  # a writeable view
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """Row (t, o) of ∂y/∂W (n, t o, i, o) holds x_t in column o, and ∂y/∂b a one."""
        jacobians = self._jacobians(x, y, out)
        weights, bias = (each.reshape(len(x), *self.made, *each.shape[2:]) for each in jacobians.values())
        np.einsum("ntoio->ntoi", weights)[...] = self.split(x)[:, :, None]
        np.einsum("ntoo->nto", bias)[...] = 1
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """W, the same for every token."""
        return EinsumFactor("io", params["W"], "to", self.made, "ti")

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """x for W and the number one for b, summed over the tokens."""
        one = np.ones_like(x, shape=())
        return {
            "W": EinsumFactor("nti", self.split(x), "to", self.made, "io"),
            "b": EinsumFactor("", one, "to", self.made, "o"),
        }

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
        """dX = dY Wᵀ, dW = Xᵀ dY, db = Σ dY over the tokens of all samples."""
        if input_needed and out is None:
            out = np.empty_like(x, shape=x.shape)
        over = None if out is None else self._rows(out)
        _, own = self.linear.vjp(
            params,
            self._rows(x),
            self._rows(y),
            # dx may be written over dy, which a product of matrices does not survive
            self._rows(dy.copy() if out is dy and input_needed else dy),
            input_needed=input_needed,
            out=over,
            dparams=dparams,
        )
        return (out if input_needed else None), own

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ_t W + x_t Ẇ + ḃ."""
        dy: Array = self.split(dx) @ params["W"]
        if dparams:
            pushed, dy = dy, self.split(x) @ dparams["W"]
            dy += dparams["b"]
            dy += pushed
        return dy.reshape(*dy.shape[:-2], -1)
