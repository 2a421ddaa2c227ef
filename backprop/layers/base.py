"""The Layer interface: a layer's forward and every local derivative of it, each in a form of its own.

A layer keeps nothing between calls: what a derivative needs is handed in, the layer's input `x` (n, i)
and its output `y` (n, o). No form falls back to another one, or a strategy that asks for a Jacobian
would be timing a VJP; a layer that lacks a form raises `UnsupportedError`, also for a batch of no samples, by
which a strategy finds out beforehand (`backprop.layer_forms`).
"""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import NetworkError
from backprop.layers.costs import Costs
from backprop.layers.factors import EinsumFactor as EinsumFactor
from backprop.layers.factors import Margin as Margin
from backprop.layers.factors import Shape as Shape
from backprop.layers.planned import Planned as Planned
from backprop.layers.planned import Tensors as Tensors
from backprop.layers.reading import misread


class Layer(Costs):
    """One step of the network, y = layer(x), without state."""

    reads_input: ClassVar[bool]
    """Whether a derivative reads `x`. Where it does not, `forward` may write `y` over `x`."""
    reads_output: ClassVar[bool] = True
    """Whether a derivative reads `y`. Where it does not, the next layer may write its own output over `y`."""
    kinks: ClassVar[tuple[float, ...]] = ()
    """The inputs of an element at which the layer has no derivative: long difference steps cross them."""
    complex_safe: ClassVar[bool] = False
    """Whether `forward` takes complex numbers too, as the analytic continuation of what it does to real
    ones: at x + ih, with h tiny, it gives f(x) + ih f'(x)."""

    couples_samples: ClassVar[str] = ""
    """Why a sample by itself is not what it is in its batch, so that a batch cannot be split; "" where it can be."""
    draws: ClassVar[bool] = False
    """Whether `redraw` draws anything."""
    lacks: ClassVar[Mapping[str, str]] = {}
    """Of a form that does not exist, why: {"input_jacobian": "it couples the samples …"}. The form raises
    `UnsupportedError`."""

    @property
    def smooth(self) -> bool:
        """Whether the layer is differentiable everywhere."""
        return not self.kinks

    def margins(self, x: Array) -> Iterator[Margin]:
        """How far the inputs x (n, i) are from every kink."""
        for kink in self.kinks:
            yield Margin(x - kink, np.arange(x.shape[1]))

    def distances(self, params: Tensors, x: Array) -> Iterator[Array]:
        """How far the inputs, by default, and elsewhere what is made of them inside are from every kink."""
        return (margin.distance for margin in self.margins(x))

    @classmethod
    def of(cls, shape: Shape, *numbers: float, **options: Any) -> Self:
        """The layer for inputs of that shape; `Network.parse` hands in the numbers and options of its text.

        `conv5x6,stride=2` is `Convolution.of(shape, 5, 6, stride="2")`, an option without a value is True, and
        the layers in brackets come as the option `inner`, a tuple. Raises `NetworkError` for what the layer does
        not take.
        """
        if numbers or options:
            raise misread(cls.name, numbers, options, "neither numbers nor options")
        needed = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
        return cls(*(tuple(shape) if name == "shape" else math.prod(shape) for name in needed[:1]))

    def fitting(self, x: Array) -> Array:
        """Inputs that the layer can read, made of numbers of the order of one: by default these numbers themselves.

        Samples that are drawn, or are grey levels of an image, go through this of a network's first layer.
        """
        return x

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the inputs that the layer is made for; None for any, or where it is not known."""
        return None

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the outputs; by default that of the inputs, or one axis where the width is another."""
        width = self.output_width(math.prod(shape))
        return shape if width == math.prod(shape) else (width,)

    def check_inputs(self, width: int) -> None:
        """Raise `NetworkError` unless a sample has as many numbers as `input_shape`."""
        if self.input_shape is not None and width != math.prod(self.input_shape):
            shape = " x ".join(map(str, self.input_shape))
            raise NetworkError(f"The layer {self.name} got {width} inputs; expected {shape}.")

    def redraw(self, rng: np.random.Generator) -> None:
        """Draw anew what the layer draws at random; until then every call sees the same."""

    def statistics(self) -> dict[str, Array]:
        """What evaluation takes in place of numbers of the batch, by name, as it begins; nothing by default."""
        return {}

    def follow(self, params: Tensors, x: Array, running: Tensors) -> None:
        """Move the running statistics, in place, towards those of a batch that is trained on."""

    def evaluated(self, params: Tensors, x: Array, running: Tensors) -> Array:
        """The outputs after training: by default those of `forward`, elsewhere with the running statistics."""
        return self.forward(params, x)

    def planned(self, n: int, dtype: DType) -> Planned:
        """The layer for batches of n samples, with buffers of its own; by default the layer itself.

        What is returned has `forward` and `vjp`, called in turn, and may keep for the second what the first found.
        The short form calls it, in `prepare`. `planned_bytes` says what the buffers take.
        """
        return self

    @abstractmethod
    def output_width(self, input_width: int) -> int:
        """o for a given i; raises `NetworkError` where the layer does not take i inputs."""

    @abstractmethod
    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Values in float64 with which training may begin, for each own parameter."""

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

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """The same product one step of the layer's graph after another, as it is derived on paper.

        Of a layer that is a single step this is `vjp`. `parts_flops` and `parts_bytes` say what it takes.
        """
        dx, own = self.vjp(params, x, y, dy, dparams=dparams)
        assert dx is not None  # it was asked for
        return dx, own

    @abstractmethod
    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """The Jacobian-vector product: ẏ (n, o) from ẋ (n, i) and θ̇ (shape of θ) in closed form.

        `dx` may be one row (1, i) for all samples. Without θ̇, an empty `dparams`, the layer's own
        parameters stay as they are, and `dx` may be many directions at once, (…, n, i).
        """

    def _gradients(self, like: Array, dparams: Tensors | None) -> Tensors:
        """Memory for ∂L/∂θ of every own parameter: the given one, or new memory with the kind and dtype of `like`."""
        if dparams is not None:
            return dparams
        shapes = self.parameter_shapes().items()
        return {name: np.empty_like(like, shape=shape, order="C") for name, shape in shapes}

    def _jacobian(self, x: Array, y: Array, out: Array | None) -> Array:
        """Memory for ∂y/∂x (n, o, i): the given one, or zeros with the kind and dtype of `y`."""
        return np.zeros_like(y, shape=(*y.shape, x.shape[1]), order="C") if out is None else out

    def _jacobians(self, like: Array, y: Array, out: Tensors | None) -> dict[str, Array]:
        """Memory for ∂y/∂θ (n, o, *shape of θ): the given one, or zeros with the kind and dtype of `like`."""
        shapes = self.parameter_shapes().items()
        if out is None:
            out = {name: np.zeros_like(like, shape=(*y.shape, *shape), order="C") for name, shape in shapes}
        return dict(out)

    def __repr__(self) -> str:
        return self.name


class OfShape(Layer):
    """A layer that is made for inputs of one shape."""

    @property
    @abstractmethod
    def made(self) -> Shape:
        """The shape of the outputs."""

    def output_shape(self, shape: Shape) -> Shape:
        """That of the outputs; raises `NetworkError` for inputs of another number."""
        self.check_inputs(math.prod(shape))
        return self.made

    def output_width(self, input_width: int) -> int:
        """o; raises `NetworkError` where `input_width` is not i."""
        self.check_inputs(input_width)
        return math.prod(self.made)


class ByInput(Layer):
    """A layer without parameters: its VJP gives ∂L/∂x and nothing else."""

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

    @abstractmethod
    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """∂L/∂x (n, i) from `dy`, written to `out` if it is given; `out` may be `dy` itself."""

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
        """∂L/∂x by `pull`, if it is needed, and no gradients of parameters."""
        return (self.pull(x, y, dy, out) if input_needed else None), {}


class OfAnyWidth(ByInput):
    """A layer without parameters that has as many outputs as inputs."""

    def output_width(self, input_width: int) -> int:
        """As many outputs as inputs."""
        return input_width
