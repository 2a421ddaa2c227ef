"""The trace of a strategy: one real call of it on a watched network, every step kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backprop.errors import BackpropError, UnsupportedError
from backprop.explain.names import Names, plain_name
from backprop.explain.recorder import Recorder
from backprop.explain.step import Step, Trace
from backprop.explain.watched import watched
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.registry import ladder
from backprop.strategy import Strategy

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
    reason = strategy.unsupported(network, dtype)
    if reason is not None:
        raise UnsupportedError(f"The strategy {strategy.name} cannot do {network} in {dtype}: {reason}.")
    recorder = Recorder(network, params, batch)
    seen = watched(network, recorder)
    loss, gradient = strategy.value_and_gradient(strategy.prepare(seen, n, dtype), params, batch)
    if recorder.samples.parts is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained, for it takes {recorder.samples.parts} of {n} samples "
            "at once; expected all of them or one."
        )
    missing = recorder.missing()
    if missing is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained, for it does not get {missing} from the "
            f"derivatives of the layers by NumPy; expected one that does, such as {' or '.join(ladder())}."
        )
    if recorder.samples.strange is not None:
        raise UnsupportedError(
            f"The strategy {strategy.name} cannot be explained, for it computes {recorder.samples.strange} of other "
            "numbers, too; expected those of the batch and the parameters alone."
        )
    recorder.add_gradient(loss, gradient)
    given = _given(recorder.names, network, params, batch)
    return Trace(strategy.name, type(strategy), recorder.names, given, recorder.steps())


def _given(names: Names, network: Network, params: Parameters, batch: Batch) -> tuple[Step, ...]:
    """What the strategy is handed: x, t and every parameter."""
    one_hot = np.eye(network.classes, dtype=params.dtype)[batch.labels]
    arrays = [("x", "ni", batch.inputs), ("t", "nc", one_hot)]
    arrays += [(name, letters, params[plain_name(name)]) for name, letters in names.letters.items()]
    return tuple(
        Step(k + 1, name, "given", "", "", letters, array.copy())
        for k, (name, letters, array) in enumerate(arrays)
    )


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
            f"{MOST_NUMBERS:,} to print, so take fewer or smaller layers, such as 3-4-2, or samples here, and "
            f"`backprop predict {network.sizes} --batch {n}` for the sizes of this one."
        )
