"""Kinks: entries that sit at kinks, moved together.

Entry by entry, a claim may lie between the slopes of both sides and still be no gradient: where three entries share
a maximum, a mask gives each of them the whole slope. For a convex function, and with the signs turned for a concave
one,

    -f'(x; -v) <= g·v <= f'(x; v)        along every direction v

for each subgradient g (Rockafellar 1970, Convex Analysis, theorem 23.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directional import QUOTIENTS, DirectionalCheck
from backprop.check.numeric.directions import Direction, random_direction, random_signs
from backprop.check.numeric.quotients import CLEARLY
from backprop.check.numeric.tensors import Table
from backprop.check.oracle import OutOfCalls

_MOST = 200
"""Entries at kinks that are moved together: to tell who shares a kink takes some calls for each."""
_SIGNS, _DIRECTIONS = 3, 3
"""Random directions along which entries are moved, to see who shares kinks and whether the claim lies between."""
_STEP = 2.0**-4
"""Of the largest step inside the function's structure: one-sided changes are slopes there."""
_EVEN = 0.02
"""Of these changes: what the curvature of the function may add over such a step."""
_SLACK = 1e-6
"""Of the slopes on both sides: a claim that is outside of them by less is not called so."""
TOGETHER = (
    "moved together, these entries are no subgradient: the claim is outside of the slopes on both sides"
)


def judge_together(check: DirectionalCheck, table: Table) -> None:
    """Mark the entries at kinks in the table that are no subgradient together.

    They are wrong where the function is convex along all directions that were tried, or concave. Elsewhere, and for a
    claim of 0 throughout, they are left open: relu'(0) = 0 leaves out every unit on its edge, and is what most people
    write.
    """
    where = np.flatnonzero(np.any(_corners(table), axis=0))
    if 2 <= len(where) <= _MOST:
        _judge_groups(check, table, where)


def judge_slices(check: DirectionalCheck, table: Table, where: Array) -> None:
    """Mark entries of a large tensor that are all at kinks, of which only some were looked at, in the same way.

    First those that were looked at, in groups; then all at once, where the function bends to the same side in each.
    """
    seen = np.flatnonzero(np.any(_corners(table), axis=0))
    seen = seen[np.isin(seen, where)]
    if len(seen) < 2 or not _judge_groups(check, table, seen):
        return
    bends = (table.right - table.left)[:, seen]
    if np.all(bends >= 0) or np.all(bends <= 0):
        _judge(check, table, where)


def _corners(table: Table) -> Array:
    """A mask (m, p) of the entries that are at a corner and not wrong by themselves."""
    return np.asarray(np.isfinite(table.left) & np.isfinite(table.right) & table.kink & ~table.wrong)


def _judge_groups(check: DirectionalCheck, table: Table, where: Array) -> bool:
    """Mark the entries `where` by the groups that share kinks; whether there are any such groups."""
    try:
        groups = _Sharing(check, table).groups(where)
    except OutOfCalls:
        table.open[:, where] |= _corners(table)[:, where]
        return False
    for group in groups:
        _judge(check, table, group)
    return bool(groups)


def _judge(check: DirectionalCheck, table: Table, group: Array) -> None:
    """Mark the entries of a group that are no subgradient together, or all as open where the calls are used up."""
    try:
        outside, one_sign = _outside(check, table, group)
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


