"""The search: which backward pass, with the fewest mistakes in it, gives the tensors that were got.

It goes down the layers as a backward pass does. At each layer there are a few states, each a δ with the mistakes that
led to it; one that has made none is always among them. Every family of mistakes offers its wrong δ, and one is kept
only where a tensor got equals what follows from it, to rounding. What δ leaves unexplained is tried as a mistake in
one tensor alone, and is unknown where that fails. In the end the state with the fewest mistakes is the explanation;
those with as many cannot be told from it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.batch import scaled, weighted
from backprop.check.network.mistakes.labels import other_labels
from backprop.check.network.mistakes.networks import other_networks
from backprop.check.network.mistakes.output import other_losses, wrong_output
from backprop.check.network.mistakes.run import Run
from backprop.check.network.mistakes.state import FITTED, UNKNOWN, Got, Hypotheses, Mistake, State
from backprop.check.network.mistakes.steps import wrong_steps
from backprop.check.network.mistakes.tensor import tensor_mistakes
from backprop.verify.agreement import norm

OUTPUT: tuple[Hypotheses, ...] = (wrong_output, other_losses, other_labels, other_networks)
"""The families of mistakes at the network's output; the last two make forward passes of their own."""

STEP: tuple[Hypotheses, ...] = (wrong_steps,)
"""The families of mistakes on the way from a layer to the one below."""

_MOST_STATES, _WORSE = 12, 1.25
"""How many states are kept for each layer, and how much more than the best one's their cost may be."""
_ONE_MISTAKE = FITTED
"""The largest cost of one known mistake."""
_SKETCH = 32
"""Rows of a tensor that are compared first: most hypotheses fail there, before the whole is compared."""
_MANY = 1000
"""In a layer of so many entries two mistakes do not look the same by chance."""


@dataclass(frozen=True)
class Match:
    """The explanation of a gradient.

    mistakes: those of the best state. run: its forward pass. cost: the sum of the mistakes' costs. alternatives: the
    mistakes of states with no more mistakes, but of other kinds.
    """

    run: Run
    cost: float
    mistakes: tuple[Mistake, ...]
    alternatives: tuple[tuple[Mistake, ...], ...]


def find_mistakes(run: Run, got: Got) -> Match:
    """The fewest mistakes that explain the tensors `got`."""
    right = State(run, run.depth - 1, run.output_delta())
    states = _judged([right], [right], got)
    while states[0].k > 0:
        states = _judged([state.step() for state in states], states, got)
    best = states[0]
    kinds = {mistake.kind for mistake in best.mistakes}
    others = [
        state.mistakes
        for state in states[1:]
        if _count(state) <= _count(best) and {m.kind for m in state.mistakes} != kinds
    ]
    return Match(best.run, best.cost, best.mistakes, tuple(others))


def _count(state: State) -> int:
    return round(sum(UNKNOWN if m.kind == "unknown" else 1 for m in state.merged))


def _judged(steps: list[State], starts: list[State], got: Got) -> list[State]:
    """The states that explain this layer with the fewest mistakes, the best first.

    steps: states of this layer, reached by right steps. starts: states from which the families of mistakes start: of
    the layer above, or for the last layer of this one.
    """
    kept: list[State] = []
    for state in steps:
        kept.append(_with_single(state, got))
        kept += (_with_single(other, got) for other in _over_batch(state, got) if _supported(other, got))
    for start in starts if _is_wrong(steps[0], got) else ():
        for state in _alternatives(start, steps[0].k, got):
            if _settled(kept, start, got):
                break
            kept += _explained(state, got)
    plain = min((state for state in kept if not _has_wrong_delta(state)), key=lambda state: state.cost)
    kept.sort(key=lambda state: state.cost)
    most, unknown = kept[0].cost + _WORSE, _unknown(kept[0])
    near = [state for state in kept if state.cost <= most and _unknown(state) <= unknown][:_MOST_STATES]
    return near if any(state is plain for state in near) else [*near, plain]


