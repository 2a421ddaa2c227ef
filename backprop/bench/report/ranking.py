"""The one ranking of a run, for terminal, Markdown and page alike.

A cell is a `Record`, or a row of a frame as `frame.tuples` gives it: both have the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from backprop.bench.report import units

HEADLINE = ("mnist-32", "float64")
"""Scenario and dtype that README shows, and that the page of a run opens with where the run has them."""

_NOT_RUN = ("over-time-budget", "over-memory-budget", "predicted")
"""Statuses of cells that were left out before they began: their predictions may stand beside measured times."""


def ranked(cells: Iterable[Any]) -> list[Any]:
    """Right cells by time, then wrong cells by time, then cells that did not run, by predicted time."""
    return sorted(cells, key=_order)


def _order(cell: Any) -> tuple[float, ...]:
    """What cells are sorted by; a missing time comes last."""
    times = (cell.time_median_s, cell.predicted_time_s)
    group = {"ok": 0.0, "disagrees": 1.0}.get(cell.status, 2.0)
    return group, *(math.inf if units.missing(time) else float(time) for time in times)


def rank(cell: Any) -> str:
    """2, or 1-3 where the cell cannot be told from its neighbours; a wrong cell has no rank."""
    return units.rank(cell.rank_best, cell.rank_worst) if cell.status == "ok" else ""


def by_scenario(cells: Iterable[Any]) -> dict[tuple[str, str], list[Any]]:
    """The cells of every scenario and dtype, in the order in which the run has them."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for cell in cells:
        groups.setdefault((str(cell.scenario), str(cell.dtype)), []).append(cell)
    return groups


def ran(cell: Any) -> bool:
    """Whether the cell is right and was timed."""
    return cell.status == "ok" and not units.missing(cell.time_median_s)


def is_predicted(cell: Any) -> bool:
    """Whether a prediction stands in place of a time that was not measured."""
    return cell.status in _NOT_RUN and not units.missing(cell.predicted_time_s)
