"""The choice: of all repairs that are proven, those that name the lines with the mistakes.

A mistake has many repairs: every value between its line and the tensor can be put right. The first wrong value is the
mistake's own, with two exceptions, where an earlier line has a right value that the truth of another one would turn
into what a later, wrong line needs:

    dh = dlogits @ W2.T      right as dL/dh; with dL/dz in its place, dz = dh would be right as well
    dmu = -ddiff.sum(0)      right; with its sign reversed, dpre = ddiff - dmu / n would be right as well
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.implied import implied
from backprop.check.lines.local import local
from backprop.check.lines.origin import adds_right, is_computed_again, where_it_began
from backprop.check.lines.repair import Repair, is_named
from backprop.check.lines.search import Search
from backprop.check.lines.tensors import DIRECTIONS
from backprop.check.oracle import OutOfCalls
from backprop.check.words import is_gradient_of


def chosen(repairs: list[Repair], search: Search) -> list[Repair]:
    """For every wrong tensor the repair that comes first, in the order of their first wrong values."""
    for repair in repairs:
        _mark_first_wrong(repair, search)
    repairs = [each for each in repairs if each.tensors or not each.is_right]
    ranked = sorted(repairs, key=lambda each: search.order[each.event])
    found: list[Repair] = []
    culprits = {name: _culprits(name, ranked, search) for name in search.wrong}
    for name, own in sorted(culprits.items(), key=lambda each: _first(each[1], search)):
        if not any(name in each.tensors for each in found):
            found += [each for each in own if each not in found]
    # Repairs that explain a tensor together have none that they make right alone.
    tensors = frozenset(name for name, own in culprits.items() if own).union(
        *(each.tensors for each in found)
    )
    with contextlib.suppress(OutOfCalls):  # what is found is proven
        earlier = local(repairs, found, tensors, search) if found else None
        if found and earlier is None:
            of_all = implied(found, tensors, search)
            found = [where_it_began(each, search) for each in ([of_all] if of_all else found)]
        found = [earlier] if earlier else found
    return sorted(found, key=lambda each: search.order[each.event])


def _first(repairs: list[Repair], search: Search) -> int:
    return min((search.order[each.event] for each in repairs), default=len(search.order))


def _culprits(name: str, ranked: list[Repair], search: Search) -> list[Repair]:
    """The first repair of one tensor; or, where several mistakes meet at its line, the repairs of these."""
    order = search.order
    alone: Repair | None = None
    # One line that explains all comes first, and a right value where nothing else is found.
    for repair in sorted(ranked, key=lambda each: (each.is_right, not each.tensors >= search.wrong)):
        if name in repair.tensors:
            alone = _where_it_turns_wrong(repair, ranked, search)
            if alone is not None:
                break
    if len(search.wrong) > 1:
        return [] if alone is None else [alone]
    end = np.inf if alone is None else order[alone.event]
    values = search.truth.base.values
    pool = [r for r in ranked if r.factor == 1 and order[r.event] < end and np.any(values[r.event])]
    for some in _together(name, [r for r in pool if not r.is_right and name not in r.tensors], search):
        # One line that explains what several later ones would have to, each with its own mistake, is the wrong one.
        earlier = [r for r in ranked if order[r.event] < order[some[0].event]]
        for repair in earlier:
            is_whole = name in repair.tensors and repair.factor == 1 and not repair.is_right
            one = _where_it_turns_wrong(repair, earlier, search) if is_whole else None
            if one is not None:
                return [one]
        if not any(search.recognised(r.event, search.sides.forward, r.ahead) for r in some):
            return some
    return [] if alone is None else [alone]


_MOST = 60
"""Repairs of which some are taken together: the first ones."""


def _together(name: str, pool: list[Repair], search: Search) -> Iterator[list[Repair]]:
    """Two or three repairs, in different lines, that make a tensor right together; the first ones first."""
    error, slack = search.truth.off(name), search.truth.tolerance((name,))
    shares = [(r, error - r.rest) for r in pool]
    shares = [(r, share) for r, share in shares if np.any(np.abs(share) > slack)][:_MOST]
    for size in (2, 3):
        for some in itertools.combinations(shares, size):
            if abs(error[0] - sum(share[0] for _, share in some)) > slack[0]:
                continue
            explained = np.all(np.abs(error - sum(share for _, share in some)) <= slack)
            if explained and len({r.group.site.line for r, _ in some}) == size:
                yield [r for r, _ in some]


def _mark_first_wrong(repair: Repair, search: Search) -> None:
    """Find the first execution whose value is not the truth, and whether the code's value is right all along."""
    if repair.target.group is None:
        return
    truth = search.truth
    wrong: int | None = None
    repair.is_right = True
    for k, (back, forward) in enumerate(repair.pairs):
        value = truth.base.values[back]
        factor = truth.factor(value, forward)
        if factor is None and truth.is_zero(value, forward):
            continue  # such as what the last step of a recurrence hands back to itself
        if wrong is None and (factor is None or abs(factor * repair.factor - 1) > truth.rtol):
            wrong = repair.first = k
        repair.is_right &= factor == 1
        if wrong is not None and not repair.is_right:
            return


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
        and (len(each.pairs) == len(each.group.events) or each.target.group is None)
    ]
    if later and (_is_gradient(repair, search) or is_computed_again(repair, search)):
        return None  # what a later line does to it is wrong
    ends = [
        order[each.event]
        for each in ranked
        if each.is_right and is_named(each) and each.tensors >= repair.tensors
    ]
    if any(order[repair.event] < end <= order[each.event] for end in ends for each in later):
        return None
    known = search.recognised(repair.event, search.sides.whole + search.sides.parameters, repair.ahead)
    # Later lines may multiply all of these derivatives by the same factor.
    rights = [g for g, _, k in known if k == 1 or abs(k * repair.factor - 1) <= search.truth.rtol]
    own = repair.group.site.stem
    is_own = any(is_gradient_of(own, word) for g in rights for word in g.site.words)
    is_explained = is_own and any(each.factor == 1 for each in later)
    multiple = None if is_explained else _multiple(repair, search)
    if multiple is not None:
        plain = [] if repair.factor == 1 else [each for each in later if each.factor == 1]
        for each in plain:  # the line as a whole says more simply what is wrong
            if each.group.site.line == repair.group.site.line:
                return each
        is_natural = _is_natural(multiple, value) or not _is_natural(1 / repair.factor, value)
        if plain and is_natural:
            return None
        # A factor is missing where another variable gets the same value.
        copies = (r for r in later if np.array_equal(search.truth.base.values[r.event], value))
        return next((r for r in copies if r.group.site.is_copy), repair)
    # A container that is still empty; unless all that is added to it is right.
    if later and not np.any(value) and not any(adds_right(each, search) for each in later):
        return None
    seen = {word for group in rights for word in group.site.words}
    if not seen:
        return repair
    alike = []
    for each in ranked:
        if order[each.event] >= order[repair.event] and each.tensors & repair.tensors:
            if any(np.array_equal(search.truth.base.values[event], value) for event, _ in each.pairs):
                alike.append(each)
            elif each.tensors >= repair.tensors:  # what is equal after another value is so by chance
                break
    names = [each.group.site.stem or _name_of_line(each, alike) for each in alike]
    outer, name_of_outer = next(
        ((_depth(r, search), n) for r, n in zip(alike, names, strict=True) if n), (0, "")
    )
    if not any(map(search.is_gradient_name, names)) and not alike[0].group.site.is_copy:
        computed = alike[0]
        hands_back = {computed.group.site.line, *search.truth.base.recorder.callers[computed.event]}
        for each in alike:
            is_later = each.group.site.line not in hands_back and each.tensors >= repair.tensors
            if is_later and _depth(each, search) <= _depth(computed, search):
                return each
    wrong = []
    for k, (each, name) in enumerate(zip(alike, names, strict=True)):
        role = each.group.site.role
        if role == "passed" and any(r.group.site.role == "returned" for r in alike[k:]):
            continue  # a function that hands back what it was handed
        # It has another name inside a function that it was passed to.
        is_renamed = name not in ("", name_of_outer) and _depth(each, search) > outer
        if not name and role == "value":  # the variable that gets it says what it is
            name = next(filter(None, names[k:]), "")
        if is_renamed or not any(is_gradient_of(name, other) for other in seen):
            wrong.append(each)
    if wrong:
        return next((each for each in wrong if each.group.site.is_copy), wrong[0])
    after = [each for each in ranked if order[each.event] > order[alike[-1].event]]
    explained = frozenset[str]().union(*(each.tensors for each in after))
    return None if explained >= repair.tensors else alike[-1]


