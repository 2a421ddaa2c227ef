"""Local values: factors by which a backward pass multiplies derivatives of the loss.

    s' = σ(z)(1 - σ(z))      a slope: da/dz, entry by entry
    J = diag(p) - p pᵀ       a Jacobian: dp/dz
    dK = K · d² / l³         a tangent: dK/dl, a kernel moved along one parameter
    h_prev = cache["h"][t]   a value of the forward pass that was kept

Their true values can be computed from the forward pass alone. The search puts such a true value in the place of a
line's value, in all executions at once. If that makes the wrong tensors right, this line is wrong, and no later one
that uses it.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event, put
from backprop.check.lines.groups import Group, alignments
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import rms

_MOST_COLUMNS, _MOST_RUNS = 8, 400
"""The most columns of a Jacobian; the most runs of one search, to move forward values and to try local ones."""
_PLACE = re.compile(r"[\w.]+(\[[^()]*\])*")
"""Code that reads a place, such as `cache["h"][t - 1]`, and computes nothing."""
Local = tuple[str, Site, list[Array]]
"""What the value should be, in words; the line of the forward pass that it belongs to; its values by execution."""


def local(
    repairs: list[Repair], found: list[Repair], tensors: frozenset[str], search: Search
) -> Repair | None:
    """An earlier line with a wrong local value that explains all of `found` at once; None if there is none.

    tensors: those that `found` makes right.
    """
    first = min(found, key=lambda each: search.order[each.event])
    derivatives = {each.group.events for each in repairs}
    last, locals_ = search.truth.program.budget.used + _MOST_RUNS, _Locals(search)
    callers = search.truth.base.recorder.callers
    own, groups = callers[first.event], _whole_lines([*search.sides.backward, *search.sides.kept], search)
    # There may be more than can be tried: first come those of the same call of a function, and what it calls.
    for group in sorted(groups, key=lambda g: callers[g.events[-1]][-len(own) :] != own if own else False):
        is_before = search.order[group.events[0]] < search.order[first.event]
        if not is_before or not _may_be_wrong(group, tensors, search):
            continue
        # A derivative that is handed to the function with the wrong value may be the wrong variable.
        is_handed = group.site.role == "passed" and group.site.line in own
        if not is_handed and (group.events in derivatives or _is_derivative(group, search)):
            continue
        found_one = _first_right(group, locals_, last, search)
        if found_one is None:
            continue
        if group.site.line == first.site.line:
            return None
        said, site, new = found_one
        values, pairs = search.truth.base.values, tuple((event, event) for event in group.events)
        off = [not np.allclose(values[e], each) for e, each in zip(group.events, new, strict=True)]
        if _is_right_for_some(group, off, search):
            continue
        moved = frozenset(search.moved(group)) & search.wrong
        wrong = replace(first, group=group, pairs=pairs, tensors=moved, first=off.index(True), factor=1.0)
        return replace(wrong, values=tuple(new), said=said, of=site)
    return None


def _may_be_wrong(group: Group, tensors: frozenset[str], search: Search) -> bool:
    """Whether a group may hold a wrong value: the tensors depend on it, and none of its events on an earlier one."""
    values, site = search.truth.base.values, group.site
    if search.count(site) != len(group.events):  # the value is right for other callers
        return False
    is_own = (group in search.sides.kept and site.text in site.name) or _is_itself(group, search)
    is_empty = not any(np.any(values[event]) for event in group.events)
    if is_own or is_empty or not tensors <= set(search.moved(group)):
        return False
    event, *later = group.events
    if not later:
        return True
    new = search.truth.rng.standard_normal(values[event].shape)
    outcome = search.truth.program.run(changes={event: put(new)}, wanted=frozenset(later))
    # A value that depends on that of an earlier turn is a derivative which the backward pass carries along.
    return outcome is not None and all(
        each in outcome.values and np.array_equal(outcome.values[each], values[each]) for each in later
    )


def _is_derivative(group: Group, search: Search) -> bool:
    """Whether the value of a line that runs once is a derivative of the loss."""
    known = (
        search.recognised(e, search.sides.whole, (-1, 0)) for e in group.events if len(group.events) == 1
    )
    return any(factor == 1 for found in known for _, _, factor in found)


def _is_right_for_some(group: Group, off: list[bool], search: Search) -> bool:
    """Whether a function's value is right for some of its callers: what the others hand to it is wrong."""
    callers = search.truth.base.recorder.callers
    wrong, right = (
        {callers[e] for e, is_off in zip(group.events, off, strict=True) if is_off is kind}
        for kind in (True, False)
    )
    return bool(right) and not wrong & right


