"""Path: the mean of the claim along a step, against the quotient of the same step.

    (f(x + hv) - f(x - hv)) / 2h = 1/2h ∫ g(x + tv)·v dt,  t from -h to h

for the gradient g of f, whatever kinks of f lie between (the fundamental theorem of calculus). So a gradient can be
told right where kinks lie closer than the noise lets quotients see, and at a kink itself. The mean is that of the
midpoints of equal pieces, taken in pairs ±t. Its error is what every other piece differs by, and as much as the jumps
between pieces may be out of place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.slopes import Direction, Ladder

_PIECES = 16
_ROUNDED = 3e-3
CALLS = 2 * _PIECES


@dataclass(frozen=True)
class Path:
    """quotient (m,): of one step. mean (m,): of the claim along it. error (m,): how far these may be apart.

    near: whether the step is short. jumps (m,): whether the claim jumps along it by more than the noise.
    """

    quotient: Array
    mean: Array
    error: Array
    near: bool
    jumps: Array

    @property
    def off(self) -> Array:
        """How far (m,) they are apart."""
        return np.asarray(np.abs(self.quotient - self.mean))


def path(
    ladder: Ladder,
    claimed: Array,
    size: Array,
    rows_at: Callable[[Array], Array | None],
    *,
    least: float = 0.0,
    far: bool = False,
) -> Path | None:
    """Along the smallest step that the noise leaves; on one side where there are values on one side only.

    least: the smallest step in whose pieces the claim sees other points: it may round what it is given.
    far: along the longest step nearby instead. claimed (m,): the slope at the point. size (m,): of the slope, true or
    claimed. rows_at: the claim (m, p) at a point (p,), None where there is none, in which case there is no path.
    """
    finite = [
        bool(np.all(np.isfinite(one)) or np.all(np.isfinite(two)))
        for one, two in zip(ladder.plus, ladder.minus, strict=True)
    ]
    k = _step(ladder, size, finite, least, far)
    if k is None:
        return None
    h, f = ladder.wide[k], ladder.probe.value
    sides = [
        side for side, values in ((1, ladder.plus[k]), (-1, ladder.minus[k])) if np.all(np.isfinite(values))
    ]
    ends = {1: ladder.plus[k], -1: ladder.minus[k]}
    quotient = (ends[1] - ends[-1]) / (2 * h) if len(sides) == 2 else sides[0] * (ends[sides[0]] - f) / h
    pieces = []
    for middle in (np.arange(_PIECES) + 0.5) * h / _PIECES:
        claims = [_claim(ladder.direction, ladder.probe.point, side * middle, rows_at) for side in sides]
        if any(claim is None for claim in claims):
            return None
        pieces.append(np.mean(np.array(claims), axis=0))
    values = np.array(pieces)
    mean = values.mean(axis=0)
    uneven = np.abs(values[::2].mean(axis=0) - values[1::2].mean(axis=0))
    steps = np.diff(values, axis=0, prepend=claimed[None])
    # Of a smooth claim bends are small beside steps, of one that jumps they are not.
    bends = np.abs(np.diff(steps, axis=0)).sum(axis=0)
    jumps = np.minimum(np.abs(steps).sum(axis=0), bends) / (2 * _PIECES)  # each lies anywhere in its piece
    noise = np.asarray(ladder.noise) * (1 if len(sides) == 2 else 2) / h
    return Path(
        quotient, mean, np.maximum(uneven, 1.5 * jumps) + noise, ladder.steps[k] <= ladder.near, jumps > noise
    )


def _step(ladder: Ladder, size: Array, finite: list[bool], least: float, far: bool) -> int | None:
    """The smallest step whose quotient is known to a few thousandths; where none is, the largest one nearby."""
    usable = [k for k in range(len(finite)) if finite[k] and ladder.steps[k] >= least]
    noise, largest = np.max(ladder.noise), np.max(size)
    known = [k for k in usable if noise / ladder.wide[k] <= _ROUNDED * largest]
    near = [k for k in usable if ladder.steps[k] <= ladder.near]
    return known[-1] if known and not far else next(iter(near), None)


def _claim(
    direction: Direction, point: Array, by: float, rows_at: Callable[[Array], Array | None]
) -> Array | None:
    moved = point.copy()
    moved[direction.where] += by * direction.by
    rows = rows_at(moved)
    if rows is None:
        return None
    claim = direction.along(rows)
    return claim if np.all(np.isfinite(claim)) else None
