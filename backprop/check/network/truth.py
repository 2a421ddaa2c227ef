"""The truth of a network's gradient, and a tensor beside it, each entry within its own bound of rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.entry import worst_entries
from backprop.check.network.rounding import Rounding, rounding
from backprop.check.result import Kink, TensorCheck, verdict_of
from backprop.layers import Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.verify import reference_gradient
from backprop.verify.agreement import norm, ratio

_HIDDEN = 0.01
"""The share of a tensor's size from which on its rounding hides mistakes of a per cent: nothing is called right."""
_MOST_KINKS = 200
"""Entries at kinks that are listed."""


@dataclass(frozen=True)
class Truth:
    """The gradient that is right for what was got, in longdouble, and how far rounding may lead from it.

    network, params, batch: where. weight_decay: the λ of λ/2 Σ W² in the loss. rtol: the accuracy that was asked for,
    0 for that of rounding. slopes: what f' was taken for at kinks, by layer, NaN elsewhere. sides: the bounds that
    take in both sides of every kink; None where there are no kinks.
    """

    network: Network
    params: Parameters
    batch: Batch
    weight_decay: float
    rtol: float
    gradient: Parameters
    rounding: Rounding
    slopes: Mapping[int, Array]
    sides: Parameters | None

    @property
    def bound(self) -> Parameters:
        """The rounding that a right gradient may have, entry by entry."""
        return self.rounding.bound

    def compare(self, name: str, got: Array) -> tuple[TensorCheck, Array]:
        """The verdict on one tensor, and which of its entries are wrong.

        A wrong tensor's tolerance is that of its wrong entries: those of much larger entries beside them say nothing.
        """
        expected, bound = self.gradient[name], self._bound(name, got)
        difference = np.abs(got.astype(np.longdouble) - expected)
        outside = difference > bound
        open_ = np.zeros_like(outside)
        if self.sides is not None:
            open_ = outside & self._at_kink(name) & (difference <= self.sides[name])
        wrong = outside & ~open_
        undecided = open_.any() or self.hidden(name) is not None
        verdict = verdict_of(wrong=bool(wrong.any()), undecided=bool(undecided))
        size = norm(self.gradient.vector if self.vanishes(name) else expected)
        error, allowed = norm(np.where(open_, 0, difference)), norm(bound[wrong] if wrong.any() else bound)
        if wrong.any() and size == 0:
            allowed = 0.0
        worst = worst_entries(got.astype(np.longdouble), expected, bound, wrong, expected.shape)
        compared = int(np.sum(~open_))
        check = TensorCheck(
            name, expected.shape, verdict, ratio(error, size), ratio(allowed, size), compared, worst
        )
        return check, wrong

    def _bound(self, name: str, got: Array) -> Array:
        """The bound of each entry, plus eps times the largest one, so that underflow on the way is no mistake.

        rtol is relative to the entry or to the root mean square of its tensor, whichever is larger. The bound is
        wider for a tensor that was returned in a narrower dtype, which is a finding of its own.
        """
        size = np.abs(self.gradient[name]).astype(np.float64)
        bound = self.bound[name] + float(np.finfo(self.params.dtype).eps) * np.max(size)
        if self.rtol:
            bound = bound + self.rtol * np.maximum(size, np.sqrt(np.mean(np.square(size))))
        return np.asarray(bound + float(np.finfo(got.dtype).eps) * size if got.dtype.kind == "f" else bound)

    def _at_kink(self, name: str) -> Array:
        """The entries that a kink changes by more than rounding does."""
        if self.sides is None:
            return np.zeros(self.gradient[name].shape, bool)
        return np.asarray(self.sides[name] > 2 * self.bound[name])

    def vanishes(self, name: str) -> bool:
        """Whether the gradient is that of a bias before a batch normalisation, which takes it away with the mean.

        It is zero up to the rounding of the truth itself, and its errors are relative to the whole gradient.
        """
        layers, names = self.network.layers, self.network.names
        if not any(
            own.get("b") == name and after.couples_samples
            for own, after in zip(names, layers[1:], strict=False)
        ):
            return False
        finer = float(np.finfo(np.longdouble).eps) / float(np.finfo(self.params.dtype).eps)
        size = norm(self.gradient[name])
        return finer < 1 and 0 < size <= finer * norm(self.bound[name])

    def hidden(self, name: str) -> str | None:
        """Why rounding hides the truth of a tensor, in a sentence; None where it does not."""
        bound, size = self.bound[name], norm(self.gradient[name])
        if not np.all(np.isfinite(bound)):
            return (
                f"How far rounding moves the gradient of {name} could not be found out, "
                "for a layer gives no numbers beside its input: nothing can be called right there."
            )
        share = ratio(norm(bound), size)
        if size == 0 or share <= _HIDDEN or self.vanishes(name):
            return None
        moved = f"Rounding may move the gradient of {name} by {share:.0%} of its size"
        return f"{moved}, which hides what is wrong with it."

    def kinks(self) -> tuple[tuple[Kink, ...], int]:
        """The entries that a kink leaves open, at most some hundreds of them, and how many there are in all."""
        if self.sides is None:
            return (), 0
        kinked, layers = self.rounding.kinked, self.network.layers
        numbers = [sum(bool(names) for names in self.network.names[: k + 1]) for k in range(len(layers))]
        units = [f"z{numbers[k]}[{n}, {o}]" for k, mask in kinked.items() for n, o in np.argwhere(mask)]
        shown = ", ".join(units[:3]) + (f" and {len(units) - 3} more" if len(units) > 3 else "")
        activation = layers[next(iter(kinked))].name
        reason = f"{shown} on the edge of {activation}, where every slope between both sides is right"
        places = [(name, place) for name in self.bound for place in np.argwhere(self._at_kink(name))]
        kinks = (Kink(name, tuple(map(int, place)), reason) for name, place in places[:_MOST_KINKS])
        return tuple(kinks), len(places)


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
    decay = {
        name: weight_decay * params[name].astype(np.longdouble) if weight_decay else 0.0
        for name in decayed(network)
    }
    slopes: Mapping[int, Array] = {}
    sides = None
    if bounds.kinked:
        without = {name: tensor - decay.get(name, 0.0) for name, tensor in got.items()}
        gradient, slopes = nearest_subgradient(network, params, batch, without, bounds)
        sides = rounding(network, params, batch, params.dtype, sides=True).bound
    else:
        gradient = reference_gradient(network, params, batch)
    for name, term in decay.items():
        gradient[name][...] += term
    return Truth(network, params, batch, weight_decay, rtol, gradient, bounds, slopes, sides)


