"""The proofs of a layer or a loss: every closed form in its file against the derivatives of its own `forward`.

y = layer.forward(x)                 the library's code, run on symbols
J = ∂y/∂x, ∂y/∂θ                     by sympy.diff
input_jacobian = J,  vjp = dy J,  jvp = J ẋ, …    proven for all numbers, at the given size

The labels of a loss are no symbols: n = c samples are taken, and sample k has label k, so that every label is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.symbolic.arrays import Symbolic, of_samples, symbolic, symbols
from backprop.explain.symbolic.claim import Claim, claim, claim_equal, on_symbols
from backprop.explain.symbolic.zero import UndecidedError, simplified
from backprop.explain.watched import on_arrays
from backprop.layers import ACTIVATIONS, EinsumFactor, Elementwise, Layer
from backprop.losses import Loss


@dataclass(frozen=True)
class SymbolicLayer:
    """A layer with symbols for its input x (n, i) and parameters, and its output y (n, o) as expressions."""

    layer: Layer
    params: dict[str, Symbolic]
    x: Symbolic
    y: Symbolic

    @classmethod
    def of(cls, layer: Layer, n: int, i: int) -> SymbolicLayer:
        """Run the layer's forward on symbols; raises `UnderivableError` where that gives no formula."""
        params = {name: symbols(name, *shape) for name, shape in layer.parameter_shapes().items()}
        x = of_samples("x", n, i)
        return cls(layer, params, x, tidy(on_symbols(lambda: layer.forward(params, x))))

    @property
    def arguments(self) -> tuple[dict[str, Symbolic], Symbolic, Symbolic]:
        """What every local derivative is handed first."""
        return self.params, self.x, self.y

    @property
    def between_samples(self) -> Array:
        """∂y[n]/∂x[m] (n, o, m, i) by SymPy, for any two samples."""
        return derivatives(self.y, self.x)

    @property
    def by_input(self) -> Array:
        """∂y/∂x (n, o, i) by SymPy."""
        own: Array = np.einsum("noni->noi", self.between_samples)
        return own

    @property
    def by_parameter(self) -> dict[str, Array]:
        """∂y/∂θ (n, o, *shape) by SymPy."""
        return {name: derivatives(self.y, tensor) for name, tensor in self.params.items()}


def prove_layer(layer: Layer, n: int, i: int) -> list[Claim]:
    """Every form of the layer, for n samples of i inputs."""
    try:
        case = SymbolicLayer.of(layer, n, i)
    except UndecidedError as error:
        claims = [Claim("forward", None, str(error).rstrip("."))]
    else:
        claims = _layer_claims(case)
    return [replace(one, what=f"{layer.name}, n = {n}: {one.what}") for one in claims]


def _layer_claims(case: SymbolicLayer) -> list[Claim]:
    layer = case.layer
    given, by_parameter, between = case.arguments, case.by_parameter, case.between_samples
    if "input_jacobian" in layer.lacks:  # the samples are coupled: the products are those of the whole batch
        return _products(case, between, by_parameter)
    by_input, apart = case.by_input, between.copy()
    np.einsum("noni->noi", apart)[...] = 0
    claims = [claim_equal("no sample changes the output of another", apart, np.zeros_like(apart))]
    claims.append(claim("input_jacobian", lambda: layer.input_jacobian(*given), by_input))
    claims.append(claim("input_factor", lambda: _expanded(layer.input_factor(*given), by_input), by_input))
    if isinstance(layer, Elementwise):
        slopes = np.einsum("noo->no", by_input)
        claims.append(claim("derivative", lambda: symbolic(layer.derivative(case.x, case.y)), slopes))
    for name, expected in by_parameter.items():

        def dense(name: str = name) -> Array:
            return layer.parameter_jacobians(*given)[name]

        def factor(name: str = name, expected: Array = expected) -> Array:
            return _expanded(layer.parameter_factors(*given)[name], expected, of_parameter=True)

        claims.append(claim(f"parameter_jacobians of {name}", dense, expected))
        claims.append(claim(f"parameter_factors of {name}", factor, expected))
    return claims + _products(case, between, by_parameter)


