"""Local values: what derivatives are multiplied by, and no derivative of the loss themselves.

    s' = σ(z)(1 - σ(z))      a slope: da/dz, entry by entry
    J = diag(p) - p pᵀ       a Jacobian: dp/dz
    dK = K · d² / l³         a tangent: dK/dl, a kernel moved along one parameter
    h_prev = cache["h"][t]   a value of the forward pass that was kept

Each of them can be had from the forward pass alone. Where one of these in the place of a value, in all its executions
at once, makes the wrong tensors right, the line of that value is wrong, and not the one that goes on to use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group, alignments
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import add, put, rms

_MOST_COLUMNS, _MOST_RUNS = 8, 400
"""Of a Jacobian; for the forward values that are moved, and the values that are tried."""
Local = tuple[str, Site, tuple[Array, ...]]
"""What a value is to be, the line that it belongs to, and its values by execution."""


def local(repairs: list[Repair], found: list[Repair], search: Search) -> Repair | None:
    """An earlier line whose value is to be a local one, which explains all repairs that were found at once."""
    first = min(found, key=lambda each: search.order[each.event])
    tensors = frozenset[str]().union(*(each.tensors for each in found))
    values, budget = search.truth.base.values, search.truth.program.budget
    derivatives = {each.group.events for each in repairs}
    last, locals_ = budget.used + _MOST_RUNS, _Locals(search)
    for group in _whole_lines([*search.backward, *search.kept], search):
        is_whole = search.count(group.site) == len(group.events)  # else it is right for other callers
        is_before = search.order[group.events[0]] < search.order[first.event]
        if not (is_before and is_whole) or group.events in derivatives:
            continue
        if group in search.kept and group.site.text in group.site.name:  # under its own name
            continue
        if not any(np.any(values[event]) for event in group.events):  # a container that is still empty
            continue
        response = search.response(group.events, search.shapes(group.events))
        if response is None or not all(response.moves(name) for name in tensors):
            continue
        if _is_derivative(group, search):
            continue
        moved = [name for name in search.truth.program.structure.names if response.moves(name)]
        own = b"".join(values[event].tobytes() for event in group.events)
        tried = {own}
        for said, site, new in locals_.of(group):
            key = b"".join(each.astype(values[group.events[0]].dtype).tobytes() for each in new)
            if key in tried:
                continue
            tried.add(key)
            if budget.used >= last or not budget.room(1):
                return None
            outcome = search.replaced(group.events, list(new))
            if outcome and all(n in search.others or search.is_right(n, outcome.gradient) for n in moved):
                if group.site.line == first.site.line:
                    return None
                off = [not np.allclose(values[e], n) for e, n in zip(group.events, new, strict=True)]
                pairs = tuple((event, event) for event in group.events)
                fixed = frozenset(moved) & search.wrong
                return replace(
                    first,
                    group=group,
                    pairs=pairs,
                    tensors=fixed,
                    first=off.index(True),
                    factor=1.0,
                    values=new,
                    said=said,
                    of=site,
                )
    return None


def _whole_lines(groups: list[Group], search: Search) -> list[Group]:
    """The groups whose values are all that a line gives, or are handed on as they are, in the order of their events."""
    ordered = sorted(groups, key=lambda each: search.order[each.events[0]])
    last = {(each.site.path, each.site.line): each for each in ordered if each.site.role == "value"}
    return [g for g in ordered if g.site.name or g.site.role == "passed" or g in last.values()]


def _is_derivative(group: Group, search: Search) -> bool:
    """Whether a value is recognised as a derivative of the loss, or follows from the one of an earlier turn."""
    event, *later = group.events
    if not later:
        return any(factor == 1 for _, _, factor in search.recognised(event, search.whole, (-1, 0)))
    values = search.truth.base.values
    new = search.truth.rng.standard_normal(values[event].shape)
    outcome = search.truth.program.run(changes={event: put(new)}, wanted=frozenset(later))
    return outcome is None or any(not np.array_equal(outcome.values.get(e), values[e]) for e in later)


class _Locals:
    """The local values that the forward pass has, by the shapes of a group."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.behind = _whole_lines(search.whole, search)
        self.ahead = [each for each in search.whole if each.site.name] + search.parameters
        self.ahead += [each for each in search.forward if each.site.is_use and "['" in each.site.text]
        self.after = frozenset(event for group in self.behind for event in group.events)
        self._moved: dict[tuple[Event, int], dict[Event, Array]] = {}

    def of(self, group: Group) -> Iterator[Local]:
        """Values of the shapes of a group: kept ones for one that is handed on, else slopes, Jacobians and their columns."""
        search, values = self.search, self.search.truth.base.values
        shapes = search.shapes(group.events)
        if search.is_of_forward(group):
            for ahead in [g for g in search.forward if g.site.name or g.site.is_use] + search.parameters:
                for pairs in alignments(group.events, ahead.events, search.order):
                    new = tuple(values[event] for _, event in pairs)
                    if tuple(each.shape for each in new) == shapes:
                        yield f"{_name(ahead.site)} of line {ahead.site.line}", ahead.site, new
        if group.site.role == "passed":
            return
        for ahead in self.ahead:
            size = values[ahead.events[0]].shape[-1:] or (1,)
            for behind in self.behind:
                yield from self._slopes(group, ahead, behind, shapes)
                if size[0] <= _MOST_COLUMNS:
                    yield from self._columns(group, ahead, behind, shapes, size[0])

    def _slopes(
        self, group: Group, ahead: Group, behind: Group, shapes: tuple[tuple[int, ...], ...]
    ) -> Iterator[Local]:
        for pairs in alignments(group.events, ahead.events, self.search.order):
            if len(pairs) == len(shapes):
                new = [
                    self._derivative(event, -1, behind, shape)
                    for (_, event), shape in zip(pairs, shapes, strict=True)
                ]
                yield from self._local(new, ahead, behind)

    def _columns(
        self, group: Group, ahead: Group, behind: Group, shapes: tuple[tuple[int, ...], ...], size: int
    ) -> Iterator[Local]:
        if len(ahead.events) == 1 and len(shapes) == size > 1:
            yield from self._local(
                [self._derivative(ahead.events[0], j, behind, shape) for j, shape in enumerate(shapes)],
                ahead,
                behind,
            )
        for axis in (-1, -2):
            if any(len(shape) < 2 or shape[axis] != size for shape in shapes):
                continue
            of = [shape[:-1] if axis == -1 else (*shape[:-2], shape[-1]) for shape in shapes]
            for pairs in alignments(group.events, ahead.events, self.search.order):
                if len(pairs) != len(shapes):
                    continue
                new = []
                for (_, event), shape in zip(pairs, of, strict=True):
                    columns = [self._derivative(event, j, behind, shape) for j in range(size)]
                    known = [each for each in columns if each is not None]
                    new.append(np.stack(known, axis=axis) if len(known) == size else None)
                yield from self._local(new, ahead, behind)

    def _local(self, new: list[Array | None], ahead: Group, behind: Group) -> Iterator[Local]:
        known = tuple(each for each in new if each is not None)
        if len(known) == len(new):
            said = f"d({_name(behind.site)})/d({_name(ahead.site)}), {_name(behind.site)} of line {behind.site.line}"
            yield said, behind.site, known

    def _derivative(self, event: Event, j: int, behind: Group, shape: tuple[int, ...]) -> Array | None:
        """The derivative of the next value of a line by all entries of an event, or by its j-th ones."""
        values, order = self.search.truth.base.values, self.search.order
        next_ = next((each for each in behind.events if order[each] > order[event]), None)
        if next_ is None or values[next_].shape != shape:
            return None
        moved = self._moves(event, j).get(next_)
        return moved if moved is not None and np.any(moved) else None

    def _moves(self, event: Event, j: int) -> dict[Event, Array]:
        if (event, j) not in self._moved:
            truth, value = self.search.truth, self.search.truth.base.values[event]
            which = np.ones(value.shape) if j < 0 else np.zeros(value.shape)
            which.reshape(-1, value.shape[-1] if value.ndim else 1)[:, j if j >= 0 else slice(None)] = 1
            h = truth.step * rms(value)
            up, down = (
                truth.program.run(changes={event: add(sign * h * which)}, wanted=self.after)
                for sign in (1, -1)
            )
            both = up.values.keys() & down.values.keys() if up and down else ()
            self._moved[event, j] = {
                e: (up.values[e].astype(np.float64) - down.values[e]) / (2 * h)
                for e in both
                if up.values[e].shape == down.values[e].shape
            }
        return self._moved[event, j]


def _name(site: Site) -> str:
    return site.stem or site.text