@dataclass
class _Sharing:
    """Entries share kinks where together they change the function by another sum than each by itself.

    known: the change of the function by a group that was moved up (1) or down (-1), once it was asked for.
    """

    check: DirectionalCheck
    table: Table
    known: dict[tuple[float, tuple[int, ...]], Array] = field(default_factory=dict)

    def groups(self, where: Array) -> list[Array]:
        """The entries in groups that share kinks.

        Each entry is moved up together with each group so far, whose entries all move up, or all down.
        """
        own = self.check.scales.own
        up = np.ones(len(where))
        turns = np.where(np.arange(len(where)) % 2, -1.0, 1.0)
        ways = [up, -up, turns, -turns, *random_signs((_SIGNS, len(where)), self.check.rng)]
        moves = (way * own[where] for way in ways)
        if not any(self._differs(where, self._change(where, by), by) for by in moves):
            return []
        groups: list[list[int]] = []
        for index in map(int, where):
            linked = self._linked(index, groups)
            groups = [group for group in groups if group not in linked]
            groups.append([index, *(each for group in linked for each in group)])
        return [np.array(sorted(group)) for group in groups if len(group) > 1]

    def _linked(self, index: int, groups: list[list[int]]) -> list[list[int]]:
        """The groups that share kinks with an entry: all are moved at once, and then parts of them where one does.

        Entries that share a kink tend to be neighbours, so the newest groups, an eighth of all, come apart first.
        """
        if not groups or not self._shares(index, [each for group in groups for each in group]):
            return []
        if len(groups) == 1:
            return groups
        older = len(groups) - max(1, len(groups) // 8)
        return self._linked(index, groups[:older]) + self._linked(index, groups[older:])

    def _shares(self, index: int, group: list[int]) -> bool:
        """Whether an entry that moves up changes the function by something else where a group has moved."""
        alone, both = np.array([index]), np.array([index, *group])
        own = self.check.scales.own
        for sign in (1.0, -1.0):
            key, by = (sign, tuple(group)), sign * own[group]
            if key not in self.known:
                self.known[key] = self._change(both[1:], by)
            change = self._change(both, np.append(own[index], by)) - self.known[key]
            if self._differs(alone, change, own[alone]):
                return True
        return False

    def _change(self, where: Array, by: Array) -> Array:
        """The change (m,) of the function by moving the entries `where`."""
        function = self.check.function
        if not function.room(1):
            raise OutOfCalls
        there = Direction(where, by).moved(function.point, _STEP * self.check.first)
        return function.at(there) - function.value

    def _differs(self, where: Array, change: Array, by: Array) -> bool:
        """Whether a change (m,) is another one than the one-sided slopes of the entries give."""
        step = _STEP * self.check.first
        slopes = np.where(by > 0, self.table.right[:, where], self.table.left[:, where]) * by
        slack = _EVEN * step * np.nansum(np.abs(slopes), axis=1) + 2 * CLEARLY * self.check.noise
        return bool(np.any(np.abs(change - step * np.nansum(slopes, axis=1)) > slack))


def _outside(check: DirectionalCheck, table: Table, where: Array) -> tuple[Array, Array]:
    """Masks (m,): outputs whose claim is outside of both slopes along some direction; outputs that bend one way."""
    outside = np.zeros(len(check.claimed), bool)
    convex, concave = np.ones_like(outside), np.ones_like(outside)
    for direction in _telling_directions(check, table, where):
        if not check.function.room(QUOTIENTS):
            raise OutOfCalls
        slope = check.quotients(direction)
        along = direction.along(check.claimed)
        size = np.abs(slope.left) + np.abs(slope.right)
        blur = check.allowed(direction) + CLEARLY * slope.side_error + _SLACK * size
        low, high = np.minimum(slope.left, slope.right) - blur, np.maximum(slope.left, slope.right) + blur
        outside |= (along < low) | (along > high)
        convex &= slope.right >= slope.left - blur
        concave &= slope.right <= slope.left + blur
    return outside, convex | concave


def _telling_directions(check: DirectionalCheck, table: Table, where: Array) -> list[Direction]:
    """Directions that tell a claim from a subgradient: some at random, and those towards the claim.

    Towards the claim is what tells for a norm; towards it from the middle between the slopes of each entry, and from
    the mean of the claims beside the point, for other functions.
    """
    own, claimed = check.scales.own[where], check.claimed[:, where]
    ways = [*claimed, *np.nan_to_num(claimed - table.expected[:, where])]
    beside = check.claims_beside()
    if beside is not None:
        ways += [*(claimed - np.mean(beside[:, :, where], axis=0))]
    directions = [Direction(where, own), Direction(where, own * random_signs(len(where), check.rng))]
    for way in ways[: 3 * _DIRECTIONS]:  # of a function to many values there are as many of each
        moves = way != 0
        if np.any(moves) and np.all(np.isfinite(way)):
            directions.append(Direction(where, way * np.min(own[moves] / np.abs(way[moves]))))
    more = min(_DIRECTIONS, len(where) - 2)
    return directions + [random_direction(where, check.scales, check.rng) for _ in range(more)]