def _products(case: SymbolicLayer, between: Array, by_parameter: dict[str, Array]) -> list[Claim]:
    """VJP and JVP against products with the Jacobians, that by the inputs (n, o, m, i) between any two samples."""
    layer, (n, i) = case.layer, case.x.shape
    dy, dx = of_samples("dy", *case.y.shape), of_samples("dx", n, i)
    own = {name: symbols(f"d{name}", *tensor.shape) for name, tensor in case.params.items()}
    claims = [
        claim("vjp", lambda: layer.vjp(*case.arguments, dy.copy())[0], np.einsum("no,nomi->mi", dy, between))
    ]
    pushed = np.einsum("nomi,mi->no", between, dx)
    for name, jacobian in by_parameter.items():
        flat = jacobian.reshape(*case.y.shape, -1)
        expected = np.einsum("no,nop->p", dy, flat).reshape(case.params[name].shape)

        def of_parameter(name: str = name) -> Array:
            return layer.vjp(*case.arguments, dy.copy())[1][name]

        claims.append(claim(f"vjp of {name}", of_parameter, expected))
        pushed = pushed + np.einsum("nop,p->no", flat, np.asarray(own[name]).reshape(-1))
    claims.append(claim("jvp", lambda: layer.jvp(*case.arguments, dx, own), pushed))
    return claims


def derivatives(of: Array, by: Array) -> Array:
    """∂of/∂by, of shape (*of, *by)."""
    result = np.empty((*of.shape, *by.shape), object)
    for index in np.ndindex(*of.shape):
        for other in np.ndindex(*by.shape):
            result[index + other] = sympy.diff(of[index], by[other])
    return result


def tidy(array: Any) -> Symbolic:
    """Every element in normal form, in which whatever a softmax has subtracted is gone.

    An element that no shift is in is left as the code wrote it.
    """

    def without_shift(element: Any) -> Any:
        return simplified(element) if element.atoms(sympy.Dummy) else element

    return symbolic(np.frompyfunc(without_shift, 1, 1)(np.asarray(array)))


def _expanded(factor: EinsumFactor, like: Array, *, of_parameter: bool = False) -> Array:
    """An operand of einsum with every axis written out, by the rule of `EinsumFactor`, in the shape of `like`.

    The axes are (n, o, i) of a factor by the input, and (n, o, *shape of θ) of one by a parameter θ.
    """
    n, o = like.shape[:2]
    identity = np.array([np.eye(o, dtype=object)] * n)
    exact: EinsumFactor = on_arrays(symbolic, factor)
    chained = exact.chain(identity, math.prod(like.shape[2:]), of_parameter=of_parameter)
    return np.asarray(chained).reshape(like.shape)


def prove_loss(loss: Loss, c: int) -> list[Claim]:
    """Every form of the loss for c classes, and of its short form after every layer that it has one for."""
    y, labels = symbols("y", c, c), np.arange(c)
    claims = _loss_claims(loss, y, labels, loss.sample_values(y, labels))
    for layer in (activation() for activation in ACTIVATIONS.values()):
        short = loss.after(layer)
        if short is not None:
            z = symbols("z", c, c)
            samples = loss.sample_values(tidy(layer.forward({}, z)), labels)
            without_logarithms = np.exp(short.sample_values(z, labels)), np.exp(samples)
            claims.append(claim_equal(f"{short.name}: exp of sample_values", *without_logarithms))
            claims += _loss_claims(short, z, labels, samples)
    return claims


def _loss_claims(loss: Loss, y: Array, labels: Array, samples: Array) -> list[Claim]:
    """The value and the gradient of the loss, whose losses of the samples are `samples`."""
    value, gradient = loss.value_and_gradient(y, labels)
    mean = _mean(loss.sample_values(y, labels))
    expected = derivatives(np.asarray(_mean(samples), object), y)
    claims = [
        claim_equal("value, the mean of sample_values", loss.value(y, labels), mean),
        claim_equal("gradient", loss.gradient(y, labels), expected),
        claim_equal("value of value_and_gradient", value, mean),
        claim_equal("gradient of value_and_gradient", gradient, expected),
    ]
    return [replace(one, what=f"{loss.name}: {one.what}") for one in claims]


def _mean(samples: Array) -> Any:
    return sum(np.asarray(samples)) / sympy.Integer(len(samples))
