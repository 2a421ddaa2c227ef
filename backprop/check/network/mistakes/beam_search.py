"""The search: which backward pass, with the fewest mistakes in it, gives the tensors that were got.

It goes down the layers as a backward pass does. At each layer there are a few states, each a δ with the mistakes that
led to it; one that has made none is always among them. Every family of mistakes offers its wrong δ, and one is kept
only where a tensor got equals what follows from it, to rounding. What δ leaves unexplained is tried as a mistake in
one tensor alone, and is unknown where that fails. In the end the state with the fewest mistakes is the explanation;
those with as many cannot be told from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import wrong_slopes
from backprop.check.network.mistakes.batch import scaled, weighted
from backprop.check.network.mistakes.chain import wrong_chain
from backprop.check.network.mistakes.other_network import other_networks
from backprop.check.network.mistakes.output import other_labels, other_losses, wrong_output
from backprop.check.network.mistakes.state import FITTED, UNKNOWN, Got, Hypotheses, Mistake, Run, State
from backprop.check.network.mistakes.tensor import Explained, bias_mistakes, weight_mistakes
from backprop.verify.agreement import norm

OUTPUT: tuple[Hypotheses, ...] = (wrong_output, other_losses, other_labels, other_networks)
"""The families of mistakes at the network's output: from the right state of the last layer to wrong ones.

The last one makes forward passes of its own."""

STEP: tuple[Hypotheses, ...] = (wrong_slopes, wrong_chain)
"""The families of mistakes on the way from a layer to the one below."""

_MOST_STATES, _WORSE = 12, 1.25
"""States that are kept a layer: as many, and those that have one mistake more than the best at most."""
_ONE_MISTAKE = FITTED
"""The weight of one mistake, of whichever kind."""
_SKETCH = 32
"""Rows of a tensor by which most hypotheses are refused, before the whole of it is compared."""
_MANY = 1000
"""Entries of a layer from which on two mistakes do not look the same by chance."""


@dataclass(frozen=True)
class Match:
    """mistakes: of the state that has the fewest, in `run`. alternatives: of states with as many, of other kinds.

    cost: the weight of the mistakes.
    """

    run: Run
    cost: float
    mistakes: tuple[Mistake, ...]
    alternatives: tuple[tuple[Mistake, ...], ...]


def find_mistakes(run: Run, got: Got) -> Match:
    """The mistakes that explain the tensors got."""
    right = State(run, run.depth - 1, run.output_delta())
    states = _judged([right], [right], OUTPUT, got)
    while states[0].k > 0:
        steps = [state.step() for state in states]
        states = _judged(steps, states, STEP, got)
    best = states[0]
    kinds = {mistake.kind for mistake in best.mistakes}
    count = _count(best)
    others = [
        state.mistakes
        for state in states[1:]
        if _count(state) <= count and {m.kind for m in state.mistakes} != kinds
    ]
    return Match(best.run, best.cost, best.mistakes, tuple(others))


def _count(state: State) -> int:
    return round(sum(UNKNOWN if m.kind == "unknown" else 1 for m in state.merged))


def _judged(
    steps: list[State], starts: list[State], families: tuple[Hypotheses, ...], got: Got
) -> list[State]:
    """The states that explain this layer with the fewest mistakes, the best first.

    steps: this layer's δ by right steps. starts: what the families of mistakes start from.
    """
    kept: list[State] = []
    for state in steps:
        kept.append(_with_single(state, got))
        kept += (_with_single(other, got) for other in _over_batch(state, got) if _supported(other, got))
    if any(name in got.wrong for name in steps[0].run.names(steps[0].k)):
        for start in starts:
            for state in (state for family in families for state in family(start, got)):
                if _settled(kept, start, got):
                    break
                kept += _explained(state, got)
    plain = min((state for state in kept if not _has_wrong_delta(state)), key=lambda state: state.cost)
    kept.sort(key=lambda state: state.cost)
    near = [
        state for state in kept if state.cost <= kept[0].cost + _WORSE and not _is_unknown(state, kept[0])
    ]
    near = near[:_MOST_STATES]
    return near if any(state is plain for state in near) else [*near, plain]


def _has_wrong_delta(state: State) -> bool:
    return any(mistake.layer is not None for mistake in state.mistakes)


def _is_unknown(state: State, best: State) -> bool:
    """Whether more of a state is unknown than of the best one."""
    unknown = [sum(m.kind == "unknown" for m in each.mistakes) for each in (state, best)]
    return unknown[0] > unknown[1]


def _settled(kept: list[State], start: State, got: Got) -> bool:
    """Whether nothing is left to look for below a start: what explains the layer has no mistake more, or but one.

    In a layer of few entries all families are asked: there another mistake may look the same.
    """
    entries = sum(got.tensors[name].size for name in start.run.names(kept[0].k) if name in got.tensors)
    return min(state.cost for state in kept) <= start.cost + (0 if entries < _MANY else _ONE_MISTAKE)


def _explained(state: State, got: Got) -> Iterator[State]:
    """A wrong state where a tensor got speaks for it, or for a multiple of it."""
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
    if not any(name in got.wrong for name in state.run.names(state.k)):
        return
    for family in (scaled, weighted):
        for other in family(state, got):
            yield other
            if state.k > 0:
                yield state.here_only(other)


def _supported(state: State, got: Got) -> bool:
    """Whether a tensor got equals what follows from δ."""
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
    rows = np.unique(np.linspace(0, len(tensor) - 1, _SKETCH).astype(int))
    if len(rows) < len(tensor):
        part = run.x[state.k][:, rows].T @ state.delta
        if run.decay:
            part += run.decay * run.weights[state.k][rows]
        allowed = got.tolerance[name] * max(norm(tensor), norm(part)) * 2
        if norm(tensor[rows] - part) > allowed:
            return False
    return got.fits(name, state.weight_gradient)


def _with_single(state: State, got: Got) -> State:
    """The state with what explains its own two tensors beyond δ."""
    weights, bias = state.run.names(state.k)
    if not _fits_weights(state, got):
        state = _with_likeliest(state, weights, state.weight_gradient, weight_mistakes, got)
    if not got.fits(bias, state.bias_gradient):
        state = _with_likeliest(state, bias, state.bias_gradient, bias_mistakes, got)
    return state


def _with_likeliest(
    state: State,
    name: str,
    right: Array,
    mistakes: Callable[[State, Array, Got], Iterator[Explained]],
    got: Got,
) -> State:
    """The state with the mistakes that explain one tensor, of the least weight, or an unknown one."""
    unknown = (Mistake("unknown", "", tensors=(name,), expected=right),)
    found = min(mistakes(state, right, got), key=lambda some: sum(m.cost for m in some), default=unknown)
    return state.with_mistake(*found)