def _is_itself(group: Group, search: Search) -> bool:
    """Whether the forward pass has the value of a group under the name of the group."""
    sites = search.sides.holding(group.events[0], [*search.sides.forward, *search.sides.parameters])
    return any(site.name and site.stem == group.site.stem for site in sites)


def _first_right(group: Group, locals_: _Locals, last: int, search: Search) -> Local | None:
    """The first local value that makes right all tensors that depend on a group; None after `last` calls."""
    values, budget, tried = search.truth.base.values, search.truth.program.budget, set[bytes]()
    for one in locals_.of(group):
        key = b"".join(each.astype(values[group.events[0]].dtype).tobytes() for each in one[2])
        if key in tried or key == b"".join(values[event].tobytes() for event in group.events):
            continue
        tried.add(key)
        if budget.used >= last or not budget.room(1):
            return None
        if search.truth.makes_right(
            search.truth.program.replaced(group.events, one[2]), set(search.moved(group)) - search.others
        ):
            return one
    return None


def _whole_lines(groups: list[Group], search: Search) -> list[Group]:
    """The groups that hold the whole result of a line, or an argument as it is passed on; in order of execution."""
    ordered = sorted(groups, key=lambda each: search.order[each.events[0]])
    last = {(each.site.path, each.site.line): each for each in ordered if each.site.role == "value"}
    return [g for g in ordered if g.site.name or g.site.role == "passed" or g in last.values()]


class _Locals:
    """The local values that can be computed from the forward pass, for the shapes of a group."""

    def __init__(self, search: Search) -> None:
        self.search, self.values = search, search.truth.base.values
        # What a loop hands to its next turn was assigned elsewhere.
        forward = [each for each in search.sides.forward if each.site.role != "turn"]
        whole = [each for each in forward if not each.site.is_use]
        self.whole_events = frozenset(event for group in whole for event in group.events)
        self.behind = _whole_lines(whole, search)
        self.ahead = [each for each in whole if each.site.name] + search.sides.parameters
        self.ahead += [each for each in forward if each.site.is_use and "['" in each.site.text]
        self.places = [each for each in forward if each.site.name or each.site.is_use]
        self.places += search.sides.parameters
        self.inside = [(arg, each) for each in whole for arg in forward if _is_argument(arg.site, each.site)]
        self._moved: dict[tuple[Event, int | None], dict[Event, Array]] = {}

    def of(self, group: Group) -> Iterator[Local]:
        """Candidates for a group, by its shapes: forward values where it holds one, slopes and Jacobians."""
        search, shapes = self.search, self.search.truth.shapes(group.events)
        is_passed = group.site.role == "passed"
        is_of_forward = any(search.sides.holding(group.events[-1], search.sides.forward))
        for ahead in self.places if is_passed or is_of_forward else ():
            for pairs in alignments(group.events, ahead.events, search.order):
                new = [self.values[event] for _, event in pairs]
                if tuple(each.shape for each in new) == shapes:
                    yield f"{_name(ahead.site)} of line {ahead.site.line}", ahead.site, new
        is_place = is_passed or _PLACE.fullmatch(group.site.text)
        lines = ((ahead, behind) for ahead in self.ahead for behind in self.behind)
        for ahead, behind in () if is_place else itertools.chain(lines, self.inside):
            of = f"{_name(behind.site)} of line {behind.site.line}"
            said = f"d({_name(behind.site)})/d({_name(ahead.site)}), {of}"
            if (ahead, behind) in self.inside:
                said = f"the slope of {behind.site.text}, line {behind.site.line}"
            for columns in self._derivatives(group, ahead, behind):
                known = [each for each in columns if each is not None]
                if len(known) == len(shapes):
                    yield said, behind.site, known

    def _derivatives(self, group: Group, ahead: Group, behind: Group) -> Iterator[list[Array | None]]:
        """For each execution of a group its slope, its Jacobian, or its column of one Jacobian."""
        shapes, one = self.search.truth.shapes(group.events), ahead.events[0]
        if len(ahead.events) == 1 and self.values[one].shape == (len(shapes),) != (1,):
            yield [self._column(one, j, behind, shape) for j, shape in enumerate(shapes)]
        for pairs in alignments(group.events, ahead.events, self.search.order):
            places = list(zip((event for _, event in pairs), shapes, strict=False))
            yield [self._column(event, None, behind, shape) for event, shape in places]
            for axis in (-1, -2):
                yield [self._jacobian(event, behind, shape, axis) for event, shape in places]

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
