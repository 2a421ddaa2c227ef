"""Suspects: of several statements with an edit that makes all tensors right, the one with the mistake.

A part that is replaced by another says most. The sign of a value, a factor or a term can be put into many lines that
follow one another: of these the line is taken that was found by its value, or the last one, after all whose values
are derivatives, or multiples of them.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from backprop.check.lines.events import Event
from backprop.check.lines.expressions import Edit
from backprop.check.lines.groups import Group, alignments
from backprop.check.lines.result import Line
from backprop.check.lines.scopes import Place
from backprop.check.lines.search import Search
from backprop.check.oracle import OutOfCalls
from backprop.check.words import is_gradient_of


def choice(
    edits: Sequence[Edit], found: Mapping[int, tuple[Event, Line]], search: Search
) -> tuple[Edit | None, int | None]:
    """The edit of the wrong statement, or else the number of the wrong one of some lines; neither if all are.

    found: the lines that were found by their values, by the number of the site, each with its first wrong event.
    """
    by_place: dict[Place, Edit] = {}
    for edit in sorted(edits, key=lambda each: each.rank):
        by_place.setdefault(edit.place, edit)
    suspects = sorted(by_place.values(), key=lambda each: _order(each, search))
    kept = {(group.site.path, group.site.line) for group in search.sides.kept}
    if found and all((each.place[0], each.line) in kept for each in suspects):
        return None, None  # another value could as well be kept where the right one is read
    at = {number: each for number, (_, line) in found.items() for each in suspects if _is_of(each, line)}
    number = next(iter(at), None)
    rank = min(edit.rank for edit in suspects)
    alike = [each for each in suspects if each.rank == rank]
    if rank > 1 and number is not None:
        return None, number
    if rank > 1:
        alike = [each for each in alike if rank == 3 or not _is_derivative(each, search)] or suspects
        lines = [line for _, line in found.values()]
        is_sum = len(suspects) == 1 and any(_SUM.match(line.source) for line in lines)
        is_said = bool(found) and (rank == 3 or (says_why(lines) and not is_sum))
        return None if is_said else alike[-1], None
    if rank == 1 and len(found) == 1:
        return None, number
    end = min((search.order.get(event, np.inf) for event, _ in found.values()), default=np.inf)
    unlike = [e for e in alike if not _is_own_derivative(e, search)]
    if found and not unlike:
        return None, number
    earlier = (e for e in unlike if _last(e, search) < end)
    return next(earlier, None if number is not None else suspects[0]), number


def is_sure(edit: Edit, search: Search) -> bool:
    """Whether an edit that no other statement has says enough: no line needs to be found by its value."""
    return edit.rank == 0 and _event(edit, search) is not None and not _is_own_derivative(edit, search)


def inside(edit: Edit, search: Search) -> list[Group]:
    """The groups of the backward pass in the statement of an edit."""
    return [g for g in search.sides.backward if g.site.path == edit.place[0] and g.site.line in edit.lines]


def says_why(lines: Iterable[Line]) -> bool:
    """Whether none of the lines found by their values is a last resort: what is handed back, or solved for."""
    return not any(line.source.startswith("return") or line.should_be.startswith("a value") for line in lines)


_SUM = re.compile(r"[^=]*[-+]=")
"""A statement that adds to what there is: the whole may be wrong, and what is added right."""


def _is_own_derivative(edit: Edit, search: Search) -> bool:
    """Whether the first value of a statement is the derivative that its variable is named after: it seems right."""
    values = search.truth.base.values
    with contextlib.suppress(OutOfCalls):
        for group, of in itertools.product(_groups(edit, search), search.sides.whole):
            if any(is_gradient_of(group.site.stem, word) for word in of.site.words):
                firsts = {pairs[0] for pairs in alignments(group.events, of.events, search.order)}
                if any(search.truth.factor(values[back], ahead) == 1 for back, ahead in firsts):
                    return True
    return False


def _is_of(edit: Edit, line: Line) -> bool:
    return line.file == edit.place[0] and line.line in edit.lines


def _order(edit: Edit, search: Search) -> float:
    event = _event(edit, search)
    return np.inf if event is None else search.order[event]


def _last(edit: Edit, search: Search) -> float:
    """The last execution of what a statement assigns."""
    return max((search.order[g.events[-1]] for g in _groups(edit, search)), default=np.inf)


def _groups(edit: Edit, search: Search) -> list[Group]:
    """What a statement assigns, or computes."""
    groups = inside(edit, search)
    return [g for g in groups if g.site.name] or groups


def _event(edit: Edit, search: Search) -> Event | None:
    """The first execution of what a statement assigns."""
    return min((g.events[0] for g in _groups(edit, search)), key=search.order.__getitem__, default=None)


def _known(edit: Edit, search: Search) -> list[tuple[Group, Group, float]]:
    """By what the first values of a statement are the derivatives, times a factor."""
    found = []
    for group in _groups(edit, search):
        with contextlib.suppress(OutOfCalls):
            seen = search.recognised(group.events[0], search.sides.whole, (-1, 0))
            found += [(group, of, factor) for of, _, factor in seen]
    return found


def _is_derivative(edit: Edit, search: Search) -> bool:
    """Whether the value of a statement is the derivative by some value, or a multiple of it."""
    return bool(_known(edit, search))
