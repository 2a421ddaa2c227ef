"""Implied values: what a value of the backward pass would have to be, where it is the derivative by no variable.

A factor that several lines share, such as `inner = (dy * y).sum(1)` of a softmax or `common = g @ s.T` in one einsum,
has no forward value whose derivative it is. But the gradients are affine in it, g(b + δ) = g(b) + A δ. Where the
least squares of A δ = dL/dθ - g(b) leave nothing over, though there are more equations than unknowns, b + δ makes all
of them right: the line of b is the one that is wrong, and not several later ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event, put
from backprop.check.lines.groups import Group
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.lines.tensors import rms
from backprop.check.words import listed

_UNKNOWNS, _EQUATIONS, _TRIED = 40, 150, 6
"""Of one value; of the tensors that it moves; values that are tried, the last ones before the line that was found, of
those with a name and of sums inside a line."""
_OVER = 3
"""Equations beyond the unknowns, for a solution to be no chance."""
_POWERS = np.array([0.5, 1, 1.5, 2, 2.5, 3])


def implied(found: list[Repair], tensors: frozenset[str], search: Search) -> Repair | None:
    """An earlier value that explains all repairs at once; of one repair alone, a smaller value than its own.

    tensors: those that `found` makes right.
    """
    first = min(found, key=lambda each: search.order[each.event])
    truth = search.truth
    size = sum(len(truth.directions[name][0]) for name in tensors)
    if size > _EQUATIONS or not tensors <= truth.base.gradient.keys():
        return None
    most = min(_UNKNOWNS, size - _OVER)
    if len(found) == 1:
        most = min(most, truth.base.values[first.event].size - 1)
    before = [
        group
        for group in search.sides.backward
        if len(group.events) == 1
        and not search.repeats(group)
        and group.site.line != first.site.line
        and search.order[group.events[0]] < search.order[first.event]
    ]
    named = [group for group in before if group.site.name]
    # A sum inside a line whose variable is a derivative, or a multiple of one, is as right as that.
    lines = {group.site.line for group in named if not _recognised(group.events[0], search)}
    sums = [group for group in before if group.site.line in lines and _is_sum(group)]

    def may_be_wrong(group: Group) -> bool:
        value = truth.base.values[group.events[0]]
        return value.size <= most and search.response(group.events, (value.shape,)) is not None

    tried = [group for some in (named, sums) for group in list(filter(may_be_wrong, some))[-_TRIED:]]
    for group, shape in _shaped(tried, first, search):
        value = _solved(group, shape, tensors, search) if math.prod(shape) <= most else None
        if value is not None:
            said = f"a value with which {listed(sorted(tensors))} are right"
            return _with_value(first, group, value, said, tensors)
    return _lacking(first, named, search) if len(found) == 1 and first.target.group is not None else None


def _with_value(first: Repair, group: Group, value: Array, said: str, tensors: frozenset[str]) -> Repair:
    pairs = ((group.events[0], group.events[0]),)
    earlier = replace(first, group=group, pairs=pairs, tensors=tensors)
    return replace(earlier, first=0, factor=1.0, values=(value,), said=said)


def _lacking(first: Repair, named: list[Group], search: Search) -> Repair | None:
    """An earlier value c that is no derivative, and would make the found one right with a multiple of another value.

    The found value b is affine in c. With another value e in c + α e, the one number α is fitted to all of dL/dk.
    """
    truth, order, callers = search.truth, search.order, search.truth.base.recorder.callers
    values, expected = truth.base.values, truth.entries(first.ahead, _EQUATIONS)
    b = values[first.event].reshape(-1)
    if expected is None or b.size != expected.size or b.size <= _OVER:
        return None
    wanted = expected / first.factor - b
    slack = 10 * truth.rtol * float(np.max(np.abs(wanted + b))) + truth.noise
    for group in [each for each in named if callers[each.events[0]] == callers[first.event]][-_TRIED:]:
        (event,) = group.events
        c = values[event]
        if c.size != b.size or _recognised(event, search):
            continue
        for other, e in values.items():
            is_before = (
                order[other] < order[event] and callers[other] == callers[event] and e.shape == c.shape
            )
            if not is_before or np.linalg.matrix_rank(np.stack([e.reshape(-1), c.reshape(-1)])) < 2:
                continue
            outcome = truth.program.run(changes={event: put(c + e)}, wanted=frozenset([first.event]))
            moved = outcome.values[first.event].reshape(-1) - b if outcome else np.zeros(b.size)
            alpha = float(moved @ wanted) / (float(moved @ moved) or 1.0)
            if np.any(moved) and np.max(np.abs(wanted - alpha * moved)) <= slack:
                said = f"{group.site.name} {alpha:+.4g} · {search.sites[other[0]].text}"
                return _with_value(first, group, c + alpha * e, said, first.tensors)
    return None


def _recognised(event: Event, search: Search) -> bool:
    return bool(search.recognised(event, search.sides.whole, (-1, 0)))


def _is_sum(group: Group) -> bool:
    """Whether a group is an operation inside a line that sums over axes."""
    text = "" if group.site.name else group.site.text
    return re.search(r"\b(sum|mean|einsum|dot|trace)\([^()]*(\([^()]*\)[^()]*)*\)$", text) is not None


def _shaped(groups: list[Group], first: Repair, search: Search) -> Iterator[tuple[Group, tuple[int, ...]]]:
    """Each group with its shape; then those that were summed over an axis, with each other axis summed."""
    values, others = search.truth.base.values, list[tuple[Group, tuple[int, ...]]]()
    whole = values[first.event].shape
    sums = [(*whole[:k], 1, *whole[k + 1 :]) for k in range(len(whole))]
    for group in groups:
        own = values[group.events[0]].shape
        yield group, own
        broadcast = (*(1,) * (len(whole) - len(own)), *own)
        others += [(group, shape) for shape in sums if broadcast in sums and shape != broadcast]
    yield from others


def _solved(group: Group, shape: tuple[int, ...], tensors: frozenset[str], search: Search) -> Array | None:
    """The value of a shape that makes all these tensors right and changes no other one; None where there is none."""
    truth, events = search.truth, group.events
    response = search.response(events, (shape,))
    names = [name for name in truth.program.structure.names if name in tensors]
    moved = {name for name in truth.program.structure.names if response and response.moves(name)}
    if moved != tensors:
        return None
    own, gradient = truth.base.values[events[0]].astype(np.float64), truth.base.gradient
    is_own = own.shape == shape
    if not is_own and response:
        own, gradient = response.random[events[0]], response.at_random
    total = sum(gradient[name].size for name in names)
    count = min(own.size + 2 * _OVER, total)
    if not truth.program.budget.room(own.size + 2 * count) or _leads_forward(events[0], search):
        return None
    along, expected = truth.random_slopes(tuple(names), count)
    base = along @ _flat(gradient, names)
    columns = []
    for unit in np.eye(own.size):
        outcome = search.truth.program.replaced(events, [own + rms(own) * unit.reshape(own.shape)])
        if outcome is None or not set(names) <= outcome.gradient.keys():
            return None
        columns.append((along @ _flat(outcome.gradient, names) - base) / rms(own))
    wanted: Array = expected - base
    delta, _, rank, _ = np.linalg.lstsq(np.stack(columns, axis=1), wanted, rcond=1e-9)
    rest = wanted - np.stack(columns, axis=1) @ delta
    slack = 10 * truth.rtol * float(np.max(np.abs(wanted))) + truth.noise
    if len(wanted) < rank + _OVER or np.max(np.abs(rest)) > slack:
        return None
    solved: Array = own.reshape(-1) + delta
    is_moved = np.any(np.stack(columns), axis=1)
    is_factor = is_own and _is_factor(own.reshape(-1), solved, is_moved, search)
    if is_factor or _recognised(events[0], search):
        return None
    value: Array = solved.reshape(own.shape)
    return value if search.truth.makes_right(search.truth.program.replaced(events, [value]), names) else None


def _leads_forward(event: Event, search: Search) -> bool:
    """Whether values of the forward pass follow from a value, as from the maximum that a softmax takes off."""
    truth = search.truth
    moved = put(truth.base.values[event] + rms(truth.base.values[event]))
    forward = frozenset(each for group in search.sides.whole for each in group.events)
    outcome = truth.program.run(changes={event: moved}, wanted=forward)
    values = {} if outcome is None else outcome.values
    return any(not np.array_equal(value, truth.base.values[each]) for each, value in values.items())


def _flat(gradient: dict[str, Array], names: list[str]) -> Array:
    return np.concatenate([gradient[name].reshape(-1) for name in names])


def _is_factor(got: Array, expected: Array, which: Array, search: Search) -> bool:
    """Whether two values differ by a factor, a constant or a power of another value, which a later line may lack."""
    with np.errstate(all="ignore"):
        ratio = (expected / got)[which]
        if not np.all(np.isfinite(ratio)) or np.ptp(ratio) <= 1e-4 * np.max(np.abs(ratio)):
            return bool(np.all(np.isfinite(ratio)))
        logs = np.log(np.abs(ratio))
        for value in search.truth.base.values.values():
            if value.size == len(got) and np.ptp(value) and len(ratio) > 2:
                x = np.log(np.abs(value.astype(np.float64).reshape(-1)[which]))
                power, rest = np.polyfit(x, logs, 1) if np.all(np.isfinite(x)) else (0.0, 0.0)
                is_power = np.min(np.abs(np.abs(power) - _POWERS)) < 1e-3
                if is_power and np.max(np.abs(power * x + rest - logs)) < 1e-3:
                    return True
    return False
