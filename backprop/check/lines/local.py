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

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from backprop.check.lines.candidates import Candidates, Local, rounded, whole_lines
from backprop.check.lines.events import Event, put
from backprop.check.lines.groups import Group
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.lines.tensors import rms

_MOST_RUNS = 400
"""The most runs of one search, to move forward values and to try local ones."""
_MOST_PLACES = 8
"""Forward values that are tried in the place of one: a slip takes a variable that is near."""


def local(
    repairs: list[Repair], found: list[Repair], tensors: frozenset[str], search: Search
) -> Repair | None:
    """An earlier line with a wrong local value that explains all of `found` at once; None if there is none.

    tensors: those that `found` makes right.
    """
    first = min(found, key=lambda each: search.order[each.event])
    repaired = {each.group.events for each in repairs}
    last, locals_ = search.truth.program.budget.used + _MOST_RUNS, Candidates(search)
    callers = search.truth.base.recorder.callers[first.event]
    before = [
        group
        for group in whole_lines([*search.sides.backward, *search.sides.kept], search)
        if search.order[group.events[0]] < search.order[first.event]
        and _may_be_wrong(group, tensors, search)
        # Handed to the function with the wrong value, a derivative may be the wrong variable.
        and (
            (group.site.role == "passed" and group.site.line in callers)
            or not (group.events in repaired or _is_derivative(group, search))
        )
    ]
    named = [group for group in search.sides.backward if search.is_gradient_name(group.site.stem)]
    slopes = [group for group in before if not (group in named and _follows(group, named, search))]
    for candidates, most, groups in (
        (locals_.places_of, _MOST_PLACES, before),
        (locals_.slopes_of, _MOST_RUNS, slopes),
    ):
        best: Repair | None = None
        # The nearest line first; then the lines that its value follows from, of which the earliest is wanted.
        for group in reversed(groups):
            if best is not None and not _lead_to(group.events, best.event, search):
                continue
            found_one = _first_right(group, candidates(group), most, last, search)
            best = (found_one and _local(group, found_one, first, search)) or best
        if best is not None:
            is_same = best.site.line == first.site.line and best.site.role != "passed"
            return None if is_same else best
    return None


def _local(group: Group, one: Local, first: Repair, search: Search) -> Repair | None:
    """The repair of a group by a local value, which comes before the `first` one that was found."""
    said, site, new = one
    values, pairs = search.truth.base.values, tuple((event, event) for event in group.events)
    off = [not np.allclose(values[e], each) for e, each in zip(group.events, new, strict=True)]
    if _is_right_for_some(group, off, search):
        return None
    moved = frozenset(search.moved(group)) & search.wrong
    wrong = replace(first, group=group, pairs=pairs, tensors=moved, first=off.index(True), factor=1.0)
    return replace(wrong, values=tuple(new), said=said, of=site)


def _follows(group: Group, named: list[Group], search: Search) -> bool:
    """Whether the value of a group follows from others that are named after derivatives, or begins as `dz = p`."""
    others = [e for each in named if each.site != group.site for e in each.events]
    order, own = search.order, group.events[-1]
    is_begun = any(search.sides.holding(own, search.sides.computed))
    return is_begun or _lead_to([e for e in others if order[e] < order[own]], own, search)


def _lead_to(events: Sequence[Event], event: Event, search: Search) -> bool:
    """Whether the value of an event follows from those of other events."""
    values, normal = search.truth.base.values, search.truth.rng.standard_normal
    changes = {each: put(rms(values[each]) * normal(values[each].shape)) for each in events}
    outcome = search.truth.program.run(changes=changes, wanted=frozenset([event])) if changes else None
    after = values if outcome is None else outcome.values
    return event not in after or not np.array_equal(after[event], values[event])


def _may_be_wrong(group: Group, tensors: frozenset[str], search: Search) -> bool:
    """Whether a group may hold a wrong value: the tensors depend on it, and none of its events on an earlier one."""
    values, site = search.truth.base.values, group.site
    if search.count(site) != len(group.events):  # the value is right for other callers
        return False
    is_own = (group in search.sides.kept and site.text in site.name) or _is_itself(group, search)
    is_empty = not any(np.any(values[event]) for event in group.events)
    moved = set(search.moved(group))
    if is_own or is_empty or not tensors <= moved:
        return False
    event, *later = group.events
    if not later:  # no right tensor may follow from the value
        return moved <= search.wrong | search.others
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


def _first_right(
    group: Group, candidates: Iterator[Local], most: int, last: int, search: Search
) -> Local | None:
    """The first of at most so many local values that makes right all tensors that depend on a group.

    None if there is none, or after `last` calls.
    """
    truth, budget = search.truth, search.truth.program.budget
    tried = {rounded([truth.base.values[event] for event in group.events])}
    for one in candidates:
        if rounded(one[2]) in tried:
            continue
        tried.add(rounded(one[2]))
        if budget.used >= last or not budget.room(1) or len(tried) > most + 1:
            return None
        outcome = truth.program.replaced(group.events, one[2])
        if truth.makes_right(outcome, set(search.moved(group)) - search.others):
            return one
    return None
