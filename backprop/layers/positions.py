"""A vector for every place of a sequence, added to its token: y[n,t,d] = x[n,t,d] + P[t,d] (Gehring et al. 2017).

    ∂y/∂x = I        ∂y[n,t,d]/∂P[t′,d′] = δ[t,t′] δ[d,d′]        VJP: dx = dy, dP = Σₙ dy        JVP: ẏ = ẋ + Ṗ

Attention and the mean of tokens are the same for tokens in any order: this says which token stands where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.cells import Cells
from backprop.layers.over_tokens import OverTokens, tokens_of
from backprop.layers.reading import misread


@final
@dataclass(frozen=True, repr=False)
class Positions(OverTokens):
    """x + P, a vector for every place of the sequence."""

    name: ClassVar[str] = "positions"
    reads_input: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    letters: ClassVar[Mapping[str, str]] = {"P": "td"}
    examples: ClassVar[tuple[str, ...]] = ("3x2 positions", "1x2x2 positions")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "{x}[n,t,d] + {P}[t,d]",
        "input_jacobian": "δ[o,i]",
        "input_factor": "1",
        "vjp": "∂{k}/∂{y}[n,i]",
        "parameter_jacobians P": "δ[t,t′] δ[d,d′]",
        "parameter_factors P": "1",
        "vjp P": "Σn ∂{k}/∂{y}[n,t,d]",
    }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """A sum in every library."""
        return dict.fromkeys(("autograd", "jax", "torch"), lambda _, own, x: x + own["P"].reshape(-1))

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for tokens of that shape; raises `NetworkError` for numbers or options."""
        if numbers or options:
            raise misread(cls.name, numbers, options, "neither numbers nor options")
        return cls(*tokens_of(shape, cls.name))

    code: ClassVar[str | None] = "return x + P.reshape(-1)"

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """x + P; every Jacobian is one on the diagonal."""
        if form == "vjp":
            return None
        return f"{at.x(index[0])}+{at.own('P', index[0])}" if form == "forward" else int(index[0] == index[1])

    @property
    def made(self) -> Shape:
        """(t, d), as the inputs."""
        return self.input_shape

    def oracle(self, params: Tensors, x: Array) -> Array:
        """One sample after another."""
        return np.stack([(sample + params["P"]).reshape(-1) for sample in self.split(x)])

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """P (t, d)."""
        return {"P": self.input_shape}

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Normal with a standard deviation of 0.02 (Dosovitskiy et al. 2021)."""
        return {"P": 0.02 * rng.standard_normal(self.input_shape)}

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """A sum."""
        return n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The sum over n; where dx is needed, a move for each number is counted as one."""
        return n * o * (1 + input_needed)

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y; P is added row by row."""
        return (0 if out else n * o * itemsize) + ufunc_buffer_bytes(n * o, itemsize)

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """dx."""
        return 0 if out else n * i * itemsize

    def input_nonzeros(self, i: int, o: int) -> int:
        """A one for each input."""
        return i

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x + P."""
        y: Array = np.add(x, params["P"].reshape(-1), out=out)
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """Ones on the diagonal, (n, o, o)."""
        out = self._jacobian(x, y, out)
        np.einsum("noo->no", out)[...] = 1
        return out

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """The same ones, (n, o, t, d)."""
        jacobians = self._jacobians(x, y, out)
        np.einsum("noo->no", jacobians["P"].reshape(*y.shape, y.shape[1]))[...] = 1
        return jacobians

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """The number one."""
        return EinsumFactor("", np.ones_like(x, shape=()), "td", self.made, "td")

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """The number one."""
        return {"P": EinsumFactor("", np.ones_like(x, shape=()), "td", self.made, "td")}

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
        """dy itself, and its sum over n."""
        dparams = self._gradients(x, dparams)
        np.sum(self.split(dy), axis=0, out=dparams["P"])
        if not input_needed:
            return None, dparams
        if out is None:
            return dy.copy(), dparams
        if out is not dy:
            out[...] = dy
        return out, dparams

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """ẋ + Ṗ."""
        every = np.broadcast_to(dx, np.broadcast_shapes(dx.shape, y.shape))
        return every + dparams["P"].reshape(-1) if dparams else every.copy()
