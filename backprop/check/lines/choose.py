"""The choice: of all repairs that are proven, those that name the lines with the mistakes.

A mistake has many repairs: every value between its line and the tensor can be put right. The first wrong value is the
mistake's own, with two exceptions, where an earlier line has a right value that the truth of another one would turn into
what a later, wrong line needs:

    dh = dlogits @ W2.T      right as dL/dh; with dL/dz in its place, dz = dh would be right as well
    dmu = -ddiff.sum(0)      right; with its sign reversed, dpre = ddiff - dmu / n would be right as well
"""

from __future__ import annotations

import numpy as np

from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group
from backprop.check.lines.naming import is_gradient_of
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.sites import stem

Recognised = tuple[Group, Event, float]
"""A forward line, the execution of it, and the factor: a value is factor · dL/d(event)."""


def chosen(repairs: list[Repair], search: Search) -> list[Repair]:
    """For every wrong tensor the repair that comes first, in the order of their first wrong values."""
    for repair in repairs:
        _mark_first_wrong(repair, search)
    ranked = sorted(repairs, key=lambda each: search.order[each.event])
    cuts = {name: _last_right(name, ranked, search) for name in search.wrong}
    found: list[Repair] = []
    left = set(search.wrong)
    for repair in ranked:
        place = search.order[repair.event]
        if not any(place > cuts[name] for name in repair.tensors & left):
            continue
        own = _where_it_turns_wrong(repair, ranked, search)
        if own is not None:
            found.append(own)
            left -= own.tensors
    return sorted(found, key=lambda each: search.order[each.event])


def _mark_first_wrong(repair: Repair, search: Search) -> None:
    """Find the first execution whose value is not the truth, and whether the code's value is right all along."""
    if repair.target.group is None:
        return
    truth = search.truth
    factors = []
    for back, forward in repair.pairs:
        factors.append(truth.factor(truth.base.values[back], forward))
        if factors[-1] is None:
            break
    wrong = [k for k, each in enumerate(factors) if each is None or abs(each * repair.factor - 1) > truth.rtol]
    repair.first = wrong[0] if wrong else 0
    repair.is_right = all(each == 1 for each in factors)


def _last_right(name: str, ranked: list[Repair], search: Search) -> int:
    """The last place at which all that the tensor depends on is right: its mistake comes later."""
    return max((search.order[each.pairs[0][0]] for each in ranked if each.is_right and name in each.tensors), default=-1)


def recognised(repair: Repair, search: Search) -> list[Recognised]:
    """The forward events of which the first wrong value is the derivative, or a multiple of it."""
    truth, value, found = search.truth, search.truth.base.values[repair.event], []
    for group in search.forward:
        if truth.base.values[group.events[-1]].shape == value.shape and group.site.role != "use":
            for event in group.events:
                factor = truth.factor(value, event)
                if factor is not None:
                    found.append((group, event, factor))
    return found


def _where_it_turns_wrong(repair: Repair, ranked: list[Repair], search: Search) -> Repair | None:
    """The line that is wrong of those that have this very value; None where all of them are right.

    Where the value is the derivative of something else than it is to be, it is right in the lines whose variable is
    named after that, and wrong in the first other one.
    """
    seen = recognised(repair, search)
    own = {forward for _, forward in repair.pairs}
    if repair.factor != 1 and seen:
        return None  # a value that is right but for a factor, which a later line makes up for
    if any(event in own or _is_same(group, repair) for group, event, _ in seen) or not seen:
        return repair
    value, order = search.truth.base.values[repair.event], search.order
    alike = [
        each
        for each in ranked
        if order[each.event] >= order[repair.event]
        and each.tensors & repair.tensors
        and np.array_equal(search.truth.base.values[each.event], value)
    ]
    for each in alike:
        name = each.group.site.stem or _name_of_line(each, alike)
        if not any(is_gradient_of(name, group.site.stem) for group, _, _ in seen):
            return each
    return None


def _is_same(group: Group, repair: Repair) -> bool:
    """Whether a forward line is only another place of what the repair is to be the derivative by."""
    return repair.target.group is None and group.site.stem == stem(repair.target.name)


def _name_of_line(repair: Repair, alike: list[Repair]) -> str:
    """The variable to which the line of an operation assigns the same value."""
    site = repair.group.site
    names = (each.group.site.stem for each in alike if each.group.site.line == site.line)
    return next((name for name in names if name), "")
