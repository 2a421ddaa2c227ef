"""The Layer interface: a layer's forward and every local derivative of it, each in a form of its own.

A layer keeps nothing between calls: what a derivative needs is handed in, the layer's input `x` (n, i)
and its output `y` (n, o). No form falls back to another one, or a strategy that asks for a Jacobian
would be timing a VJP; a layer that lacks a form raises `UnsupportedError`, also for a batch of no samples, by
which a strategy finds out beforehand (`backprop.layer_forms`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from backprop.arrays import Array

Tensors = Mapping[str, Array]


class EinsumFactor(NamedTuple):
    """A local Jacobian as an operand of einsum, with only the axes in which it differs.

    `subscripts` names the operand's axes by the legend. With J = ∂(outputs)/∂y of axes `nco` the next
    factor of the chain is `einsum(f"nco,{subscripts}->nci")`; where `i` is absent, the Jacobian is
    diagonal and the result keeps `o`.
    """

    subscripts: str
    operand: Array


class Layer(ABC):
    """One step of the network, y = layer(x), without state."""

    name: ClassVar[str]
    reads_input: ClassVar[bool]
    """Whether a derivative reads `x`. Where it does not, `forward` may write `y` over `x`."""
    kinks: ClassVar[tuple[float, ...]] = ()
    """The inputs of an element at which the layer has no derivative: long difference steps cross them."""
    complex_safe: ClassVar[bool] = False
    """Whether `forward` takes complex numbers too, as the analytic continuation of what it does to real
    ones: at x + ih, with h tiny, it gives f(x) + ih f'(x)."""

    symbol: ClassVar[str] = "a"
    """How a reader sees the output: this letter and the number of linear layers so far, a₁."""
    last_symbol: ClassVar[str | None] = None
    """The letter of the network's outputs where this is the last layer; None is `symbol` with its number."""
    letters: ClassVar[Mapping[str, str]] = {}
    """The axes of each parameter, by the legend: {"W": "io"}. Of one that is left out the shape has to tell them."""

    formulas: ClassVar[Mapping[str, str]] = {}
    """The right-hand sides that a reader sees, by form; of a derivative by a parameter with its name, "vjp W".

    An activation states "forward" and "derivative", another layer "forward", "input_jacobian", "input_factor" where
    that differs, "vjp", and by its parameters "parameter_jacobians", "parameter_factors" and "vjp". In braces stand
    the names of the network at hand, see `backprop.explain.formulas`. A form without a formula is shown without one.
    """
    cells: ClassVar[Mapping[str, str]] = {}
    """The same as a spreadsheet writes it: "forward" and "derivative", or "forward", "input_jacobian" and "vjp".

    What the braces stand for is said in `backprop.explain.workbook.sheet`. A workbook declines a layer without cells.
    """
    peers: ClassVar[Mapping[str, Callable[[Any, Any, Any], Any]]] = {}
    """`forward` by outside libraries, "autograd", "jax" and "torch": y = peers["torch"](torch, params, x).

    The imported package is handed in. A peer declines a layer that has no form for its library.
    """
    oracle: ClassVar[Callable[..., Any] | None] = None
    """y = oracle(params, x), for tests: in plain NumPy, of complex numbers too, without the code of `forward`.

    The tests of a layer's forms decline a layer that has none.
    """

    @property
    def smooth(self) -> bool:
        """Whether the layer is differentiable everywhere."""
        return not self.kinks

    @abstractmethod
    def output_width(self, input_width: int) -> int:
        """o for a given i; raises `NetworkError` where the layer does not take i inputs."""

    @abstractmethod
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the layer's own parameters by their local names (`W`, `b`), or nothing."""

    @abstractmethod
    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Values in float64 with which training may begin, for each own parameter."""

    @abstractmethod
    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Floating-point operations of `forward`; a multiplication and an addition are two."""

    @abstractmethod
    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Floating-point operations of `vjp`."""

    @abstractmethod
    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The most bytes that `forward` has allocated at once; `out` says whether it is given that buffer."""

    @abstractmethod
    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The most bytes that `vjp` has allocated at once, given `dparams` and perhaps `out`."""

    @abstractmethod
    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """y (n, o) from x (n, i); written into `out` (n, o) where that is given."""

    @abstractmethod
    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """∂y/∂x as a dense array (n, o, i).

        `out`, where given, must be zero except where an earlier call of this very method wrote: only
        what is not zero by structure is written again.
        """

    @abstractmethod
    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """∂y/∂θ for each own parameter θ as dense arrays (n, o, *shape of θ); `out` as above."""

    @abstractmethod
    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """∂y/∂x as an operand of einsum."""

    @abstractmethod
    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """∂y/∂θ for each own parameter θ as an operand of einsum."""

    @abstractmethod
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
        """The vector-Jacobian product in closed form, without a Jacobian.

        `dy` (n, o) is ∂L/∂y. Returns ∂L/∂x (n, i) and ∂L/∂θ (shape of θ) for each own parameter,
        summed over n. `out` and `dparams` are buffers to write them into; `out` may be `dy` itself
        where i equals o. With `input_needed=False` ∂L/∂x is not computed and None is returned.
        """

    @abstractmethod
    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """The Jacobian-vector product: ẏ (n, o) from ẋ (n, i) and θ̇ (shape of θ) in closed form.

        `dx` may be one row (1, i) for all samples. Without θ̇, an empty `dparams`, the layer's own
        parameters stay as they are, and `dx` may be many directions at once, (…, n, i).
        """

    def __repr__(self) -> str:
        return self.name


class WithoutParameters(Layer):
    """A layer that has no parameters, and as many outputs as inputs."""

    def output_width(self, input_width: int) -> int:
        """As many outputs as inputs."""
        return input_width

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """No parameters."""
        return {}

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """No parameters."""
        return {}

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """No parameters."""
        return {}

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """No parameters."""
        return {}
