"""The choice: of all repairs that are proven, those that name the lines with the mistakes.

A mistake has many repairs: every value between its line and the tensor can be put right. The first wrong value is the
mistake's own, with two exceptions, where an earlier line has a right value that the truth of another one would turn
into what a later, wrong line needs:

    dh = dlogits @ W2.T      right as dL/dh; with dL/dz in its place, dz = dh would be right as well
    dmu = -ddiff.sum(0)      right; with its sign reversed, dpre = ddiff - dmu / n would be right as well
"""

from __future__ import annotations

import itertools

import numpy as np

from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group
from backprop.check.lines.naming import is_gradient_of
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.truth import DIRECTIONS

Recognised = tuple[Group, Event, float]
"""A forward line, the execution of it, and the factor: a value is factor · dL/d(event)."""


def chosen(repairs: list[Repair], search: Search) -> list[Repair]:
    """For every wrong tensor the repair that comes first, in the order of their first wrong values."""
    for repair in repairs:
        _mark_first_wrong(repair, search)
    repairs = [each for each in repairs if each.tensors or not each.is_right]
    ranked = sorted(repairs, key=lambda each: search.order[each.event])
    found: list[Repair] = []
    for name in sorted(search.wrong, key=list(search.truth.program.structure.names).index):
        if not any(name in each.tensors for each in found):
            found += [each for each in _culprits(name, ranked, search) if each not in found]
    return sorted(found, key=lambda each: search.order[each.event])


def _culprits(name: str, ranked: list[Repair], search: Search) -> list[Repair]:
    """The first repair of one tensor; or, where several mistakes meet at its line, the repairs of these."""
    order = search.order
    alone: Repair | None = None
    for repair in sorted(ranked, key=lambda each: each.is_right):  # a right value where nothing else is found
        if name in repair.tensors:
            alone = _where_it_turns_wrong(repair, ranked, search)
            if alone is not None:
                break
    end = np.inf if alone is None else order[alone.event]
    pool = [r for r in ranked if name in r.rest and r.factor == 1 and order[r.event] < end]
    together = _together(name, [r for r in pool if not r.is_right and name not in r.tensors], search)
    return together or ([alone] if alone is not None else [])


_MOST = 60
"""Repairs of which some are taken together: the first ones."""


def _together(name: str, pool: list[Repair], search: Search) -> list[Repair]:
    """The first two or three repairs that make a tensor right together; none where there are none."""
    error, slack = search.error(name), search.slack((name,))
    shares = [(r, error - r.rest[name]) for r in pool]
    shares = [(r, share) for r, share in shares if np.any(np.abs(share) > slack)][:_MOST]
    for size in (2, 3):
        for some in itertools.combinations(shares, size):
            if abs(error[0] - sum(share[0] for _, share in some)) > slack[0]:
                continue
            explained = np.all(np.abs(error - sum(share for _, share in some)) <= slack)
            is_apart = len({r.group.site.line for r, _ in some}) == size
            if explained and is_apart and not any(recognised(r, search, uses=True) for r, _ in some):
                return [r for r, _ in some]
    return []


def _mark_first_wrong(repair: Repair, search: Search) -> None:
    """Find the first execution whose value is not the truth, and whether the code's value is right all along."""
    if repair.target.group is None:
        return
    truth = search.truth
    wrong: int | None = None
    repair.is_right = True
    for k, (back, forward) in enumerate(repair.pairs):
        factor = truth.factor(truth.base.values[back], forward)
        if wrong is None and (factor is None or abs(factor * repair.factor - 1) > truth.rtol):
            wrong = repair.first = k
        repair.is_right &= factor == 1
        if wrong is not None and not repair.is_right:
            return


def recognised(repair: Repair, search: Search, uses: bool = False) -> list[Recognised]:
    """The forward events of which the first wrong value is the derivative, or a multiple of it.

    uses: whether parts of a derivative count, which come from one of several places where a variable is used.
    """
    truth, value, found = search.truth, search.truth.base.values[repair.event], []
    for group in search.forward:
        for event in group.events if uses or group.site.role != "use" else ():
            factor = truth.factor(value, event)
            if factor is not None:
                found.append((group, event, factor))
    return found


def _where_it_turns_wrong(repair: Repair, ranked: list[Repair], search: Search) -> Repair | None:
    """The line that is wrong of those that have this very value; None where all of them are right.

    Of a value that is right but for a factor, a later line is to make up for it if one explains as much without a
    factor. Where the value is the derivative of something else than it is to be, it is right in the lines whose
    variable is named after that, and wrong in the first other one.
    """
    order, value = search.order, search.truth.base.values[repair.event]
    later = [
        each
        for each in ranked
        if order[each.event] > order[repair.event]
        and each.tensors >= repair.tensors
        and len(each.pairs) == len(each.group.events)
    ]
    rights = [order[each.event] for each in ranked if each.is_right and each.tensors >= repair.tensors]
    if any(order[repair.event] < right <= order[each.event] for right in rights for each in later):
        return None
    if _is_multiple(repair, search):
        return None if repair.factor != 1 and any(each.factor == 1 for each in later) else repair
    if later and not np.any(value):  # a container that is still empty
        return None
    seen = [group.site.stem for group, _, _ in recognised(repair, search)]
    if not seen:
        return repair
    alike = []
    for each in ranked:
        if order[each.event] >= order[repair.event] and each.tensors & repair.tensors:
            if np.array_equal(search.truth.base.values[each.event], value):
                alike.append(each)
            elif each.tensors >= repair.tensors:  # what is equal after another value is so by chance
                break
    for each in alike:
        name = each.group.site.stem or _name_of_line(each, alike)
        if not any(is_gradient_of(name, other) for other in seen):
            return each
    after = [each for each in ranked if order[each.event] > order[alike[-1].event]]
    explained = frozenset[str]().union(*(each.tensors for each in after))
    return None if explained >= repair.tensors else alike[-1]


def _is_multiple(repair: Repair, search: Search) -> bool:
    """Whether the first wrong value is a multiple of what it is to be."""
    truth = search.truth
    back, ahead = repair.pairs[repair.first]
    value = truth.base.values[back]
    if repair.target.group is not None:
        return truth.factor(value, ahead) is not None
    name = repair.target.name
    if value.size != len(truth.directions[name][0]) or value.size == 1:
        return False
    slopes = [truth.slope((name,), j) for j in range(DIRECTIONS)]
    if not all(slopes):
        return False
    ratios = [truth.along({name: value}, (name,), j) / slope for j, slope in enumerate(slopes)]
    return bool(np.ptp(ratios) <= truth.rtol * np.max(np.abs(ratios)))


def _name_of_line(repair: Repair, alike: list[Repair]) -> str:
    """The variable to which the line of an operation assigns the same value."""
    site = repair.group.site
    names = (each.group.site.stem for each in alike if each.group.site.line == site.line)
    return next((name for name in names if name), "")
