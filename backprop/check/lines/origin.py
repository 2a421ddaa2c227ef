"""Origins: the line that first computed a wrong value, where the first repair is at a line that only passes it on."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event, put
from backprop.check.lines.repair import Repair, is_named
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.tensors import rms


def where_it_began(repair: Repair, search: Search) -> Repair:
    """The repair, moved to the line that first computed its wrong value, for instance in a function that returned it.

    Where several statements change an array in turn, it is the last one that changed wrong entries.
    """
    order, values, callers = search.order, search.truth.base.values, search.truth.base.recorder.callers
    value, ahead = values[repair.event], repair.ahead

    is_known = any(factor == 1 for _, _, factor in search.recognised(repair.event, search.sides.whole, ahead))
    is_tensor = repair.target.group is None and not repair.values
    if is_known or is_tensor or not np.any(value) or is_computed_again(repair, search):
        return repair
    repair.at = _call(repair, search)
    for group in search.sides.backward if repair.at is None else ():
        events = [event for event in group.events if order[event] < order[repair.event]]
        same = [
            each
            for each in events
            if len(callers[each]) > len(callers[repair.event]) and np.array_equal(values[each], value)
        ]
        # The value is right for the other callers of the function.
        if len({callers[event][:1] for event in group.events}) > 1 and len(repair.pairs) == 1:
            continue
        if same and group.site.role != "passed" and _hands_on(same[-1], repair.event, search):
            return replace(repair, group=group, pairs=((same[-1], ahead),), first=0)
    if len(repair.pairs) == 1 and repair.at is None and not repair.values:
        changed = repair.group.site.role == "change"
        repair.at = _mask(repair, search) or (_last_change(repair, search) if changed else None)
    return repair


def _call(repair: Repair, search: Search) -> Site | None:
    """The argument of the call that is to blame where a function's value was right in all calls before.

    None where the function is called from one line only, or is wrong in its first call.
    """
    truth, order = search.truth, search.order
    callers, values = truth.base.recorder.callers, truth.base.values
    before = [back for back, _ in repair.pairs if order[back] < order[repair.event] and np.any(values[back])]
    known, own = {callers[each] for each in before}, callers[repair.event]
    if not known or own in known:
        return None
    # The outermost call that is another one: own[k] is its line, own[k + 1 :] are those of the function it is in.
    k = max(k for k in range(len(own)) if all(each[k - len(own) :] != own[k:] for each in known))
    handed = [
        event
        for event in order
        if order[event] < order[repair.event] and callers[event] == own[k + 1 :]
        if search.sites[event[0]].line == own[k] and search.sites[event[0]].role in ("passed", "value")
    ]
    return search.sites[handed[-1][0]] if handed else None


def adds_right(repair: Repair, search: Search) -> bool:
    """Whether a statement adds the right derivative by one use of a variable to a sum that is wrong."""
    if repair.target.group is None or repair.target.group.site.is_use:
        return False
    site, order = repair.group.site, search.order
    added = _added(site)
    same = {
        number
        for number, each in search.sites.items()
        if (each.path, each.line, each.text) == (site.path, site.line, added)
    }
    before = [event for event in order if event[0] in same and order[event] < order[repair.event]]
    uses = [
        each for each in search.sides.targets if each.site.is_use and each.site.text == repair.target.name
    ]
    known = search.recognised(before[-1], uses, repair.ahead) if before else []
    return any(abs(abs(factor) - 1) <= search.truth.rtol for _, _, factor in known)


def _added(site: Site) -> str:
    """What a statement, `x += a` or `x = x + a`, adds to its variable; empty for any other one."""
    statement = ast.parse(site.text if site.role == "change" else f"{site.name or '_'} = {site.text}").body[0]
    match statement:
        case ast.AugAssign(op=ast.Add() | ast.Sub()):
            return ast.unparse(statement.value)
        case ast.Assign(value=ast.BinOp(op=ast.Add() | ast.Sub()) as both):
            return ast.unparse(both.right) if ast.unparse(both.left) == site.name else ""
    return ""


def is_computed_again(repair: Repair, search: Search) -> bool:
    """Whether the value, an array of several numbers, repeats one of the forward pass, under its name or none.

    A derivative by its name, such as `dp = p - t` where n is missing, is meant to be one.
    """
    if search.truth.base.values[repair.event].size == 1 or is_named(repair):
        return False
    stem = repair.group.site.stem
    return any(
        "" in (stem, site.stem) or site.stem == stem
        for site in search.sides.holding(repair.event, search.sides.whole)
    )


def _hands_on(one: Event, other: Event, search: Search) -> bool:
    """Whether a later event only passes on the value of an earlier one."""
    new = search.truth.rng.standard_normal(search.truth.base.values[one].shape)
    outcome = search.truth.program.run(changes={one: put(new)}, wanted=frozenset([other]))
    return outcome is not None and np.array_equal(outcome.values.get(other, 0), new)


_FEW = 150
"""The truth of a value with at most this many entries is computed entry by entry."""


def _wrong_entries(repair: Repair, search: Search, value: Array | None = None) -> Array:
    """A mask (size,) of the wrong entries of `value`, by default the repair's; all False where there are too many."""
    truth = search.truth
    got = (truth.base.values[repair.event] if value is None else value).reshape(-1)
    expected = truth.entries(repair.ahead, _FEW)
    if expected is None or expected.size != got.size:
        return np.zeros(got.size, bool)
    found: Array = np.abs(got - expected / repair.factor) > truth.rtol * rms(expected) + truth.noise
    return found


def _mask(repair: Repair, search: Search) -> Site | None:
    """The line of a boolean mask that makes the value right once the mask is reversed at the wrong entries."""
    truth, off = search.truth, _wrong_entries(repair, search)
    value = truth.base.values[repair.event]
    for event, mask in truth.base.recorder.masks.items() if np.any(off) else ():
        site = search.sites[event[0]]
        if not site.name.isidentifier() or mask.shape != value.shape:
            continue
        reversed_ = np.logical_xor(mask, off.reshape(mask.shape))
        outcome = truth.program.run(changes={event: put(reversed_)}, wanted=frozenset([repair.event]))
        if outcome is None or outcome.loss != truth.base.loss or repair.event not in outcome.values:
            continue
        if not np.any(_wrong_entries(repair, search, outcome.values[repair.event])):
            return site
    return None


def _last_change(repair: Repair, search: Search) -> Site | None:
    """The last statement that changed any of an array's wrong entries; None where that is not known."""
    values, root = search.truth.base.values, _root(repair.group.site)
    after, site, off = values[repair.event].reshape(-1), repair.group.site, _wrong_entries(repair, search)
    if not np.any(off):
        return None
    before = [
        group
        for group in search.sides.backward
        if _root(group.site) == root
        and (group.site.role == "change" or "[" not in group.site.name)  # the whole array, and no entry
        and search.order[group.events[-1]] < search.order[repair.event]
    ]
    for group in sorted(before, key=lambda each: search.order[each.events[-1]], reverse=True):
        value = values[group.events[-1]].reshape(-1)
        if value.size != after.size or np.any((value != after) & off):
            break
        after, site = value, group.site
        if site.role != "change":
            break
    return site


def _root(site: Site) -> tuple[str, str]:
    return site.path, re.split(r"[.\[]", site.name)[0]
