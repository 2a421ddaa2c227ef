"""Overwritten sums: a line that assigns a part of a derivative where it should add it to what is there already.

    dW[l] = np.outer(delta, a)      in a loop over the samples: only the last one is left
    dx = dz @ W.T                   where dx held what another path gave

No value of such a line is wrong. It is proven by a trial, in which every value is added to what its variable held.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group
from backprop.check.lines.repair import Repair, Target
from backprop.check.lines.search import Search
from backprop.check.lines.tensors import DIRECTIONS


def overwriting(search: Search) -> Repair | None:
    """The first line that overwrites a sum: adding makes wrong tensors right and no right one wrong."""
    truth, program, values = search.truth, search.truth.program, search.truth.base.values
    groups = {group.site.number: group for group in search.sides.backward if _may_overwrite(group)}
    seen = program.run(targets={number: group.site.name for number, group in groups.items()})
    sums = {} if seen is None else seen.recorder.sums
    for number, group in groups.items():
        if not any(event in sums and np.any(sums[event] != values[event]) for event in group.events):
            continue
        outcome = program.run(targets={number: group.site.name}, adding={number})
        if outcome is None or abs(outcome.loss - truth.base.loss) > 1e-12 * abs(truth.base.loss):
            continue
        moved = {name for name in outcome.gradient if truth.differs(outcome, name)}
        right = {name for name in moved if truth.is_right(name, outcome.gradient[name])}
        if right & search.wrong and moved <= right | search.wrong | search.others:
            return _repair(group, right & search.wrong, outcome.recorder.sums, search)
    return None


def _repair(group: Group, tensors: set[str], sums: dict[Event, Array], search: Search) -> Repair:
    pairs = tuple((event, event) for event in group.events if event in sums)
    values = search.truth.base.values
    first = next(k for k, (event, _) in enumerate(pairs) if np.any(sums[event] != values[event]))
    return Repair(
        group,
        Target(min(tensors)),
        pairs,
        frozenset(tensors),
        factor=1.0,
        rest=np.zeros(DIRECTIONS),
        first=first,
        values=tuple(sums[event] for event, _ in pairs),
        said=f"{group.site.name} + {group.site.text}",
        is_overwriting=True,
    )


def _may_overwrite(group: Group) -> bool:
    """Whether the line assigns to a variable, or a place, whose code can be read again."""
    site = group.site
    return (
        site.role == "value" and bool(site.name) and "(" not in site.name and not site.name.startswith("_[")
    )
