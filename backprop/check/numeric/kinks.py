"""Kinks: entries that sit at kinks, moved together.

Entry by entry, a claim may lie between the slopes of both sides and still be no gradient: where three entries share
a maximum, a mask gives each of them the whole slope. For a convex function, and with the signs turned for a concave
one,

    -f'(x; -v) <= g·v <= f'(x; v)        along every direction v

for each subgradient g (Rockafellar 1970, Convex Analysis, theorem 23.2).
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.slopes import Direction, random_direction
from backprop.check.numeric.tensors import Table
from backprop.check.oracle import OutOfCalls

_MOST = 200
_SIGNS = 3  # random ones, along which entries are moved together
_STEP = 2.0**-4  # of the largest step inside the function's structure: one-sided changes are slopes there
_EVEN = 0.02  # of these changes: what the curvature of the function may add
_DIRECTIONS = 3
TOGETHER = (
    "moved together, these entries are no subgradient: the claim is outside of the slopes on both sides"
)


def judge_together(check: DirectionalCheck, table: Table, rng: np.random.Generator) -> None:
    """Mark the entries at kinks in the table that are no subgradient together.

    They are wrong where the function is convex along all directions that were tried, or concave. Elsewhere, and for a
    claim of 0 throughout, they are left open: relu'(0) = 0 leaves out every unit on its edge, and is what most people
    write.
    """
    where = np.flatnonzero(np.any(_corners(table), axis=0))
    if 2 <= len(where) <= _MOST:
        _judge_groups(check, table, where, rng)


def judge_slices(check: DirectionalCheck, table: Table, where: Array, rng: np.random.Generator) -> None:
    """The same for entries of a large tensor that are all at kinks, of which only some were looked at.

    Those in groups; and all at once, where the function bends to the same side in each that was looked at.
    """
    seen = np.flatnonzero(np.any(_corners(table), axis=0))
    seen = seen[np.isin(seen, where)]
    if len(seen) < 2 or not _judge_groups(check, table, seen, rng):
        return
    bends = (table.right - table.left)[:, seen]
    if np.all(bends >= 0) or np.all(bends <= 0):
        _judge(check, table, where, rng)


def _corners(table: Table) -> Array:
    """Which entries (m, p) are at a corner and not wrong by themselves."""
    return np.asarray(np.isfinite(table.left) & np.isfinite(table.right) & table.kink & ~table.wrong)


def _judge_groups(check: DirectionalCheck, table: Table, where: Array, rng: np.random.Generator) -> bool:
    """Mark the entries `where` by the groups that share kinks; whether there are any such groups."""
    try:
        groups = _groups(check, table, where, rng)
    except OutOfCalls:
        table.open[:, where] |= _corners(table)[:, where]
        return False
    for group in groups:
        _judge(check, table, group, rng)
    return bool(groups)


def _judge(check: DirectionalCheck, table: Table, group: Array, rng: np.random.Generator) -> None:
    """Mark the entries of a group that are no subgradient together, or all as open where the calls are used up."""
    try:
        outside, one_sign = _outside(check, table, group, rng)
    except OutOfCalls:
        table.open[:, group] |= table.kink[:, group]
        return
    sure = one_sign & np.any(check.claimed[:, group], axis=1)
    for index in group:
        here = outside & table.kink[:, index]
        table.wrong[:, index] |= here & sure
        table.open[:, index] |= here & ~sure & one_sign
        if np.any(here):
            table.reasons[int(index)] = TOGETHER


def _groups(check: DirectionalCheck, table: Table, where: Array, rng: np.random.Generator) -> list[Array]:
    """The entries that share kinks: the function does not change by the sum of what each of them changes.

    Each entry is moved up together with each group so far, whose entries all move up, or all down.
    """
    if not any(_share(check, table, where, by) for by in _ways(check, where, rng)):
        return []
    groups: list[list[int]] = []
    moved: dict[tuple[float, tuple[int, ...]], Array] = {}  # what groups do by themselves is asked for again
    for index in where:
        linked = _linked(check, table, int(index), groups, moved)
        groups = [group for group in groups if group not in linked]
        groups.append([int(index), *(each for group in linked for each in group)])
    return [np.array(sorted(group)) for group in groups if len(group) > 1]


def _linked(
    check: DirectionalCheck,
    table: Table,
    index: int,
    groups: list[list[int]],
    moved: dict[tuple[float, tuple[int, ...]], Array],
) -> list[list[int]]:
    """Which groups share kinks with an entry: all are moved at once, and parts of them only where that tells more.

    Entries that share a kink tend to be neighbours, so the newest groups come apart first.
    """
    if not groups or not _is_linked(check, table, index, [each for group in groups for each in group], moved):
        return []
    if len(groups) == 1:
        return groups
    older = len(groups) - max(1, len(groups) // 8)
    return [
        group
        for part in (groups[:older], groups[older:])
        for group in _linked(check, table, index, part, moved)
    ]


def _ways(check: DirectionalCheck, where: Array, rng: np.random.Generator) -> list[Array]:
    """Moves of all entries together: all up, all down, one up and the next down, and some at random."""
    up = np.ones(len(where))
    turns = np.where(np.arange(len(where)) % 2, -1.0, 1.0)
    signs = [up, -up, turns, -turns, *rng.choice((-1.0, 1.0), (_SIGNS, len(where)))]
    return [sign * check.scales.own[where] for sign in signs]


def _is_linked(
    check: DirectionalCheck,
    table: Table,
    index: int,
    group: list[int],
    moved: dict[tuple[float, tuple[int, ...]], Array],
) -> bool:
    """Whether an entry that moves up changes the function by something else where a group has moved, up or down."""
    alone, both = np.array([index]), np.array([index, *group])
    own = check.scales.own
    for sign in (1.0, -1.0):
        by = sign * own[group]
        known = (sign, tuple(group))
        if known not in moved:
            moved[known] = _moved(check, both[1:], by)
        change = _moved(check, both, np.append(own[index], by)) - moved[known]
        if _differ(check, table, alone, change, own[alone]):
            return True
    return False


def _share(check: DirectionalCheck, table: Table, where: Array, by: Array) -> bool:
    """Whether the function changes along a direction by something else than the sum over its entries."""
    return _differ(check, table, where, _moved(check, where, by), by)


def _moved(check: DirectionalCheck, where: Array, by: Array) -> Array:
    if not check.function.room(1):
        raise OutOfCalls
    moved = check.function.point.copy()
    moved[where] += _STEP * check.first * by
    return check.function.at(moved) - check.function.value


def _differ(check: DirectionalCheck, table: Table, where: Array, change: Array, by: Array) -> bool:
    """Whether a change (m,) is another one than the one-sided slopes of the entries give."""
    step = _STEP * check.first
    slopes = np.where(by > 0, table.right[:, where], table.left[:, where]) * by
    slack = _EVEN * step * np.nansum(np.abs(slopes), axis=1) + 20 * check.noise
    return bool(np.any(np.abs(change - step * np.nansum(slopes, axis=1)) > slack))


def _outside(
    check: DirectionalCheck, table: Table, where: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Which outputs (m,) have a claim outside of both slopes along some direction, and which bend with one sign."""
    own = check.scales.own[where]
    claimed = check.claimed[:, where]
    # Towards the claim, as tells for a norm, and from the middle between the slopes of each entry towards it.
    ways = [*claimed, *np.nan_to_num(claimed - table.expected[:, where])]
    beside = check.claims_beside()
    if beside is not None:
        ways += [*(claimed - np.mean(beside[:, :, where], axis=0))]
    directions = [Direction(where, own), Direction(where, own * rng.choice((-1.0, 1.0), len(where)))]
    for way in ways[: 3 * _DIRECTIONS]:
        moves = way != 0
        if np.any(moves) and np.all(np.isfinite(way)):
            directions.append(Direction(where, way * np.min(own[moves] / np.abs(way[moves]))))
    directions += [
        random_direction(where, check.scales.own, rng) for _ in range(min(_DIRECTIONS, len(where) - 2))
    ]
    outside = np.zeros(len(check.claimed), bool)
    convex, concave = np.ones_like(outside), np.ones_like(outside)
    for direction in directions:
        if not check.function.room(8):
            raise OutOfCalls
        slope = check.quotients(direction, thorough=True)
        along = direction.along(check.claimed)
        size = np.abs(slope.left) + np.abs(slope.right)
        blur = check.allowed(direction) + 10 * slope.side_error + 1e-6 * size
        low, high = np.minimum(slope.left, slope.right) - blur, np.maximum(slope.left, slope.right) + blur
        outside |= (along < low) | (along > high)
        convex &= slope.right >= slope.left - blur
        concave &= slope.right <= slope.left + blur
    return outside, convex | concave
