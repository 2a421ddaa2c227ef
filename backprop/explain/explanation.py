"""The explanation: one or two strategies run on the same numbers, lined up, with the shortcut behind each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.errors import OptionError
from backprop.explain.shortcuts import Shortcut, shortcut_of
from backprop.explain.side_by_side import Row, line_up
from backprop.explain.step import Step, Trace
from backprop.explain.trace import check_printable, trace
from backprop.network import Batch, Network
from backprop.options import check_count
from backprop.parameters import Parameters
from backprop.registry import find_strategy, ladder
from backprop.strategy import Strategy


@dataclass(frozen=True, eq=False)
class Explanation:
    """What is shown: the traces of the strategies asked for, and those of the ladder they are compared with."""

    network: Network
    params: Parameters
    batch: Batch
    traces: tuple[Trace, ...]
    ladder: tuple[Trace, ...]

    @cached_property
    def rows(self) -> list[Row]:
        """The steps lined up."""
        return line_up(*self.traces)

    @property
    def title(self) -> str:
        """What is explained, in one line."""
        n = len(self.batch.inputs)
        return f"{self.network}, batch {n}, {self.params.dtype.name}"

    def shortcut(self, column: int, step: Step) -> Shortcut | None:
        """Which strategy of the ladder avoids a step of that trace, and how; None where none does."""
        return shortcut_of(self.traces[column], step, self.ladder)

    @property
    def difference(self) -> float | None:
        """The largest difference between the gradients of two traces; None for one."""
        if len(self.traces) == 1:
            return None
        first, second = (_gradient(trace) for trace in self.traces)
        return float(np.max(np.abs(first - second)))


def explain(network: Network, params: Parameters, batch: Batch, strategies: Sequence[str]) -> Explanation:
    """Trace one or two strategies, by name, and the ladder.

    Raises `OptionError` for another number of strategies, `TooLargeError` for a network that nobody could
    read, `UnknownNameError` for a strategy that is not installed and `UnsupportedError` for one that cannot be
    traced.
    """
    if not 1 <= len(strategies) <= 2 or len(set(strategies)) < len(strategies):
        raise OptionError(
            f"The strategies are {', '.join(strategies) or 'none'}; expected one or two different ones."
        )
    chosen = [find_strategy(name) for name in strategies]
    check_printable(network, len(batch.inputs))

    def traced(strategy: Strategy[Any]) -> Trace:
        return trace(strategy, network, params, batch)

    traces = tuple(map(traced, chosen))
    return Explanation(network, params, batch, traces, tuple(map(traced, ladder().values())))


def example(network: Network, n: int, rng: np.random.Generator) -> tuple[Parameters, Batch]:
    """Parameters and samples for a network, of numbers that are short: two decimals, none of them zero."""
    check_count("samples", n)
    check_printable(network, n)

    def short(array: Array, decimals: int) -> Array:
        rounded = array.round(decimals)
        return np.where(rounded == 0, 10.0**-decimals, rounded)

    params = network.init(rng)
    for tensor in params.values():
        tensor[...] = short(tensor if tensor.ndim > 1 else rng.standard_normal(tensor.shape) / 4, 2)
    inputs = short(rng.standard_normal((n, network.inputs)), 1)
    labels = rng.permutation(np.arange(n) % network.classes)
    return params, network.batch(inputs, labels, params.dtype)


def _gradient(trace: Trace) -> Array:
    found = {
        step.name: step.array
        for step in trace.steps
        if step.name.startswith("∂L/∂") and trace.names.is_parameter(step.name[4:])
    }
    return np.concatenate([found[name].reshape(-1) for name in sorted(found)])
