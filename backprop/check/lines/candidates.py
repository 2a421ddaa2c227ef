"""Candidates for local values: what is computed from the forward pass alone, for the shapes of a line's values."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group, Pair, alignments
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.tensors import rms

_MOST_COLUMNS = 8
"""The most columns of a Jacobian."""
_PLACE = re.compile(r"[\w.]+(\[[^()]*\])*")
"""Code that reads a place, such as `cache["h"][t - 1]`, and computes nothing."""
Local = tuple[str, Site, list[Array]]
"""What the value should be, in words; the line of the forward pass that it belongs to; its values by execution."""


def rounded(arrays: list[Array]) -> tuple[bytes, ...]:
    """A key that is the same for values that differ by the error of a quotient."""
    return tuple(b"%.4e" % rms(each) + np.round(each / rms(each), 4).tobytes() for each in arrays)


def whole_lines(groups: list[Group], search: Search) -> list[Group]:
    """The groups that hold the whole result of a line, or an argument as it is passed on; in order of execution."""
    ordered = sorted(groups, key=lambda each: search.order[each.events[0]])
    last = {(each.site.path, each.site.line): each for each in ordered if each.site.role == "value"}
    return [g for g in ordered if g.site.name or g.site.role == "passed" or g in last.values()]


class Candidates:
    """The local values that can be computed from the forward pass, for the shapes of a group."""

    def __init__(self, search: Search) -> None:
        self.search, self.values = search, search.truth.base.values
        # What a loop hands to its next turn was assigned elsewhere.
        forward = [each for each in search.sides.forward if each.site.role != "turn"]
        whole = [each for each in forward if not each.site.is_use]
        self.whole_events = frozenset(event for group in whole for event in group.events)
        self.behind = whole_lines(whole, search)
        self.ahead = [each for each in whole if each.site.name] + search.sides.parameters
        self.ahead += [each for each in forward if each.site.is_use and "['" in each.site.text]
        self.places = [each for each in forward if each.site.name or each.site.is_use]
        self.places += search.sides.parameters
        self.inside = [(arg, each) for each in whole for arg in forward if _is_argument(arg.site, each.site)]
        self._moved: dict[tuple[Event, int | None], dict[Event, Array]] = {}

    def places_of(self, group: Group) -> Iterator[Local]:
        """Forward values of the shapes of a group that holds one, or is handed on; of the nearest lines first."""
        search, shapes, own = self.search, self.search.truth.shapes(group.events), group.site
        is_of_forward = own.role == "passed" or any(
            search.sides.holding(group.events[-1], search.sides.computed)
        )
        found = dict[tuple[bytes, ...], tuple[int, Local]]()
        for ahead in self.places if is_of_forward else ():  # assignments come before uses, and say more
            site = ahead.site
            away = abs(site.line - own.line) if site.path == own.path else sys.maxsize
            for pairs in alignments(group.events, ahead.events, search.order):
                new = [self.values[event] for _, event in pairs]
                if tuple(each.shape for each in new) == shapes:
                    key, one = rounded(new), (f"{_name(site)} of line {site.line}", site, new)
                    nearest, one = found.get(key, (away, one))
                    found[key] = min(away, nearest), one
        yield from (one for _, one in sorted(found.values(), key=lambda each: each[0]))

    def slopes_of(self, group: Group) -> Iterator[Local]:
        """Slopes and Jacobians of the shapes of a group that computes something, and no slope already."""
        is_place = group.site.role == "passed" or _PLACE.fullmatch(group.site.text)
        if is_place or self.search.repeats(group) or self._is_slope(group):
            return
        for ahead, behind in self._steps():
            of = f"{_name(behind.site)} of line {behind.site.line}"
            said = f"d({_name(behind.site)})/d({_name(ahead.site)}), {of}"
            if (ahead, behind) in self.inside:
                said = f"the slope of {behind.site.text}, line {behind.site.line}"
            for pairs in alignments(group.events, ahead.events, self.search.order):
                yield from self._derivatives(group, pairs, behind, said)
            one, size = ahead.events[0], len(group.events)
            if len(ahead.events) == 1 and self.values[one].shape == (size,) != (
                1,
            ):  # an execution for each entry
                shapes = self.search.truth.shapes(group.events)
                columns = [self._column(one, j, behind, shape) for j, shape in enumerate(shapes)]
                known = [each for each in columns if each is not None]
                if len(known) == size:
                    yield said, behind.site, known

    def _is_slope(self, group: Group) -> bool:
        """Whether the first value of a group is a slope, entry by entry."""
        first, own = Group(group.site, group.events[:1]), rounded([self.values[group.events[0]]])
        for ahead, behind in self._steps():
            pairs = next(alignments(first.events, ahead.events, self.search.order), ())
            if pairs and self.values[pairs[0][1]].shape != self.values[group.events[0]].shape:
                continue
            if any(rounded(new) == own for _, _, new in self._derivatives(first, pairs, behind, "")):
                return True
        return False

    def _steps(self) -> Iterator[tuple[Group, Group]]:
        """What a slope may be of: a line by a variable, or a function or a power inside a line."""
        return itertools.chain(itertools.product(self.ahead, self.behind), self.inside)

    def _derivatives(
        self, group: Group, pairs: tuple[Pair, ...], behind: Group, said: str
    ) -> Iterator[Local]:
        """For each execution of a group its slope; its Jacobian."""
        places = list(
            zip((event for _, event in pairs), self.search.truth.shapes(group.events), strict=False)
        )
        for columns in (
            [self._column(event, None, behind, shape) for event, shape in places],
            *([self._jacobian(event, behind, shape, axis) for event, shape in places] for axis in (-1, -2)),
        ):
            known = [each for each in columns if each is not None]
            if len(known) == len(group.events):
                yield said, behind.site, known

    def _jacobian(self, event: Event, behind: Group, shape: tuple[int, ...], axis: int) -> Array | None:
        """The derivatives by the entries along the last axis of an event, stacked along an axis."""
        size = self.values[event].shape[-1:]
        if len(shape) < 2 or shape[axis : axis + 1 or None] != size or size[0] > _MOST_COLUMNS:
            return None
        of = shape[:-1] if axis == -1 else (*shape[:-2], shape[-1])
        columns = [self._column(event, j, behind, of) for j in range(size[0])]
        known = [each for each in columns if each is not None]
        return np.stack(known, axis=axis) if len(known) == len(columns) else None

    def _column(self, event: Event, j: int | None, behind: Group, shape: tuple[int, ...]) -> Array | None:
        """The derivative of a line's next value by an event's entries [..., j], or by all if j is None."""
        order = self.search.order
        after = next((each for each in behind.events if order[each] > order[event]), None)
        if after is None or self.values[after].shape != shape:
            return None
        if j is None and self.values[event].size > self.values[after].size:  # a sum of slopes is no factor
            return None
        if (event, j) not in self._moved:
            value, truth = self.values[event], self.search.truth
            which = np.ones(value.shape) if j is None else np.zeros(value.shape)
            if j is not None:
                which[..., j] = 1
            self._moved[event, j] = truth.moved_by(event, rms(value) * which, self.whole_events)
        column = self._moved[event, j].get(after)
        return column / rms(self.values[event]) if column is not None and np.any(column) else None


def _is_argument(one: Site, other: Site) -> bool:
    """Whether a place is the only argument of a function, or the base of a power, inside a line."""
    if (one.path, one.line) != (other.path, other.line):
        return False
    match ast.parse(other.text).body[0]:
        case ast.Expr(ast.Call(args=[argument], keywords=[]) | ast.BinOp(left=argument, op=ast.Pow())):
            return ast.unparse(argument) == one.text
    return False


def _name(site: Site) -> str:
    return site.stem or site.text
