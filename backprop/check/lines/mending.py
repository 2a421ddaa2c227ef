"""Mending: one edit of one statement that makes all wrong tensors right, and changes neither the loss nor the others.

Such a statement is wrong, whatever its value means: a count, an index, a step within a local slope, a line of a
function that is called several times. Where several statements have such an edit, each is a suspect: dz = -dh and
dh = -dy would mend the same sign.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop.check.lines.edits import edited, switched_on
from backprop.check.lines.events import Recorder
from backprop.check.lines.exchange import Exchange
from backprop.check.lines.expressions import Edit
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.scopes import Place, scopes_of
from backprop.check.lines.search import Search
from backprop.check.words import is_gradient_of

_SHARE = 1 / 3
"""The share of all calls that trials of edits may take."""
_SAME_LOSS, _ROUNDINGS = 1e-12, 1e3
"""Of the loss, what rounding may change; and roundings of a gradient."""


Moved = Mapping[tuple[str, int], frozenset[str] | None]
"""By line of the backward pass the tensors that depend on its values; None where that is not known."""


@dataclass(frozen=True)
class Mending:
    """The edits that make some wrong tensors right: all of them, or as many as any edit does."""

    edits: tuple[Edit, ...] = ()
    tensors: frozenset[str] = frozenset()


def moved_by(moved: Moved, path: str, lines: Iterable[int]) -> list[frozenset[str] | None]:
    """What each of some lines moves, of those that belong to the backward pass."""
    return [moved[path, line] for line in lines if (path, line) in moved]


def mending(search: Search, moved: Moved, exchange: Exchange) -> Mending:
    """The edits that make wrong tensors right; those that put something in only where there are no others.

    To be called while the code has no probes.
    """
    truth, wrong = search.truth, search.wrong
    program = _without_probes(truth.program, truth.base)
    ahead = {(group.site.path, group.site.line) for group in search.sides.whole}

    def may_be_wrong(place: Place, lines: tuple[int, ...]) -> bool:
        own = moved_by(moved, place[0], lines)
        if own:
            return any(each is None or each & wrong for each in own)
        return not any((place[0], line) in ahead for line in lines)

    def stage(edit: Edit) -> tuple[bool, bool, bool, bool]:
        own = moved_by(moved, edit.place[0], edit.lines)
        is_part = bool(own) and None not in own and not frozenset().union(*filter(None, own)) >= wrong
        # A line that moves right tensors as well is less likely to be wrong, and one whose values are not known.
        return edit.is_added, is_part, any(each is not None and each > wrong for each in own), not own

    shapes = {}
    for event, value in truth.base.values.items():
        site = search.sites[event[0]]
        shapes[site.path, site.line, site.name] = value.shape
    scopes = scopes_of(exchange, lambda: program.answer(Recorder()))
    best = Mending()
    with edited(exchange, scopes, may_be_wrong, shapes) as edits:
        unchanged = program.run()
        if unchanged is None or not _has_same_loss(unchanged, truth.base):
            return best
        last = program.budget.used + min(int(_SHARE * program.budget.limit), program.budget.left)
        for (is_added, *_), tried in itertools.groupby(sorted(edits, key=stage), stage):
            if is_added and any(edit.rank == 0 for edit in best.edits):
                break
            mended = [_mended(e, program, search) for e in tried if program.budget.used < last]
            most = max((right for _, right in mended), key=len, default=best.tensors)
            if len(most) > len(best.tensors):
                most_right = [edit for edit, right in mended if right == most]
                # Of a statement, a number says least: 0.5 should be 1.0.
                best = Mending(tuple(sorted(most_right, key=lambda edit: edit.old[0].isdigit())), most)
            if best.tensors == wrong:
                break
    return best


def _right_lines(search: Search) -> set[tuple[str, int]]:
    """The lines of which each assigns, once, the derivative that its variable is named after: they are not wrong."""
    named: dict[tuple[str, int], list[bool]] = {}
    for group in search.sides.backward:
        if group.site.name:
            of = [
                g for g in search.sides.whole if any(is_gradient_of(group.site.stem, w) for w in g.site.words)
            ]
            is_right = len(group.events) == 1 and any(
                factor == 1 for *_, factor in search.recognised(group.events[0], of, (-1, 0))
            )
            named.setdefault((group.site.path, group.site.line), []).append(is_right)
    return {line for line, rights in named.items() if all(rights)}


def _mended(edit: Edit, program: Program, search: Search) -> tuple[Edit, frozenset[str]]:
    """The edit, and the wrong tensors that it makes right; none where it changes the loss or spoils a right one."""
    truth, none = search.truth, (edit, frozenset[str]())
    with switched_on(edit):
        outcome = program.run()
    if outcome is None or not _has_same_loss(outcome, truth.base):
        return none
    if not all(np.all(np.isfinite(each)) for each in outcome.gradient.values()):
        return none
    names = truth.program.structure.names
    changed = [name for name in names if name in search.wrong or truth.differs(outcome, name)]
    right = frozenset(name for name in changed if truth.makes_right(outcome, [name]))
    if not right >= set(changed) - search.wrong:
        return none
    right &= search.wrong
    if right != search.wrong and all(truth.is_flat(name) for name in right):
        return none  # zero is right by chance: many an edit makes a value zero
    is_scale = edit.is_scale or _is_multiple(outcome, truth.base, right)
    return replace(edit, is_scale=is_scale), right


def _is_multiple(new: Outcome, old: Outcome, names: Iterable[str]) -> bool:
    """Whether the gradients of some tensors are a multiple of others, the same for all of them."""
    if not all(name in old.gradient for name in names):
        return False
    after, before = (np.concatenate([one.gradient[n].ravel() for n in names]) for one in (new, old))
    factor = float(after @ before) / float(before @ before) if np.any(before) else 0.0
    return bool(np.max(np.abs(after - factor * before)) <= _ROUNDINGS * old.eps * np.max(np.abs(after)))


def _has_same_loss(outcome: Outcome, base: Outcome) -> bool:
    return abs(outcome.loss - base.loss) <= _SAME_LOSS * abs(base.loss)


def _without_probes(program: Program, base: Outcome) -> Program:
    """The program where its loss is not that of an event, which is seen only with probes."""
    if program.loss_of is None:
        return program

    def function(*arguments: Any) -> tuple[float, Any]:
        return base.loss, program.function(*arguments)[1]

    return replace(program, function=function, output=None, loss_of=None)


def moved_by_lines(search: Search) -> Moved:
    """What the lines of the backward pass move, where the code does not raise with other values in their place.

    A line that is right moves nothing that is wrong.
    """
    found: dict[tuple[str, int], frozenset[str] | None] = {}
    shapes, right = search.truth.shapes, _right_lines(search)
    lost = any(name not in search.truth.base.gradient for name in search.wrong)  # nothing is seen to move it
    for group in search.sides.backward:
        key = group.site.path, group.site.line
        before = found.get(key, frozenset())
        ahead = search.responses.random_run(group.events, shapes(group.events))[1]
        is_moved = ahead is None or any(search.truth.differs(ahead, name) for name in search.wrong)
        is_known = not is_moved or search.response(group.events, shapes(group.events)) is not None
        is_known &= not lost
        moved = frozenset(search.moved(group)) if is_known else None
        found[key] = None if before is None or moved is None else before | moved
    return {line: frozenset() if line in right else moved for line, moved in found.items()}
