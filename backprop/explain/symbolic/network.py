"""The proof of a network: strategies, run on symbols, against the chain rule that SymPy derives and multiplies.

Every value between two layers is a symbol of its own, z₁, a₁, z₂, p: a Jacobian is local, so it is proven for any
value that its input may have. Closed forms are written with the output of an activation, 1 - a² and not 1 - tanh² z,
so the outputs are put in for their symbols before two gradients are compared.

A strategy runs on symbols with its own code: its layers hand out the symbols of their outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.names import LOSS, Names, plain_name, subscripted
from backprop.explain.symbolic.arrays import Symbolic, of_samples, symbols
from backprop.explain.symbolic.claim import Claim, claim_equal, on_symbols
from backprop.explain.symbolic.forms import derivatives, tidy
from backprop.explain.symbolic.zero import UndecidedError, is_zero_fraction, simplified
from backprop.explain.watched import Call, on_arrays, watched
from backprop.layers import Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Strategy

OBJECTS = np.dtype(object)


@dataclass(frozen=True)
class Factor:
    """One factor of the chain for one sample, as a matrix: ∂of/∂by (o, size of by).

    derived: by SymPy, from the layer's forward. closed: by the layer's own formula, in the symbols of its output.
    """

    of: str
    by: str
    derived: Array
    closed: Array


@dataclass(frozen=True)
class SymbolicNetwork:
    """A network with symbols for the batch's inputs, all parameters and every layer's output.

    outputs: what each layer's forward makes of the symbols of its input. labels: 0, 1, … in turn.
    """

    network: Network
    names: Names
    params: Parameters
    batch: Batch
    values: tuple[Symbolic, ...]
    outputs: tuple[Symbolic, ...]

    @classmethod
    def of(cls, network: Network, n: int) -> SymbolicNetwork:
        """Symbols for n samples, and every layer's forward of them."""
        names = Names.of(network)
        params = Parameters.zeros(network.layout, OBJECTS)
        for name, tensor in params.items():
            tensor[...] = symbols(subscripted(name), *tensor.shape)
        values = tuple(of_samples(name, n, *names.shapes[name]) for name in names.values)
        outputs = tuple(
            tidy(on_symbols(partial(layer.forward, _symbolic(own), x)))
            for layer, own, x in zip(network.layers, network.local(params), values, strict=False)
        )
        batch = Batch(np.asarray(values[0]), np.arange(n) % network.label_classes)
        return cls(network, names, params, batch, values, outputs)

    def put_in(self, array: Array, layers: slice = slice(None)) -> Array:
        """The array with the symbols of activations replaced by what each is of its input; of `layers` alone."""
        chosen = list(zip(self.network.layers, self.values[1:], self.outputs, strict=True))[layers]
        known = {
            symbol: output
            for layer, y, outputs in chosen
            if not isinstance(layer, Linear)
            for symbol, output in zip(y.reshape(-1), outputs.reshape(-1), strict=True)
        }
        put_in = np.frompyfunc(lambda element: sympy.sympify(element).subs(known), 1, 1)
        replaced: Array = put_in(np.asarray(array))
        return replaced

    def factors(self, sample: int) -> Iterator[Factor]:
        """The chain of one sample, from the loss to the first layer: ∂L/∂p, ∂p/∂z₂, ∂z₂/∂W₂, …"""
        names, y = self.names, self.values[-1]
        loss = np.asarray(self.network.loss_function.value(y, self.batch.labels), object)
        row = derivatives(loss, y[sample]).reshape(1, -1)
        yield Factor(LOSS, names.outputs, row, row)
        for k in reversed(range(len(self.network.layers))):
            layer, own = self.network.layers[k], _symbolic(self.network.local(self.params)[k])
            of, output = names.values[k + 1], np.asarray(self.outputs[k][sample])
            arguments = (own, self.values[k], self.values[k + 1])
            closed = layer.parameter_jacobians(*arguments)
            for local, name in names.parameters[k].items():
                derived = derivatives(output, np.asarray(own[local])).reshape(len(output), -1)
                yield Factor(of, name, derived, np.asarray(closed[local])[sample].reshape(derived.shape))
            if k > 0:
                derived = derivatives(output, np.asarray(self.values[k][sample]))
                jacobian = np.asarray(layer.input_jacobian(*arguments))[sample]
                yield Factor(of, names.values[k], derived, jacobian)

    def prove_factors(self, sample: int) -> list[Claim]:
        """Every closed form of the chain against what SymPy derives of the layer's forward."""
        return [
            claim_equal(
                f"∂{factor.of}/∂{factor.by}, sample {sample}",
                self.put_in(factor.closed),
                self.put_in(factor.derived),
            )
            for factor in self.factors(sample)
        ]

    def rows(self, sample: int) -> Iterator[Factor]:
        """The products of the chain, from the left: ∂L/∂z₂, ∂L/∂W₂, …, one row each, of the closed forms."""
        row: Array = np.ones((1, 1), object)
        for factor in self.factors(sample):
            product = np.frompyfunc(_cancelled, 1, 1)(row @ factor.closed)
            yield Factor(LOSS, factor.by, product, product)
            if not self.names.is_parameter(factor.by):
                row = product

    @cached_property
    def gradient(self) -> dict[str, Array]:
        """∂L/∂θ by parameter, by the chain rule: the sum over the samples."""
        total: dict[str, Array] = {}
        for sample in range(len(self.batch.inputs)):
            for row in self.rows(sample):
                if self.names.is_parameter(row.by):
                    total[row.by] = total.get(row.by, 0) + row.closed.reshape(self.names.shapes[row.by])
        return total


