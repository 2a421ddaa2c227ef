"""What the normalisations share: y = γ h + β with h = (x - mean x) / √(variance + ε), by whatever axes the mean is.

    r = 1/√(mean (x - mean x)² + ε)        h = (x - mean x) r

    VJP, closed    dx = r (d - mean d - h mean(d h)) with d = γ dy        dγ = Σ dy h        dβ = Σ dy
    JVP            ẏ = γ r (ẋ - mean ẋ - h mean(ẋ h)) + γ̇ h + β̇

Step by step through the graph (mean, centre, square, variance, root, quotient, scale, shift) the same takes about
twice the operations: that is `vjp_by_parts`. A layer that takes no mean away leaves out those of x and d, and β.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, Shape, Tensors
from backprop.layers.remembering import Remembering

EPSILON = 1e-5
"""ε, as PyTorch has it: it keeps a variance of zero from being divided by."""


@dataclass(frozen=True)
class Memory:
    """What `back` reads of a batch of n samples, and room for a product.

    h: h, or x - mean where the layer never forms h. product: of its size. inverse: r. count: the numbers of a mean.
    first, last: ones, as many as h has rows and columns: BLAS sums by a product with them, faster than a sum does.
    """

    h: Array
    product: Array
    inverse: Array
    count: int
    first: Array
    last: Array


class Normalisation(Remembering[Memory]):
    """A normalisation of samples of the shape `shape`; a subclass says over which axes, and has the closed form."""

    shape: Shape
    centred: ClassVar[bool] = True
    """Whether the mean is taken away and β added."""
    forward_flops_per_number: ClassVar[int]
    dx_flops_per_number: ClassVar[int]
    """Of the closed form, where dy h and the sums by γ and β are there already."""
    reads_input: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    @property
    @abstractmethod
    def split(self) -> Shape:
        """A sample's axes as they are normalised: (features,), (t, features) or (features, places)."""

    @property
    @abstractmethod
    def axes(self) -> tuple[int, ...]:
        """The axes of (n, *split) over which the mean is, counted from the last."""

    @property
    @abstractmethod
    def feature(self) -> int:
        """The position in `split` of the axis that γ has."""

    @abstractmethod
    def oracle(self, params: Tensors, x: Array) -> Array:
        """As `Layer.oracle`."""

    @property
    def peers(self) -> Mapping[str, Callable[..., Any]]:  # type: ignore[override]  # by the shape
        """PyTorch by its own function, the other libraries by the formula."""
        return {
            "autograd": lambda autograd, own, x: self._by_formula(autograd.numpy, own, x),
            "jax": lambda jax, own, x: self._by_formula(jax.numpy, own, x),
            "torch": lambda torch, own, x: self._torch(torch, own, x.reshape(-1, *self.split)).reshape(
                x.shape
            ),
        }

    @abstractmethod
    def _torch(self, torch: Any, own: Any, rows: Any) -> Any:
        """The outputs (n, *split), by PyTorch's own function."""

    def _by_formula(self, numpy: Any, own: Any, x: Any) -> Any:
        rows, mean = x.reshape(-1, *self.split), {"axis": self.axes, "keepdims": True}
        centre = rows - numpy.mean(rows, **mean) if self.centred else rows
        h = centre / numpy.sqrt(numpy.mean(centre * centre, **mean) + EPSILON)
        y = self._along(own["gamma"]) * h
        return (y + self._along(own["beta"]) if self.centred else y).reshape(x.shape)

    @property
    def features(self) -> int:
        """The entries of γ."""
        return self.split[self.feature]

    @property
    def input_shape(self) -> Shape:
        """The shape of a sample."""
        return self.shape

    @property
    def letters(self) -> Mapping[str, str]:  # type: ignore[override]  # by the shape
        """γ and β along the outputs, or along the one axis of them that they have."""
        return dict.fromkeys(self.parameter_shapes(), self._letters[self.feature])

    @property
    def _letters(self) -> str:
        return "o" if len(self.split) == 1 else "st" if self.feature else "qs"

    def output_width(self, input_width: int) -> int:
        """As many as inputs; raises `NetworkError` for another number than the shape has."""
        self.check_inputs(input_width)
        return input_width

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """gamma and beta, (features,) each."""
        return dict.fromkeys(("gamma", "beta") if self.centred else ("gamma",), (self.features,))

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """γ of ones and β of zeros, so that the outputs have mean 0 and variance 1."""
        values = {"gamma": np.ones(self.features), "beta": np.zeros(self.features)}
        return {name: values[name] for name in self.parameter_shapes()}

    # What it takes

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Sum and difference of the mean, square and sum of the variance, quotient, scale, shift."""
        return self.forward_flops_per_number * n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """dy h and its sum, dβ, and dx."""
        own = 3 if self.centred else 2
        return (own + self.dx_flops_per_number * input_needed) * n * o

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """The steps forward once more, without scale and shift, and each of them back."""
        return (5 + 12 if self.centred else 3 + 9) * n * o

    def memory_numbers(self, n: int) -> int:
        """h, a product of the same size, and r of every group."""
        return 2 * n * math.prod(self.split) + self._groups(n)

    def call_numbers(self, n: int, *, forward: bool) -> int:
        """Means of every group, sums of every feature, and ones; of what is broadcast, a piece."""
        o = math.prod(self.split)
        sums = self._groups(n) + (0 if forward else self.features)
        return n * o // self.features + self.features + 2 * sums + ufunc_buffer_bytes(n * o, 1)

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """x - mean, h, and four arrays of the way back, or three without the mean."""
        numbers = (6 if self.centred else 5) * n * o + 6 * self._groups(n)
        return numbers * itemsize + ufunc_buffer_bytes(n * o, itemsize)

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """One for every output."""
        return dict.fromkeys(self.parameter_shapes(), o)

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """h, and x - mean or its square."""
        return 3 * n * o * itemsize

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """h, the tangents, and what γ̇ makes of h."""
        means = 2 * self._groups(n) * (directions or 1)
        numbers = (3 if directions is None else 1 + directions) * n * o + means + self._groups(n)
        return numbers * itemsize + ufunc_buffer_bytes(n * o, itemsize)

    def _groups(self, n: int) -> int:
        """The means of a batch of n."""
        axes = (n, *self.split)
        return math.prod(axes) // self._count(n)

    def _count(self, n: int) -> int:
        """The numbers of one mean."""
        axes = (n, *self.split)
        return math.prod(axes[axis] for axis in self.axes)

    # Back through the parts

    def vjp_by_parts(
        self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors | None = None
    ) -> tuple[Array, Tensors]:
        """One step of the graph after another, each with its own derivative."""
        shape = x.shape
        x, dy, gamma = self._view(x), self._view(dy), self._along(params["gamma"])
        # forward, whose steps nobody has kept
        centre = x - self._mean(x) if self.centred else x
        variance = self._mean(centre * centre)
        root = np.sqrt(variance + x.dtype.type(EPSILON))
        inverse = 1 / root
        h = centre * inverse
        # back: y = scaled + β, scaled = γ h, h = centre · inverse, inverse = 1/root, root = √(variance + ε)
        own = {"gamma": self._total(dy * h)}
        if self.centred:
            own["beta"] = self._total(dy)
        dh = dy * gamma
        dcentre = dh * inverse
        dinverse = self._sum(dh * centre)
        droot = -dinverse * inverse * inverse
        dvariance = droot * inverse / 2
        # variance = mean of square, square = centre², centre = x - mean
        dsquare = dvariance / self._count(len(x))
        dcentre = dcentre + 2 * centre * dsquare
        dx = dcentre - self._mean(dcentre) if self.centred else dcentre
        gradients = self._gradients(x, dparams)
        for name, gradient in own.items():
            gradients[name][...] = gradient
        return dx.reshape(shape), gradients

    # The other forms

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """γ r (ẋ - mean ẋ - h mean(ẋ h)) + γ̇ h + β̇."""
        h, inverse = self._normalised(x)
        moved = self._view(dx)
        dy = moved * h
        np.multiply(h, self._mean(dy), out=dy)
        np.subtract(moved, dy, out=dy)
        if self.centred:
            dy -= self._mean(moved)
        dy *= inverse
        dy *= self._along(params["gamma"])
        if dparams:
            dy += self._along(dparams["gamma"]) * h
        if dparams and self.centred:
            dy += self._along(dparams["beta"])
        pushed: Array = dy.reshape(*dy.shape[: -len(self.split)], -1)
        return pushed

    def parameter_jacobians(
        self, params: Tensors, x: Array, y: Array, *, out: Tensors | None = None
    ) -> dict[str, Array]:
        """h where the output has the entry of γ, ones where it has that of β: (n, o, features)."""
        (n, o), jacobians = y.shape, self._jacobians(x, y, out)
        outputs = np.arange(o)
        own = outputs // math.prod(self.split[self.feature + 1 :]) % self.features
        jacobians["gamma"][:, outputs, own] = self._normalised(x)[0].reshape(n, o)
        if self.centred:
            jacobians["beta"][:, outputs, own] = 1
        return jacobians

    def parameter_factors(self, params: Tensors, x: Array, y: Array) -> dict[str, EinsumFactor]:
        """h for γ and the number one for β, along the axes that they share with the outputs."""
        h, one = self._normalised(x)[0], np.ones((), x.dtype)
        if len(self.split) == 1:
            factors = {"gamma": EinsumFactor("no", h), "beta": EinsumFactor("", one)}
        else:
            axes, kept = self._letters, self._letters[self.feature]
            factors = {
                "gamma": EinsumFactor(f"n{axes}", h, axes, self.split, kept),
                "beta": EinsumFactor("", one, axes, self.split, kept),
            }
        return {name: factors[name] for name in self.parameter_shapes()}

    def _view(self, array: Array) -> Array:
        """(…, n, i) as (…, n, *split)."""
        return array.reshape(*array.shape[:-1], *self.split)

    def _along(self, parameter: Array) -> Array:
        """γ or β, to be multiplied with (…, n, *split)."""
        return parameter.reshape(-1, *[1] * (len(self.split) - 1 - self.feature))

    def _mean(self, array: Array) -> Array:
        mean: Array = np.mean(array, axis=self.axes, keepdims=True)
        return mean

    def _sum(self, array: Array) -> Array:
        total: Array = np.sum(array, axis=self.axes, keepdims=True)
        return total

    def _total(self, array: Array) -> Array:
        """The sum over everything but the axis of γ."""
        kept = 1 + self.feature
        total: Array = np.sum(array, axis=tuple(k for k in range(array.ndim) if k != kept))
        return total

    def _normalised(self, x: Array) -> tuple[Array, Array]:
        """h (n, *split) and r, 1/√(variance + ε)."""
        x = self._view(x)
        centre = x - self._mean(x) if self.centred else x
        inverse = 1 / np.sqrt(self._mean(centre * centre) + x.dtype.type(EPSILON))
        return centre * inverse, inverse


def inverse_root(squares: Array, count: int, *, out: Array) -> Array:
    """r = 1/√(Σ squares / count + ε), of sums of squares, which are overwritten."""
    squares /= count
    squares += squares.dtype.type(EPSILON)
    np.sqrt(squares, out=squares)
    return np.divide(1, squares, out=out)
