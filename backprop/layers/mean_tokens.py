"""The mean of all tokens, one token for a sample: y[n,d] = 1/t Σ_t x[n,t,d].

∂y[n,d]/∂x[n,t,d′] = δ[d,d′]/t        VJP: dx[n,t,d] = dy[n,d]/t        JVP: ẏ = 1/t Σ_t ẋ_t
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import ByInput, EinsumFactor, Shape, Tensors
from backprop.layers.cells import Cells
from backprop.layers.over_tokens import OverTokens, tokens_of
from backprop.layers.reading import misread


@final
@dataclass(frozen=True, repr=False)
class MeanTokens(ByInput, OverTokens):
    """The mean of the tokens, 1/t Σₜ xₜ."""

    name: ClassVar[str] = "mean-tokens"
    complex_safe: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("3x2 mean-tokens", "4x1 mean-tokens")
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "1/t Σt {x}[n,t,d]",
        "input_jacobian": "1/t δ[d,d′]",
        "vjp": "1/t ∂{k}/∂{y}[n,d]",
    }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # they know the sizes
        """The mean over an axis, in every library."""
        return dict.fromkeys(("autograd", "jax", "torch"), lambda _, own, x: self.split(x).mean(1))

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for tokens of that shape; raises `NetworkError` for numbers or options."""
        if numbers or options:
            raise misread(cls.name, numbers, options, "neither numbers nor options")
        return cls(*tokens_of(shape, cls.name))

    @property
    def code(self) -> str:  # type: ignore[override]  # by the sizes
        """The mean over t."""
        return f"return x.reshape(-1, {self.tokens}, {self.features}).mean(axis=1)"

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The mean; 1/t of every token."""
        d = self.features
        if form == "forward":
            return f"AVERAGE({','.join(at.x(t * d + index[0]) for t in range(self.tokens))})"
        if form == "vjp":
            return f"{at.d(index[0] % d)}/{self.tokens}"
        return f"1/{self.tokens}" if index[1] % d == index[0] else 0

    @property
    def made(self) -> Shape:
        """(d,)."""
        return (self.features,)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """The sum of the tokens, divided by t."""
        return np.asarray(np.einsum("ntd->nd", self.split(x)) / self.tokens)

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """A sum and a division."""
        return n * (i + o)

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """A division."""
        return n * o if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """y."""
        return 0 if out else n * o * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """dy/t, and dx."""
        return n * o * itemsize + (0 if out else n * i * itemsize)

    def input_nonzeros(self, i: int, o: int) -> int:
        """A number for each input."""
        return i

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """The sum over t, divided by t."""
        y: Array = np.sum(self.split(x), axis=1, out=out)
        y /= self.tokens
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """1/t where d is the same: (n, d, t d)."""
        out = self._jacobian(x, y, out)
        np.einsum("ndtd->ndt", out.reshape(*y.shape, *self.input_shape))[...] = 1 / self.tokens
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """1/t for every token."""
        shares = np.full_like(x, 1 / self.tokens, shape=(self.tokens,))
        return EinsumFactor("t", shares, "d", (self.features,), "td")

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """dy/t for every token."""
        dx = np.empty_like(dy, shape=(len(dy), self.tokens * self.features)) if out is None else out
        self.split(dx)[...] = (dy / self.tokens)[:, None]
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """1/t Σ_t ẋ_t."""
        dy = np.sum(self.split(dx), axis=-2) / self.tokens
        return np.broadcast_to(dy, np.broadcast_shapes(dy.shape, y.shape)).astype(dy.dtype)