def _alternatives(start: State, k: int, got: Got) -> Iterator[State]:
    """The states of layer k that have one mistake more than `start`."""
    for family in OUTPUT if start.k == k else STEP:
        for wrong in family(start, got):
            yield (start if start.k == k else start.down(wrong.delta)).wrong(wrong)


def _is_wrong(state: State, got: Got) -> bool:
    """Whether a tensor of the state's layer needs an explanation."""
    return any(name in got.wrong for name in state.run.names(state.k))


def _has_wrong_delta(state: State) -> bool:
    return any(mistake.layer is not None for mistake in state.mistakes)


def _unknown(state: State) -> int:
    return sum(mistake.kind == "unknown" for mistake in state.mistakes)


def _settled(kept: list[State], start: State, got: Got) -> bool:
    """Whether the states in `kept` explain the layer with no mistake more than the start, or with one.

    With one more, the search goes on in a layer of few entries: there another mistake may look the same.
    """
    entries = sum(got.tensors[name].size for name in start.run.names(kept[0].k) if name in got.tensors)
    return min(state.cost for state in kept) <= start.cost + (0 if entries < _MANY else _ONE_MISTAKE)


def _explained(state: State, got: Got) -> Iterator[State]:
    """A wrong state, or multiples of it, where a tensor of `got` equals what follows from it."""
    if not _supported(state, got):
        yield from (other for other in scaled(state, got) if _supported(other, got))
        return
    explained = _with_single(state, got)
    if not _is_guess(explained):
        yield explained


def _is_guess(state: State) -> bool:
    """Whether a wrong δ of the last layer rests on the bias alone: Σₙ δ is too little to tell losses apart."""
    weights = state.run.names(state.k)[0]
    last = state.k == state.run.depth - 1
    return last and any(m.kind == "unknown" and weights in m.tensors for m in state.mistakes)


def _over_batch(state: State, got: Got) -> Iterator[State]:
    """Mistakes over the batch, in this layer and all below it or in this layer only."""
    if _is_wrong(state, got):
        for other in (*scaled(state, got), *map(state.wrong, weighted(state, got))):
            yield other
            if state.k > 0:
                yield state.here_only(other)


def _supported(state: State, got: Got) -> bool:
    """Whether a tensor of `got` equals what follows from the state's δ."""
    weights, bias = state.run.names(state.k)
    if bias in got.tensors and got.fits(bias, state.bias_gradient):
        return True
    return weights in got.wrong and weights in got.tensors and _fits_weights(state, got)


def _fits_weights(state: State, got: Got) -> bool:
    """`got.fits` for the weights, by a few rows first: most hypotheses fail there already."""
    run, name = state.run, state.run.names(state.k)[0]
    if name not in got.tensors:
        return True
    tensor = got.tensors[name]
    rows = _sketch(len(tensor))
    if len(rows) < len(tensor):
        part = run.x[state.k][:, rows].T @ state.delta + run.decay * run.weights[state.k][rows]
        allowed = got.tolerance[name] * max(norm(tensor), norm(part)) * 2
        if norm(tensor[rows] - part) > allowed:
            return False
    return got.fits(name, state.weight_gradient)


@functools.lru_cache(64)
def _sketch(rows: int) -> Array:
    """A few of so many rows, from the first to the last."""
    return np.unique(np.linspace(0, rows - 1, _SKETCH).astype(int))


def _with_single(state: State, got: Got) -> State:
    """The state, with the cheapest mistakes that explain what δ leaves unexplained in its own dW and db."""
    for name, right in state.tensors.items():
        if got.fits(name, right):
            continue
        unknown = (Mistake("unknown", "", tensors=(name,), expected=right),)
        explained = tensor_mistakes(state, name, right, got)
        state = state.with_mistake(
            *min(explained, key=lambda some: sum(m.cost for m in some), default=unknown)
        )
    return state