def _depth(repair: Repair, search: Search) -> int:
    """How many of the user's functions are on the call stack where the first wrong value is computed."""
    return len(search.truth.base.recorder.callers[repair.event])


def _is_gradient(repair: Repair, search: Search) -> bool:
    """Whether a value is the right gradient of the one tensor that it is to repair."""
    truth, value = search.truth, search.truth.base.values[repair.event]
    if len(repair.tensors) != 1 or repair.target.group is None:
        return False
    (name,) = repair.tensors
    return value.shape == truth.program.structure.leaf(name).shape and truth.is_right(name, value)


def _is_natural(factor: float, value: Array) -> bool:
    """Whether a derivative may be meant to be multiplied by a factor: by 1, or the number of what is summed."""
    sizes = (
        math.prod(some) for k in range(value.ndim + 1) for some in itertools.combinations(value.shape, k)
    )
    return any(abs(factor - each) < 1e-3 * each for each in sizes)


def _multiple(repair: Repair, search: Search) -> float | None:
    """How many times what it is to be the first wrong value is; None where it is no multiple."""
    truth = search.truth
    back, ahead = repair.pairs[repair.first]
    value = truth.base.values[back]
    if repair.target.group is not None:
        return truth.factor(value, ahead)
    name = repair.target.name
    if value.size != len(truth.directions[name][0]) or value.size == 1:
        return None
    slopes = [truth.slope((name,), j) for j in range(DIRECTIONS)]
    if not all(slopes):
        return None
    ratios = [truth.along({name: value}, (name,), j) / slope for j, slope in enumerate(slopes)]
    return ratios[0] if np.ptp(ratios) <= truth.rtol * np.max(np.abs(ratios)) else None


def _name_of_line(repair: Repair, alike: list[Repair]) -> str:
    """The variable to which the line of an operation assigns the same value."""
    site = repair.group.site
    names = (each.group.site.stem for each in alike if each.group.site.line == site.line)
    return next((name for name in names if name), "")
