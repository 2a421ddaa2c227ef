"""Dropout: of the inputs each is left out with a probability, and the others are divided by the rest of it.

    y[n,o] = x[n,o] m[n,o]        m = 0 with probability `rate`, else 1/(1 - rate)

    ∂y[n,o]/∂x[n,i] = m[n,o] δ[o,i]        VJP: dx = m ∘ dy        JVP: ẏ = m ∘ ẋ

The mask m is drawn by `redraw` and kept until then, so that finite differences and every check see one function;
training draws anew at every step, and evaluation leaves the layer out (Srivastava et al. 2014, JMLR 15, in the form
that is divided in training).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import NetworkError
from backprop.layers.base import EinsumFactor, OfAnyWidth, Shape, Tensors
from backprop.layers.reading import misread


@dataclass
class Draw:
    """What the mask follows from."""

    seed: int = 0


@final
@dataclass(frozen=True, repr=False)
class Dropout(OfAnyWidth):
    """x m, with m zero at the given rate, from 0 to below 1."""

    rate: float = 0.5
    draw: Draw = field(default_factory=Draw, compare=False)

    name: ClassVar[str] = "dropout"
    reads_input: ClassVar[bool] = False
    reads_output: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    draws: ClassVar[bool] = True
    couples_samples: ClassVar[str] = "the mask that it draws belongs to their places in it"
    flops_of_a_draw: ClassVar[int] = 10
    """The operations of a random number, counted roughly, and of its comparison."""

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer with a rate, such as dropout0.2; raises `NetworkError` for anything more."""
        if len(numbers) > 1 or options:
            raise misread(cls.name, numbers, options, "its rate alone, such as dropout0.2")
        return cls(float(numbers[0])) if numbers else cls()

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise NetworkError(f"The rate of a dropout is {self.rate:g}; expected from 0 to below 1.")

    @property
    def text(self) -> str:
        """With the rate."""
        return f"{self.name}{self.rate!r}"

    @property
    def formulas(self) -> Mapping[str, str]:  # type: ignore[override]  # by the rate
        """With the mask m."""
        kept = f"1/{1 - self.rate:.4g}"
        return {
            "forward": f"{{x}}[n,o] m[n,o], where m is drawn: 0 in {self.rate:.4g} of all places, else {kept}",
            "input_jacobian": "m[n,o] δ[o,i]",
            "input_factor": "m[n,o]",
            "vjp": "m[n,i] ∂{k}/∂{y}[n,i]",
        }

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # by the mask
        """By a product with the same mask. None of JAX, which would compile one mask into the function for good."""
        return {
            "autograd": lambda autograd, own, x: x * self._mask(x.shape, np.dtype(float)),
            "torch": lambda torch, own, x: (
                x * torch.from_numpy(self._mask(x.shape, x.detach().numpy().dtype))
            ),
        }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Number by number."""
        drawn = np.random.default_rng(self.draw.seed).random(x.shape)
        return np.where(drawn < self.rate, 0, x / (1 - self.rate))

    def redraw(self, rng: np.random.Generator) -> None:
        """Another mask from now on."""
        self.draw.seed = int(rng.integers(2**63))

    def _mask(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """m (n, i), of real numbers."""
        real = np.empty(0, dtype).real.dtype if dtype.kind in "fc" else np.dtype(float)
        kept = np.random.default_rng(self.draw.seed).random(shape) >= self.rate
        mask: Array = kept.astype(real)
        mask /= real.type(1 - self.rate)
        return mask

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """x: nothing is left out after training."""
        return x

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """A draw and a product for every number."""
        return (self.flops_of_a_draw + 1) * n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The same draw once more."""
        return (self.flops_of_a_draw + 1) * n * o * input_needed

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The numbers drawn, in float64, and what is kept; then the mask, and y."""
        return n * o * max(9, 1 + itemsize * (1 if out else 2))

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """The numbers drawn, or the mask and its product with every direction."""
        return n * o * max(9, (1 + (directions or 1)) * itemsize)

    def input_nonzeros(self, i: int, o: int) -> int:
        """The diagonal."""
        return o

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """As `forward`."""
        return self.forward_bytes(n, i, o, itemsize, out=out)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x m."""
        y: Array = np.multiply(x, self._mask(x.shape, x.dtype), out=out)
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """m on the diagonal, (n, o, o)."""
        out = self._jacobian(x, y, out)
        np.einsum("noo->no", out)[...] = self._mask(y.shape, y.dtype)  # a writeable view of the diagonal
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """m, the diagonal alone."""
        return EinsumFactor("no", self._mask(y.shape, y.dtype))

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """m ∘ dy."""
        dx: Array = np.multiply(dy, self._mask(dy.shape, dy.dtype), out=out)
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """m ∘ ẋ."""
        dy: Array = dx * self._mask(y.shape, y.dtype)
        return dy
