"""The gradient around the point: where a kink parts it, a mean of what it is on all sides is right, too.

    ∂f(x) = the means Σ λₖ ∇f(xₖ), λₖ >= 0, Σ λₖ = 1, of gradients at points xₖ → x

is Clarke's generalised gradient (Clarke 1983, Optimization and Nonsmooth Analysis, theorem 2.5.1). For max(a, b) at a
tie these are all shares of a and b. A median of three equal values, which no single one of them moves, has all shares
of the three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import Evidence
from backprop.check.numeric.directions import random_direction, scales
from backprop.check.result import GradientCheck, Kink, TensorCheck, Verdict
from backprop.verify.agreement import norm, ratio

OTHER = 0.2
"""An entry gets another share where it changes by more than this share of the largest entry."""
_ENOUGH = 150
"""Calls that must be left for a look beside the point."""
_STEP, _NEARLY = 2.0**-17, 1e-2
"""The step of one quotient, as a share of the scale; and how far the gradient may be off it, to be tried at all."""
_NEARER, _SHORT = 1e-4, 2.0**-22
"""Of the scale: how far points around lie, so that a gradient changes by less than it jumps; and a step there."""
_NEAREST = 2.0**-40
"""The same of points that lie within all but the narrowest bends, and still are other numbers than the point."""
_AROUND, _OFF = (16, 32, 64), 1e-3
"""Numbers of gradients around, one of which has to do; and by how much a mean of them may miss the claim."""
_A_MEAN = "the gradients beside it differ, and a mean of them is a generalised gradient"
_VERDICTS: tuple[Verdict, ...] = ("wrong", "undecided", "right")
"""The first one that any part has is that of the whole."""


def aside(seen: Evidence, share: float, seed: int) -> Array:
    """A point close by, where no two values are equal."""
    x = seen.function.point
    scale = scales(seen.function.structure, x, bounds=seen.function.bounds)
    return random_direction(np.arange(len(x)), scale, np.random.default_rng(seed)).moved(x, share)


def kinks_of_a_mean(seen: Evidence, tried: frozenset[str], wrong: frozenset[str]) -> dict[str, list[Kink]]:
    """The entries at a kink of the tensors `tried`, if the gradient is a mean of the right ones around the point.

    All tensors that are not `wrong` for another reason have to be one mean together. Else nothing.
    """
    function, gradient = seen.function, seen.gradient
    if not tried or gradient is None:
        return {}
    names = [name for name in function.structure.names if name in tried or name not in wrong]
    places = np.concatenate([np.atleast_1d(function.structure.places[name]) for name in names])
    here, around = seen.rows[0, places], list[Array]()

    def at(point: Array) -> Array | None:
        rows = gradient.rows(point)
        return None if rows is None else rows[0, places]

    while len(around) < _AROUND[-1]:
        point = aside(seen, _NEARER, len(around))
        near = all(is_near(seen, point, name, _SHORT) for name in tried)
        row = at(point) if near else None
        if row is None:
            return {}
        around.append(row)
        if len(around) in _AROUND and _is_a_mean(here, np.array(around).T):
            # A bend so narrow that the points around lie outside of it looks like a kink. Within it they are alike.
            nearest = [row for k in range(len(around)) if (row := at(aside(seen, _NEAREST, k))) is not None]
            if not nearest or not _is_a_mean(here, np.array(nearest).T):
                return {}
            moves = np.ptp(np.array(around), axis=0) > OTHER * np.max(np.abs(around))
            found: dict[str, list[Kink]] = {name: [] for name in tried}
            for k in np.flatnonzero(moves):
                name, index = function.structure.layout.locate(int(places[k]))
                if name in tried:
                    found[name].append(Kink(name, index, _A_MEAN))
            return {name: kinks for name, kinks in found.items() if kinks}
    return {}


def _is_a_mean(here: Array, there: Array) -> bool:
    """Whether `here` (p,) is a mean Σ λₖ there[:,k], λₖ >= 0 and Σ λₖ = 1, nearly."""
    from scipy.optimize import nnls  # takes longer to import than most checks

    size = max(float(np.max(np.abs(there))), np.finfo(np.float64).tiny)
    _, off = nnls(np.vstack([there / size, np.ones(there.shape[1])]), np.append(here / size, 1))
    return bool(off <= _OFF)


def as_means(check: GradientCheck, seen: Evidence, means: Mapping[str, list[Kink]]) -> GradientCheck:
    """The check, in which these tensors are right, with their kinks; no curve, which would lead through them."""
    verdicts = {each.tensor.name: each for each in seen.verdicts}

    def judged(tensor: TensorCheck) -> TensorCheck:
        known = verdicts[tensor.name].known if tensor.name in means else None
        if known is None:
            return tensor
        apart = known.usable.reshape(tensor.shape).copy()
        for kink in means[tensor.name]:
            apart[kink.index] = False
        truth = known.values.reshape(tensor.shape)[apart]
        got = seen.rows[0, seen.function.structure.places[tensor.name]].reshape(tensor.shape)[apart]
        error = ratio(norm(got - truth), norm(truth))
        return replace(tensor, verdict="right", error=error, compared=int(apart.sum()), worst=())

    tensors = tuple(map(judged, check.tensors))
    findings = tuple(each for each in check.findings if each.tensor not in means)
    left = {each.verdict for each in tensors} | ({"wrong"} if findings else set())
    verdict = next(each for each in _VERDICTS if each in left)
    kinks = (*check.kinks, *(kink for each in means.values() for kink in each))
    found = replace(check, verdict=verdict, tensors=tensors, findings=findings, kinks=kinks)
    return replace(found, step_curve=None, taylor_slope=None)


def is_near(seen: Evidence, point: Array, name: str, step: float = _STEP) -> bool:
    """Whether a tensor's gradient is close to one difference quotient: a cheap test before a trial."""
    function, gradient = seen.function, seen.gradient
    if gradient is None or not function.room(_ENOUGH):
        return False
    rows, places = gradient.rows(point), function.structure.places[name]
    scale = scales(function.structure, point, bounds=function.bounds)
    along = random_direction(places, scale, np.random.default_rng(4))
    if rows is None:
        return False
    up, down = (function.at(along.moved(point, by)) for by in (step, -step))
    off = abs(float(((up - down) / 2 - step * along.along(rows))[0]))
    return off <= _NEARLY * step * float(along.size(rows)[0])
