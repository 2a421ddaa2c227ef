"""The proofs of a layer: every closed form in its file against the derivatives of its own `forward`.

y = layer.forward(x)                 the library's code, run on symbols
J = ∂y/∂x, ∂y/∂θ                     by sympy.diff
input_jacobian = J,  vjp = dy J,  jvp = J ẋ, …    proven for all numbers, at the given size
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.symbolic.arrays import Symbolic, symbolic, symbols
from backprop.explain.symbolic.claim import Claim, claim_equal
from backprop.explain.symbolic.zero import simplified
from backprop.layers import EinsumFactor, Elementwise, Layer


@dataclass(frozen=True)
class SymbolicLayer:
    """A layer with symbols for its input x (n, i) and parameters, and its output y (n, o) as expressions."""

    layer: Layer
    params: dict[str, Symbolic]
    x: Symbolic
    y: Symbolic

    @classmethod
    def of(cls, layer: Layer, n: int, i: int) -> SymbolicLayer:
        """Run the layer's forward on symbols."""
        params = {name: symbols(name, *shape) for name, shape in layer.parameter_shapes().items()}
        x = symbols("x", n, i)
        return cls(layer, params, x, tidy(layer.forward(params, x)))

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
    case = SymbolicLayer.of(layer, n, i)
    by_input, by_parameter = case.by_input, case.by_parameter
    apart = case.between_samples.copy()
    np.einsum("noni->noi", apart)[...] = 0
    claims = [claim_equal("samples that do not mix", apart, np.zeros_like(apart))]
    claims.append(claim_equal("input_jacobian", layer.input_jacobian(*case.arguments), by_input))
    claims.append(
        claim_equal("input_factor", expanded(layer.input_factor(*case.arguments), *case.y.shape), by_input)
    )
    if isinstance(layer, Elementwise):
        slopes = np.einsum("noo->no", by_input)
        claims.append(claim_equal("derivative", symbolic(layer.derivative(case.x, case.y)), slopes))
    dense, factors = layer.parameter_jacobians(*case.arguments), layer.parameter_factors(*case.arguments)
    for name, expected in by_parameter.items():
        claims.append(claim_equal(f"parameter_jacobians of {name}", dense[name], expected))
        factor = _parameter_factor(factors[name], *case.y.shape)
        claims.append(claim_equal(f"parameter_factors of {name}", factor, expected))
    claims += _products(case, by_input, by_parameter)
    return [Claim(f"{layer.name}, n = {n}: {claim.what}", claim.fault) for claim in claims]


def _products(case: SymbolicLayer, by_input: Array, by_parameter: dict[str, Array]) -> list[Claim]:
    """VJP and JVP against products with the Jacobians."""
    layer, (n, i) = case.layer, case.x.shape
    dy, dx = symbols("dy", *case.y.shape), symbols("dx", n, i)
    own = {name: symbols(f"d{name}", *tensor.shape) for name, tensor in case.params.items()}
    got_dx, got_own = layer.vjp(*case.arguments, dy.copy())
    claims = [claim_equal("vjp", got_dx, np.einsum("no,noi->ni", dy, by_input))]
    pushed = np.einsum("noi,ni->no", by_input, dx)
    for name, jacobian in by_parameter.items():
        flat = jacobian.reshape(*case.y.shape, -1)
        expected = np.einsum("no,nop->p", dy, flat).reshape(case.params[name].shape)
        claims.append(claim_equal(f"vjp of {name}", got_own[name], expected))
        pushed = pushed + np.einsum("nop,p->no", flat, np.asarray(own[name]).reshape(-1))
    claims.append(claim_equal("jvp", layer.jvp(*case.arguments, dx, own), pushed))
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


def expanded(factor: EinsumFactor, n: int, o: int) -> Array:
    """An operand of einsum with every axis written out, (n, o, i), by the rule of `EinsumFactor`."""
    subscripts, operand = factor
    last = "i" if "i" in subscripts else "o"
    return np.asarray(np.einsum(f"nco,{subscripts}->nc{last}", _identity(n, o), symbolic(operand)))


def _parameter_factor(factor: EinsumFactor, n: int, o: int) -> Array:
    subscripts, operand = factor
    middle = "i" if "i" in subscripts else ""
    return np.asarray(np.einsum(f"nco,{subscripts}->nc{middle}o", _identity(n, o), symbolic(operand)))


def _identity(n: int, o: int) -> Array:
    return np.array([np.eye(o, dtype=object)] * n)
