"""Setting: in which dtype a function is evaluated, how noisy it is, and whether it takes complex steps.

A float32 function that follows the dtype of what it is given is evaluated in float64, where difference quotients see
eight digits more. One that does not is evaluated as it is, and the noise in its values says what can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.numeric.cancellation import Surroundings, rounding
from backprop.check.numeric.curve import LEVELS, Curve, curve
from backprop.check.numeric.noise import ROOMY, noise
from backprop.check.numeric.slopes import agrees, complex_slope, random_direction, scales
from backprop.check.numeric.truth import BLURRED, Truth
from backprop.check.numeric.verdict import Judged
from backprop.check.oracle import Claimant, Claims, Probe
from backprop.check.points import Form

_FINEST = 1e-9
_SUMMED = 256  # roundings that the order of long sums may add up to
_COARSEST = 2.0**-8  # four roundings of float16
_FEW_LEVELS = 6
_HUGE, _SHRUNK = 1e280, 2.0**-24  # values whose slope for a step of the point's scale would overflow


def relative_tolerance(eps: float) -> float:
    """What a right gradient may be off by the order of its sums alone, relative to an entry."""
    return min(max(_FINEST, _SUMMED * eps), max(_COARSEST, eps))


def widen(probe: Probe) -> bool:
    """Evaluate in the wide dtype from now on where the function takes it and gives the same value."""
    form = probe.form
    if all(leaf.dtype == form.dtype for leaf in form.leaves):
        return False
    own, probe.dtype = probe.dtype, form.dtype
    value = probe.at(probe.point)
    slack = 1e3 * float(np.finfo(form.own_dtype).eps)
    if np.all(np.abs(value - probe.value) <= slack * np.maximum(np.abs(probe.value), np.abs(value))):
        probe.value = value
        return True
    probe.dtype = own
    return False


@dataclass(frozen=True)
class Accuracy:
    """What a right gradient may be off: relative (p,), to each entry; slack (m, p), beside that, absolute.

    blurred: how well the truth need be known, relative to a tensor of the gradient.
    """

    relative: Array
    slack: Array
    blurred: float


def accuracy_of(
    form: Form, claims: Claims, dtypes: Mapping[str, DType], rtol: float | None, *, wide: bool
) -> Accuracy:
    """By the dtype of the claims, or by the accuracy `rtol` that was asked for.

    wide: whether the claims were computed in the wide dtype of the form; else in the narrowest one of the point and
    of the answer. rtol is relative to an entry or to the root mean square of its tensor, whichever is larger.
    """
    own = float(np.finfo(form.own_dtype).eps)
    relative = np.full(form.size, _FINEST if wide else relative_tolerance(own))
    slack = np.zeros(claims.rows.shape)
    for name, places in form.views(np.arange(form.size)).items():
        where = places.reshape(-1)
        dtype = dtypes.get(name)
        eps = own
        if dtype is not None and dtype.kind == "f":
            eps = max(own, float(np.finfo(dtype).eps))
            relative[where] = _FINEST if wide else relative_tolerance(eps)
            slack[:, where] = 0 if wide else float(np.finfo(dtype).smallest_subnormal)  # no number is nearer
        if rtol is not None:
            relative[where] = max(rtol, 0.0 if wide else eps)
            rows = np.nan_to_num(claims.rows[:, where])
            slack[:, where] += rtol * np.sqrt(np.mean(rows**2, axis=1, keepdims=True)) if len(where) else 0
    return Accuracy(relative, slack, max(BLURRED, 3 * (rtol or 0)))


def settle(
    probe: Probe,
    claims: Claims,
    claimant: Claimant | None,
    accuracy: Accuracy,
    rng: np.random.Generator,
) -> tuple[Truth, Curve | None]:
    """How slopes are found from here on, and the step curve along one direction through all tensors."""
    form, point = probe.form, probe.point
    scale = scales(form, point, _SHRUNK if float(np.max(np.abs(probe.value))) > _HUGE else 1.0)
    own = scale.own
    eps = float(np.finfo(form.own_dtype if claimant is None or not claimant.wide else form.dtype).eps)
    value = np.abs(probe.value)[:, None] / own  # what moves the value by less than its rounding is zero
    level = np.where(claims.rows == 0, eps / 512 * value, 0)
    places = form.views(np.arange(form.size))
    where = np.concatenate([places[name].reshape(-1) for name in claims.names])
    direction = random_direction(where, own, rng)
    seen = noise(probe, direction.dense(form.size))
    relative = accuracy.relative
    if probe.coarse:  # the slopes are those at a rounded point
        relative = np.maximum(relative, relative_tolerance(probe.coarse))
    truth = Truth(probe, claims.rows, level, relative, accuracy.slack, scale, seen, accuracy.blurred)
    if claimant is not None:
        truth.rows_at, truth.rows_eps = claimant.rows, eps
        truth.refine = lambda reach: rounding(Surroundings(claimant, claims, point, own, eps, rng, reach))
    steps = curve(truth, direction, LEVELS if probe.budget.limit >= ROOMY else _FEW_LEVELS)
    if steps is not None:
        slope = complex_slope(probe, direction)
        truth.complex = agrees(slope, steps.slope, direction.size(claims.rows))
    return truth, steps


def without_kinks(
    truth: Truth, steps: Curve, judged: list[Judged], form: Form, claims: Claims, rng: np.random.Generator
) -> Curve:
    """The step curve along a direction in which no entry moves that was found to be at a kink."""
    free = np.zeros(form.size, bool)
    views = form.views(free)
    for name in claims.names:
        views[name][...] = True
    for kink in (kink for each in judged for kink in each.kinks):
        views[kink.tensor][kink.index] = False
    where = np.flatnonzero(free)
    if not len(where) or len(where) == form.size or not truth.probe.room(2 * LEVELS):
        return steps
    return curve(truth, random_direction(where, truth.scales.own, rng)) or steps
