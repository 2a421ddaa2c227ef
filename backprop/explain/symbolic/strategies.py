"""A strategy run on symbols: its own code, with layers that hand out the symbols of their outputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.explain.names import plain_name
from backprop.explain.symbolic.arrays import Symbolic
from backprop.explain.symbolic.claim import Claim, claim_equal, on_symbols
from backprop.explain.symbolic.network import OBJECTS, SymbolicNetwork
from backprop.explain.symbolic.zero import UndecidedError
from backprop.explain.watched import Call, watched
from backprop.layers import EinsumFactor
from backprop.parameters import Parameters
from backprop.strategy import Strategy


def run(strategy: Strategy[Any], case: SymbolicNetwork) -> Parameters:
    """The gradient of the strategy, its own code run on symbols."""

    def around(call: Call) -> Any:
        call.arguments.update({name: _symbolic(value) for name, value in call.arguments.items()})
        if call.form == "forward":
            return _written(_output(case, call), call.arguments.get("out"))
        result = call.make()
        if call.form == "value":
            return math.nan  # a number is expected, and the loss is none
        if call.form == "value_and_gradient":
            return math.nan, np.asarray(result[1])
        return _plain(result)

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
        got = case.put_in(np.asarray(gradient[plain_name(name)]), last)
        claims.append(claim_equal(f"∂L/∂{name} of {strategy.name}", got, case.put_in(expected, last)))
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
    if isinstance(value, dict):
        return {name: _symbolic(array) for name, array in value.items()}
    is_symbols = isinstance(value, np.ndarray) and value.dtype == object
    return value.view(Symbolic) if is_symbols else value


def _plain(value: Any) -> Any:
    if isinstance(value, EinsumFactor):
        return EinsumFactor(value.subscripts, np.asarray(value.operand))
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return np.asarray(value) if isinstance(value, np.ndarray) else value
