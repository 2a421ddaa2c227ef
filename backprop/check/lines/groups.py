"""Groups: all executions of one line, and which execution of a backward line belongs to which of a forward line.

A loop runs forward over t = 1 … T and back over t = T … 1; a helper function is called for layer 1, 2, then for 2, 1;
a loop over samples runs forward and back in each turn. In all three the last execution that is still open is the
first to be answered, as brackets are closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backprop.check.lines.events import Event
from backprop.check.lines.program import Outcome
from backprop.check.lines.sites import Site

Pair = tuple[Event, Event]
"""An event of the backward pass, and the event of the forward pass whose derivative it is to be."""
_MOST_LAGS = 2
"""Executions of the forward line that have none of the backward line: the first step, or the last layer."""


@dataclass(frozen=True)
class Group:
    """The executions of a site, in their order."""

    site: Site
    events: tuple[Event, ...]


def alignments(
    back: Sequence[Event], forward: Sequence[Event], order: Mapping[Event, int]
) -> Iterator[tuple[Pair, ...]]:
    """The ways in which executions of a backward line may belong to those of a forward line, the likeliest first.

    Of a sum over several executions, such as `dW += …`, the last one has the whole.
    """
    seen: set[tuple[Pair, ...]] = set()
    found: list[tuple[Pair, ...]] = [((back[-1], forward[0]),)] if len(forward) == 1 else []
    if len(back) <= len(forward):
        lags = range(_MOST_LAGS)
        found += [_nested(back, forward, order, lag) for lag in lags]
        found += [
            tuple(zip(back, forward[lag:], strict=False)) for lag in lags[: len(forward) - len(back) + 1]
        ]
    for pairs in found:
        if pairs and pairs not in seen:
            seen.add(pairs)
            yield pairs


def _nested(
    back: Sequence[Event], forward: Sequence[Event], order: Mapping[Event, int], lag: int
) -> tuple[Pair, ...]:
    """Pair each backward event with the last forward one that is open; `lag` of each run of these have none.

    As many of the last backward events may have none: they go with what was before the first turn.
    """
    is_back = set(back)
    opened: list[Event] = []
    pairs = []
    was_forward = False
    for event in sorted([*back, *forward], key=order.__getitem__):
        if event in is_back:
            if was_forward:
                del opened[len(opened) - lag :]
            if opened:
                pairs.append((event, opened.pop()))
            elif len(pairs) + lag < len(back):
                return ()
        else:
            opened.append(event)
        was_forward = event not in is_back
    return tuple(pairs)


def groups_of(base: Outcome, sites: Mapping[int, Site]) -> list[Group]:
    """The executions of each site that changed something in a run; sites in the order of their first one."""
    found: dict[int, list[Event]] = {}
    for event in base.values:
        found.setdefault(event[0], []).append(event)
    groups = [Group(sites[number], tuple(events)) for number, events in found.items()]
    return [group for group in groups if not base.recorder.unchanged.issuperset(group.events)]