def _cancelled(element: Any) -> Any:
    """The element in normal form where it divides by a symbol: the 1/p of the loss cancels the p of the softmax.

    Other quotients, such as the root of a normalisation, stay: their normal forms are long, and cancel nothing.
    """
    powers = sympy.sympify(element).atoms(sympy.Pow)
    is_quotient = any(power.exp.is_negative and power.base.is_Symbol for power in powers)
    return simplified(element) if is_quotient else element


def run(strategy: Strategy[Any], case: SymbolicNetwork) -> Parameters:
    """The gradient of the strategy, its own code run on symbols."""

    def around(call: Call) -> Any:
        call.arguments.update(_symbolic(call.arguments))
        if call.form == "forward":
            return _written(_output(case, call), call.arguments.get("out"))
        result = call.make()
        if call.form == "value":
            return math.nan  # a number is expected, and the loss is none
        if call.form == "value_and_gradient":
            return math.nan, np.asarray(result[1])
        return on_arrays(np.asarray, result)

    network, n = watched(case.network, around), len(case.batch.inputs)
    plan = strategy.prepare(network, n, OBJECTS)
    return strategy.value_and_gradient(plan, case.params, case.batch).gradient


def prove_strategy(strategy: Strategy[Any], case: SymbolicNetwork) -> list[Claim]:
    """The strategy's gradient by every parameter against the chain rule's."""
    claims, last = [], slice(-1, None)  # p - t is written with logits
    try:
        gradient = on_symbols(lambda: run(strategy, case))
    except UndecidedError as error:
        return [Claim(f"∂L of {strategy.name}", None, str(error).rstrip("."))]
    for name, expected in case.gradient.items():
        got = np.asarray(gradient[plain_name(name)])
        # Writing with logits takes long, and is not needed where both are equal as they stand.
        if got.shape == expected.shape:
            apart = np.frompyfunc(is_zero_fraction, 1, 1)(got - expected) == 0
            got, expected = np.where(apart, got, 0), np.where(apart, expected, 0)
        got, expected = case.put_in(got, last), case.put_in(expected, last)
        claims.append(claim_equal(f"∂L/∂{name} of {strategy.name}", got, expected))
    return claims


def _output(case: SymbolicNetwork, call: Call) -> Array:
    """The symbols of a layer's output, of the samples whose symbols are its input."""
    samples = {tuple(row): k for k, row in enumerate(case.values[call.position])}
    chosen = [samples[tuple(row)] for row in call.arguments["x"]]
    return np.asarray(case.values[call.position + 1])[chosen]


def _written(values: Array, out: Any) -> Array:
    if out is None:
        return values
    np.asarray(out)[...] = values
    return np.asarray(out)


def _symbolic(value: Any) -> Any:
    """Its arrays of objects as symbols."""
    return on_arrays(lambda array: array.view(Symbolic) if array.dtype == object else array, value)
