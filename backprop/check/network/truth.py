"""Comparison of a network's gradient with the truth, entry by entry, each within its own bound of rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.network.rounding import Rounding, rounding
from backprop.check.network.subgradients import nearest_subgradient
from backprop.check.result import Entry, Kink, TensorCheck, Verdict
from backprop.layers import Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.verify import reference_gradient

_WORST = 5
_HIDDEN = 0.01
"""The share of a tensor's size from which on its rounding hides mistakes, so that nothing can be called right."""
_MOST_KINKS = 200


@dataclass(frozen=True)
class Truth:
    """The gradient that is right for what was got, in longdouble, and how far rounding may lead from it.

    eps: of the parameters' dtype. rtol: the accuracy that was asked for, 0 for that of rounding. slopes: what f'
    was taken for at kinks, by layer, NaN elsewhere. sides: the bounds that take in both sides of every kink; None
    where there are no kinks.
    """

    gradient: Parameters
    rounding: Rounding
    sides: Parameters | None
    slopes: Mapping[int, Array]
    eps: float
    rtol: float = 0.0

    @property
    def bound(self) -> Parameters:
        """How far rounding may lead from the gradient, entry by entry."""
        return self.rounding.bound


def truth_for(
    network: Network,
    params: Parameters,
    batch: Batch,
    got: Mapping[str, Array],
    weight_decay: float = 0.0,
    rtol: float = 0.0,
) -> Truth:
    """The gradient with the subgradient that `got` took where there is a choice."""
    bounds = rounding(network, params, batch, params.dtype)
    eps = float(np.finfo(params.dtype).eps)
    if not bounds.kinked:
        gradient = reference_gradient(network, params, batch)
        _decay(network, gradient, params, weight_decay)
        return Truth(gradient, bounds, None, {}, eps, rtol)
    sides = rounding(network, params, batch, params.dtype, sides=True).bound
    without = {
        name: tensor - weight_decay * params[name].astype(np.longdouble)
        if name in decayed(network)
        else tensor
        for name, tensor in got.items()
    }
    gradient, chosen = nearest_subgradient(network, params, batch, without, bounds)
    _decay(network, gradient, params, weight_decay)
    return Truth(gradient, bounds, sides, chosen, eps, rtol)


def decayed(network: Network) -> frozenset[str]:
    """The names of the tensors that decay: the weights W of the linear layers, and nothing else."""
    return frozenset(
        names["W"]
        for layer, names in zip(network.layers, network.names, strict=True)
        if isinstance(layer, Linear)
    )


def _decay(network: Network, gradient: Parameters, params: Parameters, weight_decay: float) -> None:
    """Add λ W to every weight's gradient."""
    if weight_decay:
        for name in decayed(network):
            gradient[name][...] += np.longdouble(weight_decay) * params[name]


def compare(name: str, got: Array, truth: Truth) -> tuple[TensorCheck, Array]:
    """The verdict on one tensor, and which of its entries are wrong.

    A wrong tensor's tolerance is that of its wrong entries: those of much larger entries beside them say nothing.
    """
    expected, bound = truth.gradient[name], _bound(name, got, truth)
    difference = np.abs(got.astype(np.longdouble) - expected)
    outside = difference > bound
    open_ = np.zeros_like(outside)
    if truth.sides is not None:
        sides = truth.sides[name]
        open_ = outside & (sides > 2 * truth.bound[name]) & (difference <= sides)
    wrong = outside & ~open_
    undecided = open_.any() or hidden(name, truth) is not None
    verdict: Verdict = "wrong" if wrong.any() else "undecided" if undecided else "right"
    compared = ~open_
    size = _norm(expected)
    error, allowed = _norm(np.where(compared, difference, 0)), _norm(bound[wrong] if wrong.any() else bound)
    if wrong.any() and size == 0:
        allowed = 0.0
    check = TensorCheck(
        name=name,
        shape=expected.shape,
        verdict=verdict,
        error=_share(error, size),
        tolerance=_share(allowed, size),
        compared=int(compared.sum()),
        worst=_worst(got, expected, bound, np.where(wrong, difference, 0)),
    )
    return check, wrong


def _bound(name: str, got: Array, truth: Truth) -> Array:
    """The bound of each entry, plus eps times the largest one, so that underflow on the way is no mistake.

    rtol is relative to the entry or to the root mean square of its tensor, whichever is larger.

    It is wider for a tensor that was returned in a narrower dtype, which is a finding of its own.
    """
    size = np.abs(truth.gradient[name]).astype(np.float64)
    bound = truth.bound[name] + truth.eps * np.max(size)
    if truth.rtol:
        bound = bound + truth.rtol * np.maximum(size, np.sqrt(np.mean(np.square(size))))
    if got.dtype.kind != "f":
        return np.asarray(bound)
    return np.asarray(bound + float(np.finfo(got.dtype).eps) * size)


def hidden(name: str, truth: Truth) -> str | None:
    """Why rounding hides the truth of a tensor, in a sentence; None where it does not."""
    bound, size = truth.bound[name], _norm(truth.gradient[name])
    if not np.all(np.isfinite(bound)):
        return (
            f"How far rounding moves the gradient of {name} could not be found out, "
            "for a layer gives no numbers beside its input: nothing can be called right there."
        )
    share = _share(_norm(bound), size)
    if size == 0 or share <= _HIDDEN:
        return None
    return f"Rounding may move the gradient of {name} by {share:.0%} of its size, which hides what is wrong with it."


def _worst(got: Array, expected: Array, bound: Array, difference: Array) -> tuple[Entry, ...]:
    """The entries that are most wrong."""
    flat = difference.ravel()
    count = min(_WORST, int(np.count_nonzero(flat)))
    if not count:
        return ()
    chosen = np.argpartition(flat, -count)[-count:]
    order = chosen[np.argsort(-flat[chosen])]
    places = [tuple(int(k) for k in np.unravel_index(place, expected.shape)) for place in order]
    return tuple(
        Entry(place, float(got[place]), float(expected[place]), float(bound[place])) for place in places
    )


def kinks_of(network: Network, truth: Truth) -> tuple[tuple[Kink, ...], int]:
    """The entries that a kink leaves open, at most some hundreds of them, and how many there are in all."""
    if truth.sides is None:
        return (), 0
    numbers = [sum(bool(names) for names in network.names[: k + 1]) for k in range(len(network.layers))]
    units = [
        f"z{numbers[k]}[{n}, {o}]" for k, mask in truth.rounding.kinked.items() for n, o in np.argwhere(mask)
    ]
    shown = ", ".join(units[:3]) + (f" and {len(units) - 3} more" if len(units) > 3 else "")
    activation = network.layers[next(iter(truth.rounding.kinked))].name
    reason = f"{shown} on the edge of {activation}, where every slope between both sides is right"
    kinks: list[Kink] = []
    count = 0
    for name in truth.bound:
        affected = truth.sides[name] > 2 * truth.bound[name]
        count += int(affected.sum())
        for place in np.argwhere(affected)[: _MOST_KINKS - len(kinks)]:
            kinks.append(Kink(name, tuple(int(k) for k in place), reason))
    return tuple(kinks), count


def _norm(array: Array) -> float:
    largest = float(np.max(np.abs(array), initial=0))
    return largest * float(np.linalg.norm((array / largest).astype(np.float64))) if largest > 0 else 0.0


def _share(part: float, whole: float) -> float:
    if whole == 0:
        return 0.0 if part == 0 else float("inf")
    return part / whole
