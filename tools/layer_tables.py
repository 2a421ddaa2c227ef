"""The tables of the suite `layers` in docs/figures.md: the short form beside libraries, and every strategy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop import units
from backprop.bench.record import SHORT_FORM, Record, by_scenario
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import is_predicted, ran

_EVERY_RUNG = 8
"""The batch at which every strategy was measured."""


def networks(cells: Sequence[Record]) -> str:
    """A row for each network and batch: the short form's time, and every other strategy's as a multiple of it."""
    whole = [cell for cell in cells if cell.batch_size != _EVERY_RUNG]
    measured = dict.fromkeys(cell.strategy for cell in whole if cell.time_median_s is not None)
    others = [name for name in measured if name != SHORT_FORM]
    rows = []
    for (scenario, _), own in by_scenario(whole).items():
        known, _, batch = scenario.rpartition("-")
        found = {cell.strategy: cell for cell in own}
        short = found[SHORT_FORM]
        row = {"network": f"`{known}`", "batch": batch, "`short-form`": units.seconds(short.time_median_s)}
        row |= {f"`{name}`": _times(found.get(name)) for name in others}
        row["memory"] = units.data_size(short.peak_bytes)
        row["÷ predicted"] = units.small_ratio(short.peak_bytes / short.predicted_peak_bytes)
        rows.append(row)
    return markdown_table(rows)


def rungs(cells: Sequence[Record]) -> str:
    """A row for each strategy: its time and memory by network, as multiples of the short form's."""
    small = [cell for cell in cells if cell.batch_size == _EVERY_RUNG]
    rows: dict[str, dict[str, str]] = {}
    for (scenario, _), own in by_scenario(small).items():
        short = next(cell for cell in own if cell.strategy == SHORT_FORM)
        for cell in own:
            row = rows.setdefault(cell.strategy, {"strategy": f"`{cell.strategy}`"})
            row[f"`{scenario.rpartition('-')[0]}`"] = ", ".join(_time_and_memory(cell, short))
    return markdown_table(rows.values())


def _times(cell: Record | None) -> str:
    return units.ratio(cell.ratio_to_short_form) if cell is not None and ran(cell) else units.MISSING


def _time_and_memory(cell: Record, short: Record) -> Iterator[str]:
    if is_predicted(cell):
        yield f"≈ {units.ratio(cell.predicted_time_s / short.time_median_s)}"
    elif ran(cell):
        yield units.ratio(cell.ratio_to_short_form)
        yield units.ratio(cell.peak_bytes / short.peak_bytes)
    else:
        yield cell.status