def decayed(network: Network) -> frozenset[str]:
    """The names of the tensors that decay: the weights W of the linear layers, and nothing else."""
    layers = zip(network.layers, network.names, strict=True)
    return frozenset(names["W"] for layer, names in layers if isinstance(layer, Linear))


def penalty(network: Network, params: Mapping[str, Array], weight_decay: float) -> Any:
    """λ/2 Σ W²."""
    return weight_decay / 2 * sum(np.sum(np.square(params[name])) for name in decayed(network))


# Subgradients: what a right gradient may say where an activation has a kink within rounding of its input.
#
# A pre-activation z at a kink, or so close that rounding decides its side, may be given any slope between those of
# both sides. Most gradients take one convention for all: the slope on the left (as z > 0 does), that on the right (as
# z >= 0 does), or the mean of both. Where none of these is what was taken, the slopes are found one by one.

CONVENTIONS = (0.0, 1.0, 0.5)
"""The share of the way from the slope on the left to that on the right."""
_MOST_ONE_BY_ONE, _SWEEPS = 24, 3
"""Kinks whose slopes are tried one by one, at most, and how often all of them: each trial is a backward pass."""


def by_convention(bounds: Rounding, share: float) -> dict[int, Array]:
    """The slopes that one convention takes at kinks, by layer, NaN elsewhere."""
    return {
        k: np.where(mask, left + share * (right - left), np.nan)
        for k, mask in bounds.kinked.items()
        for left, right in [bounds.slopes[k]]
    }


def nearest_subgradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    got: Mapping[str, Array],
    bounds: Rounding,
) -> tuple[Parameters, Mapping[int, Array]]:
    """The subgradient that `got` is nearest to, and its slopes at kinks by layer."""

    def distance(trial: Mapping[int, Array]) -> tuple[int, float]:
        return _distance(reference_gradient(network, params, batch, trial, np.float64), got, bounds.bound)

    conventions = [by_convention(bounds, share) for share in CONVENTIONS]
    slopes: Mapping[int, Array] = min(conventions, key=distance)
    best = distance(slopes)
    places = [(k, *place) for k, mask in bounds.kinked.items() for place in np.argwhere(mask)]
    for _ in range(_SWEEPS if best[0] and len(places) <= _MOST_ONE_BY_ONE else 0):
        before = best
        for k, n, o in places:
            for convention in conventions:
                trial = {**slopes, k: slopes[k].copy()}
                trial[k][n, o] = convention[k][n, o]
                found = distance(trial)
                if found < best:
                    best, slopes = found, trial
        if best == before:
            break
    return reference_gradient(network, params, batch, slopes), slopes


def _distance(truth: Parameters, got: Mapping[str, Array], bound: Parameters) -> tuple[int, float]:
    """The number of entries beyond their bounds, and the root mean square of the errors in units of the bounds."""
    errors = [(np.abs(got[name] - truth[name]) / bound[name]).ravel() for name in truth if name in got]
    if not errors:
        return 0, 0.0
    error = np.concatenate(errors).astype(np.float64)
    return int(np.sum(error > 1)), float(np.sqrt(np.mean(np.square(error))))
