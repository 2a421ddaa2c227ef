"""The explanation: one or two strategies run on the same numbers, lined up, with the shortcut behind each step.

The trace of a strategy is one real call of it on a watched network, with every step kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.errors import BackpropError, OptionError, UnsupportedError
from backprop.explain.names import Names, plain_name
from backprop.explain.recorder import Recorder
from backprop.explain.shortcuts import Shortcut, shortcut_of
from backprop.explain.step import Row, Step, Trace, line_up
from backprop.explain.watched import watched
from backprop.network import Batch, Network
from backprop.options import check_count
from backprop.parameters import Parameters
from backprop.registry import find_strategy, ladder
from backprop.strategy import Strategy


@dataclass(frozen=True, eq=False)
class Explanation:
    """What is shown: the traces of the strategies asked for, and those of the ladder they are compared with.

    origin: where the numbers come from, in a sentence, or "".
    """

    network: Network
    params: Parameters
    batch: Batch
    traces: tuple[Trace, ...]
    ladder: tuple[Trace, ...]
    origin: str = ""

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


def explain(
    network: Network, params: Parameters, batch: Batch, strategies: Sequence[str], origin: str = ""
) -> Explanation:
    """Trace one or two strategies, by name, and the ladder; `origin` says where the numbers come from.

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
    able = [rung for rung in ladder().values() if rung.unsupported(network, params.dtype) is None]
    return Explanation(network, params, batch, traces, tuple(map(traced, able)), origin)


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
    inputs = network.layers[0].fitting(short(rng.standard_normal((n, network.inputs)), 1))
    labels = rng.permutation(np.arange(n) % network.label_classes)
    return params, network.batch(inputs, labels, params.dtype)


def _gradient(trace: Trace) -> Array:
    found = {
        step.name: step.array
        for step in trace.steps
        if step.name.startswith("∂L/∂") and trace.names.is_parameter(step.name[4:])
    }
    return np.concatenate([found[name].reshape(-1) for name in sorted(found)])


MOST_NUMBERS = 4096
"""The most numbers of a matrix that is printed: nobody reads more."""


class TooLargeError(BackpropError, ValueError):
    """A network whose matrices are too large to be printed."""


def trace(strategy: Strategy[Any], network: Network, params: Parameters, batch: Batch) -> Trace:
    """Run `strategy` once and record what it forms.

    The strategy is the one that is measured, unchanged: it is handed a network whose layers report. Raises
    `UnsupportedError` for a strategy that cannot do the network or that derives the gradient where the layers do
    not see it.
    """
    n, dtype = len(batch.inputs), params.dtype
    strategy.check_supported(network, dtype)
    recorder = Recorder(network, params, batch)
    seen = watched(network, recorder)
    loss, gradient = strategy.value_and_gradient(strategy.prepare(seen, n, dtype), params, batch)
    if recorder.samples.parts is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained: it takes {recorder.samples.parts} of {n} samples "
            "at once; expected all of them or one."
        )
    missing = recorder.missing()
    inside = [layer.name for layer in network.layers if layer.entered_numbers()]
    if missing is not None and inside:
        raise UnsupportedError(
            f"The layer {inside[0]} cannot be explained by {strategy.name}: its parameters enter through values "
            "inside it that have no name; expected layers whose outputs follow from their parameters at once."
        )
    if missing is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained: it does not compute {missing} with NumPy from the "
            f"derivatives that the layers give; expected one that does, such as {', '.join(ladder())}."
        )
    if recorder.samples.strange is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained: it computes {recorder.samples.strange} from other "
            "numbers, too; expected it from those of the batch and the parameters alone."
        )
    recorder.add_gradient(loss, gradient)
    given = _given(recorder.names, network, params, batch)
    return Trace(strategy.name, type(strategy), recorder.names, given, recorder.steps())


def _given(names: Names, network: Network, params: Parameters, batch: Batch) -> tuple[Step, ...]:
    """What the strategy is handed: x, t and every parameter."""
    like = np.empty((len(batch.labels), network.classes), params.dtype)
    targets = network.loss_function.targets(batch.labels, like)
    arrays = [("x", "ni", batch.inputs), ("t", "nc", targets)]
    arrays += [(name, letters, params[plain_name(name)]) for name, letters in names.letters.items()]
    return tuple(Step(name, "given", "", "", letters, array.copy()) for name, letters, array in arrays)


def check_printable(network: Network, n: int) -> None:
    """Raise `TooLargeError` where a matrix of the network has more than `MOST_NUMBERS` numbers."""
    largest = max(
        n * o * math.prod(shape)
        for layer, _, o in network.sized
        for shape in layer.parameter_shapes().values()
    )
    largest = max(largest, *(n * o * i for i, o in network.widths))
    if largest > MOST_NUMBERS:
        raise TooLargeError(
            f"The largest matrix of {network} with batch {n} has {largest:,} numbers; expected at most "
            f"{MOST_NUMBERS:,} to print, as of 3-4-2 with 2 samples (`backprop predict` gives the sizes of large "
            "ones)."
        )
