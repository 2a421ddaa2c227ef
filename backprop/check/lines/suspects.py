"""Suspects: of several statements with an edit that makes all tensors right, the one with the mistake.

A part that is replaced by another says most. The sign of a value, a factor or a term can be put into many lines that
follow one another: of these the line is taken that was found by its value, or the last one, after all whose values
are derivatives, or multiples of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backprop.check.lines.edits import Edit
from backprop.check.lines.events import Event
from backprop.check.lines.result import Line
from backprop.check.lines.scopes import Place
from backprop.check.lines.search import Search
from backprop.check.oracle import OutOfCalls


def choice(
    edits: Sequence[Edit], lines: Mapping[int, Line], search: Search
) -> tuple[Edit | None, int | None]:
    """The edit of the wrong statement, or else the number of the wrong one of some lines; neither if all are.

    lines: that were found by their values, by the number of the site.
    """
    by_place: dict[Place, Edit] = {}
    for edit in sorted(edits, key=lambda each: each.rank):
        by_place.setdefault(edit.place, edit)
    suspects = sorted(by_place.values(), key=lambda each: _order(each, search))
    rank = min(edit.rank for edit in suspects)
    alike = [each for each in suspects if each.rank == rank]
    at = {number: each for number, line in lines.items() for each in suspects if _is_of(each, line)}
    number = next(iter(at), None)
    if rank == 3:
        return (None if lines else suspects[-1]), number
    if rank == 2:
        alike = [each for each in alike if not _is_derivative(each, search)] or suspects
        is_found = any(one is each for one in at.values() for each in alike)
        return (None if is_found else alike[-1]), number
    end = np.inf if number is None else _order(at[number], search)
    earlier = (e for e in alike if _order(e, search) < end and not _is_derivative(e, search, 1.0))
    return next(earlier, None if number is not None else suspects[0]), number


def _is_of(edit: Edit, line: Line) -> bool:
    return line.file == edit.place[0] and line.line in edit.lines


def _order(edit: Edit, search: Search) -> float:
    event = _event(edit, search)
    return np.inf if event is None else search.order[event]


def _event(edit: Edit, search: Search) -> Event | None:
    """The first execution of what a statement assigns."""
    groups = [g for g in search.sides.backward if g.site.path == edit.place[0] and g.site.line in edit.lines]
    whole = [g for g in groups if g.site.name] or groups
    return min((g.events[0] for g in whole), key=search.order.__getitem__, default=None)


def _is_derivative(edit: Edit, search: Search, factor: float | None = None) -> bool:
    """Whether the value of a statement is the derivative by some value: times a factor, of any size if None."""
    event = _event(edit, search)
    try:
        known = [] if event is None else search.recognised(event, search.sides.whole, (-1, 0))
    except OutOfCalls:
        return False
    return any(factor in (None, own) for _, _, own in known)
