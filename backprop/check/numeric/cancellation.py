"""Cancellation: how far rounding moves a gradient's entries, seen from the gradient at other points.

A gradient's own rounding errors are no mistake. At points that differ from the one that is checked by a few roundings
of their entries, a stable computation is off by as much. Entries that are small differences of larger numbers, such
as p - y, are off by more: by the rounding of those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.oracle import Claimant, Claims

_ROUNDINGS = 4.0
_SAMPLES = 2
_FAR = 1e-3
_LINE, _POINTS = 1e-4, 16


@dataclass(frozen=True)
class Surroundings:
    """A gradient that can be asked near a point (p,), and its claims there.

    scale (p,): of the entries. eps: of the dtype in which the gradient computes. reach: the size of the function's
    structure, beside that of the point, at most 1.
    """

    claimant: Claimant
    claims: Claims
    point: Array
    scale: Array
    eps: float
    rng: np.random.Generator
    reach: float


def rounding(at: Surroundings) -> Array:
    """How far (m, p) rounding moves each entry: near the point, and as a small difference of larger numbers."""
    return np.maximum(_near(at), _cancelled(at))


def _near(at: Surroundings) -> Array:
    """How far (m, p) rounding moves each entry: by as much as the claims differ at points a few roundings apart.

    Both points lie on the same side of this one, and so on the same side of a kink at it. Where a kink lies between
    them the claim jumps: no entry is given more than √eps of the largest one of its tensor, or than what a change
    that goes on evenly for a thousandth of the point makes of it.
    """
    least = at.eps * np.abs(np.nan_to_num(at.claims.rows))

    def change(by: Array) -> Array:
        side = by * at.rng.choice((-1.0, 1.0), len(at.point))
        near, far = (at.claimant.rows((at.point + factor * side).astype(at.point.dtype)) for factor in (1, 2))
        return np.zeros_like(least) if near is None or far is None else np.abs(np.nan_to_num(far - near))

    near = [change(_ROUNDINGS * at.eps * at.scale) / (_ROUNDINGS / 2) for _ in range(_SAMPLES)]
    level = np.asarray(np.maximum(least, np.max(near, axis=0)))
    far = change(at.reach * _FAR * at.scale)
    for places in at.claimant.form.views(np.arange(len(at.point))).values():
        where = places.reshape(-1)
        if len(where):
            largest = np.max(np.abs(np.nan_to_num(at.claims.rows[:, where])))
            most = max(np.sqrt(at.eps) * largest, 100 * at.eps / _FAR * np.max(far[:, where]))
            level[:, where] = np.minimum(level[:, where], np.maximum(most, least[:, where]))
    return np.where(level > 2 * least, level, 0)  # a single rounding is in the relative tolerance


def _cancelled(at: Surroundings) -> Array:
    """How far (m, p) rounding moves entries that are small differences of larger numbers.

    Their noise along a line, where it is no more than what rounding makes of the entry elsewhere, on the way from
    the point to zero. Noise of another size is none of this dtype's. An entry of 0 may have lost all its digits.
    """
    size = np.abs(np.nan_to_num(at.claims.rows))
    for shrunk in (0.75, 0.98, at.rng.uniform(0.0, 0.9, len(at.point))):
        rows = at.claimant.rows((at.point * (1 - at.reach * shrunk)).astype(at.point.dtype))
        if rows is not None:
            size = np.maximum(size, np.abs(np.nan_to_num(rows)))
    line = [at.claimant.rows(at.point + j * at.reach * _LINE * at.scale) for j in range(1, _POINTS + 1)]
    seen = [rows for rows in line if rows is not None]
    level = _noise(np.array(seen)) if len(seen) == _POINTS else np.zeros_like(size)
    lost = at.claims.rows == 0
    return np.asarray(
        np.minimum(np.where(lost, np.inf, level), np.where(lost, at.eps / 32, 2 * at.eps) * size)
    )


def _noise(rows: Array) -> Array:
    """The noise of rows (k, m, p) along a line: the median of fourth differences, which a jump does not move."""
    differences = np.abs(np.diff(np.nan_to_num(rows), n=4, axis=0))
    return np.asarray(np.median(differences, axis=0) / 0.6745 * np.sqrt(576 / 40320))
