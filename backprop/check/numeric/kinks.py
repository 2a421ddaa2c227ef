"""Kinks: entries that sit at kinks, moved together.

Entry by entry, a claim may lie between the slopes of both sides and still be no gradient: where three entries share a
maximum, a mask gives each of them the whole slope. For a convex function, and with the signs turned for a concave one,

    -f'(x; -v) <= g·v <= f'(x; v)        along every direction v

for each subgradient g (Rockafellar 1970, Convex Analysis, theorem 23.2).
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction, random_direction
from backprop.check.numeric.entries import Table
from backprop.check.numeric.evaluation import OutOfCalls
from backprop.check.numeric.truth import Truth

_MOST = 200
_PAIRS = 24  # entries of which every pair is looked at
_STEP = 2.0**-4  # of the largest step inside the function's structure: one-sided changes are slopes there
_EVEN = 0.02  # of these changes: what the curvature of the function may add
_DIRECTIONS = 3
TOGETHER = "moved together, these entries are no subgradient: the claim is outside of the slopes on both sides"


def judge_together(truth: Truth, table: Table, rng: np.random.Generator) -> None:
    """Mark the entries at kinks in the table that are no subgradient together.

    They are wrong where the function is convex along all directions that were tried, or concave. Elsewhere, and for a
    claim of 0 throughout, they are left open: relu'(0) = 0 leaves out every unit on its edge, and is what most people
    write.
    """
    corners = np.isfinite(table.left) & np.isfinite(table.right) & table.kink & ~table.wrong
    where = np.flatnonzero(np.any(corners, axis=0))
    if not 2 <= len(where) <= _MOST:
        return
    try:
        for group in _groups(truth, table, where, rng):
            _mark(truth, table, group, rng, many=len(where) > _PAIRS)
    except OutOfCalls:
        table.open[:, where] |= corners[:, where]


def judge_slices(truth: Truth, table: Table, where: Array, rng: np.random.Generator) -> None:
    """The same for entries of a large tensor that are all at kinks, of which only some were looked at."""
    if len(where) < 2:
        return
    try:
        _mark(truth, table, where, rng, many=True)
    except OutOfCalls:
        table.open[:, where] |= table.kink[:, where]


def _mark(truth: Truth, table: Table, group: Array, rng: np.random.Generator, *, many: bool) -> None:
    """Mark the entries of a group that are no subgradient together. many: several groups may be in it."""
    outside, one_sign = _outside(truth, table, group, rng)
    sure = one_sign & np.any(truth.claimed[:, group], axis=1)
    for index in group:
        here = outside & table.kink[:, index]
        table.wrong[:, index] |= here & sure
        table.open[:, index] |= here & ~sure & (one_sign | many)
        if np.any(here):
            table.reasons[int(index)] = TOGETHER


def _groups(truth: Truth, table: Table, where: Array, rng: np.random.Generator) -> list[Array]:
    """The entries that share kinks: the function does not change by the sum of what each of them changes."""
    if not any(_share(truth, table, where, rng) for _ in range(4)):
        return []
    if len(where) > _PAIRS:
        return [where]
    linked = np.eye(len(where), dtype=bool)
    for j in range(len(where)):
        for k in range(j):
            linked[j, k] = linked[k, j] = any(_share(truth, table, where[[j, k]], rng, sign) for sign in (1, -1))
    for _ in where:
        linked = linked @ linked
    rows = {tuple(np.flatnonzero(row)) for row in linked}
    return [where[list(row)] for row in sorted(rows) if len(row) > 1]


def _share(
    truth: Truth, table: Table, where: Array, rng: np.random.Generator, sign: int | None = None
) -> bool:
    """Whether the function changes along a direction by something else than the sum over its entries.

    sign: of the second entry beside the first one; by default all signs are random.
    """
    if not truth.probe.room(1):
        raise OutOfCalls
    direction = random_direction(where, truth.scales.own, rng)
    by = direction.by if sign is None else np.abs(direction.by) * np.array([1, sign])
    step = _STEP * truth.first
    moved = truth.probe.point.copy()
    moved[where] += step * by
    change = truth.probe.at(moved) - truth.probe.value
    slopes = np.where(by > 0, table.right[:, where], table.left[:, where]) * by
    slack = _EVEN * step * np.nansum(np.abs(slopes), axis=1) + 10 * truth.noise
    return bool(np.any(np.abs(change - step * np.nansum(slopes, axis=1)) > slack))


def _outside(
    truth: Truth, table: Table, where: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Which outputs (m,) have a claim outside of both slopes along some direction, and which bend with one sign."""
    own = truth.scales.own[where]
    claimed = truth.claimed[:, where]
    # Towards the claim, as tells for a norm, and from the middle between the slopes of each entry towards it.
    ways = [*claimed, *(claimed - table.expected[:, where])]
    beside = truth.claims_beside()
    if beside is not None:
        ways += [*(claimed - np.mean(beside[:, :, where], axis=0))]
    directions = [Direction(where, own), Direction(where, own * rng.choice((-1.0, 1.0), len(where)))]
    for way in ways[: 3 * _DIRECTIONS]:
        moves = way != 0
        if np.any(moves) and np.all(np.isfinite(way)):
            directions.append(Direction(where, way * np.min(own[moves] / np.abs(way[moves]))))
    directions += [random_direction(where, truth.scales.own, rng) for _ in range(_DIRECTIONS)]
    outside = np.zeros(len(truth.claimed), bool)
    convex, concave = np.ones_like(outside), np.ones_like(outside)
    for direction in directions:
        if not truth.probe.room(8):
            raise OutOfCalls
        slope = truth.quotients(direction, thorough=True)
        along = direction.along(truth.claimed)
        size = np.abs(slope.left) + np.abs(slope.right)
        blur = truth.allowed(direction) + 10 * slope.side_error + 1e-6 * size
        low, high = np.minimum(slope.left, slope.right) - blur, np.maximum(slope.left, slope.right) + blur
        outside |= (along < low) | (along > high)
        convex &= slope.right >= slope.left - blur
        concave &= slope.right <= slope.left + blur
    return outside, convex | concave
