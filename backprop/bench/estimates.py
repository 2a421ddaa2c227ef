"""Estimates: every figure of a record that follows from the turns of its scenario, formed from the journal alone.

figures    times, shares of the machine's limits, and ratios with their intervals, cell by cell
unstable   what speaks against the times of a cell, in words
claims     what is faster than what, and the ranks: among all comparisons of the run at once (Holm)

A measurement forms the figures when it writes its records, and a reader forms both when it reads them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from backprop.bench.baselines import LOSS, PRODUCTS, TWIN
from backprop.bench.journal import Run, read_journal
from backprop.bench.record import NOT_BEGUN, SHORT_FORM, Description, Record, grouped
from backprop.bench.statistics import (
    SAME,
    SIGNIFICANCE,
    SMALLEST_CLAIM,
    STARTS_TO_CLAIM,
    Starts,
    holm,
    noise_floor,
    ratio_of,
    time_of,
    too_few,
    verdict,
)

BUSY = 1.5
"""The noise floor from which on a machine was too busy to publish its times; an idle one stays below 1.15."""
_NOT_RUN = (*NOT_BEGUN, "unsupported", "unavailable")


def read_run(folder: Path) -> Run:
    """The run in a folder, its records with all their estimates; raises `RecordError` as `read_journal` does."""
    run = read_journal(folder)
    _find_groups(run.description, run.records)
    figures(run.records)
    claims(run.records)
    return run


# Figures ----------------------------------------------------------------------------------------------


def figures(records: Sequence[Record]) -> None:
    """Fill in the figures that follow from each cell's turns. A cell with a single start is left as it is."""
    for cells in grouped(records, lambda record: (*_scenario(record), record.turns_group)).values():
        turns = {cell.strategy: cell.samples_s for cell in cells}
        for cell in cells:
            turns |= cell.baselines_s
        turns = {label: starts for label, starts in turns.items() if len(starts) > 1}
        floor = _floor(cells, turns)
        for cell in cells:
            if _starts(cell) > 1:
                _fill_in_time(cell)
                if cell.turns_group is not None:
                    cell.noise_floor = floor
                    if floor is not None and floor > BUSY:
                        _is_unstable(
                            cell, "busy machine", f"one strategy under two names differs by {floor:.2f}x"
                        )
                    _fill_in_ratios(cell, turns)


def _floor(cells: Sequence[Record], turns: Mapping[str, Starts]) -> float | None:
    """The noise floor of the A/A pair. Older journals lack the pair's turns; of their floors the largest counts."""
    if SHORT_FORM in turns and TWIN in turns:
        return noise_floor(ratio_of(turns[TWIN], turns[SHORT_FORM], together=True))
    return max((cell.noise_floor for cell in cells if cell.noise_floor is not None), default=None)


def _fill_in_time(cell: Record) -> None:
    estimate = time_of(cell.samples_s).estimate
    cell.time_median_s, cell.time_low_s, cell.time_high_s = estimate.value, estimate.low, estimate.high
    if cell.predicted_flops is not None and cell.limit_flops_per_s:
        cell.flops_share = cell.predicted_flops / estimate.value / cell.limit_flops_per_s
    if cell.predicted_bytes_moved is not None and cell.limit_bytes_per_s:
        cell.bandwidth_share = cell.predicted_bytes_moved / estimate.value / cell.limit_bytes_per_s
    first = first_turns(cell.samples_s)
    if first is not None:
        _is_unstable(cell, "warm-up", f"the first turn of a start took {first:.2f} times the others")


def _is_unstable(cell: Record, kind: str, why: str) -> None:
    """Note why the times of a cell are not to be trusted, once of every kind."""
    if kind not in cell.unstable:
        cell.unstable = "; ".join(filter(None, [cell.unstable, f"{kind}: {why}"]))


def _fill_in_ratios(cell: Record, turns: Mapping[str, Starts]) -> None:
    """Fill in the ratios to whatever took the same turns. Without an A/A pair there is no ratio to the short form."""
    for name, baseline in (("ratio_to_loss", LOSS), ("ratio_to_products", PRODUCTS)):
        if baseline in turns:
            ratio = ratio_of(cell.samples_s, turns[baseline], together=True)
            setattr(cell, name, ratio.estimate.value)
    if cell.noise_floor is None or SHORT_FORM not in turns:
        return
    if cell.strategy == SHORT_FORM:
        cell.ratio_to_short_form = cell.ratio_low = cell.ratio_high = 1.0
        return
    ratio = ratio_of(cell.samples_s, turns[SHORT_FORM], together=True)
    cell.ratio_to_short_form = ratio.estimate.value
    cell.ratio_low, cell.ratio_high = ratio.estimate.low, ratio.estimate.high
    cell.p_value, cell.detectable = float(ratio.p_value), float(ratio.detectable)


def _find_groups(run: Description, records: Sequence[Record]) -> None:
    """Fill in `turns_group` where an older journal lacks it and its memory budget shows who took turns together.

    Strategies took turns in batches whose predicted memory fits the budget. Where all strategies of a scenario fit
    together, they were one batch.
    """
    if run.memory_budget_bytes is None or (run.settings or {}).get("place") != "one machine":
        return
    for cells in grouped(records, _scenario).values():
        ran = [cell for cell in cells if cell.status not in _NOT_RUN]
        known = any(cell.turns_group is not None for cell in ran)
        if not known and sum(cell.predicted_peak_bytes or 0 for cell in ran) <= run.memory_budget_bytes:
            for cell in ran:
                cell.turns_group = 0


# What speaks against times ----------------------------------------------------------------------------

# The bounds are chosen so that undisturbed starts pass, and a disturbed one is seen.
_FEWEST_STARTS, _APART, _SCATTERS = 4, 0.15, 6
"""Of at least so many starts, one is named whose median differs from that of the others by more than this share, and
by more than so many times their scatter."""
_FEWEST_TURNS, _DRIFT = 8, 1.2
"""Of at least so many turns, the second half may take at most so many times as long as the first."""
_STOLEN = 0.02
"""The share of the processor's time that the host of a virtual machine may take."""


def unstable(starts: Starts, steal_share: float, throttled: int = 0) -> str:
    """Why a cell's times are not to be trusted, in words; empty where nothing speaks against them."""
    reasons = []
    medians = np.array([np.median(turns) for turns in starts])
    if len(medians) >= _FEWEST_STARTS:
        for k, median in enumerate(medians):
            rest = np.delete(medians, k)
            deviation = abs(median / np.median(rest) - 1)
            scatter = np.median(np.abs(rest / np.median(rest) - 1))
            if deviation > max(_APART, _SCATTERS * scatter):
                reasons.append(f"start {k + 1} differs by {deviation:.0%}")
    everything = np.concatenate([np.asarray(turns, dtype=float) for turns in starts])
    if len(everything) >= _FEWEST_TURNS:
        half = len(everything) // 2
        drift = float(np.median(everything[half:]) / np.median(everything[:half]))
        if not 1 / _DRIFT < drift < _DRIFT:
            reasons.append(f"drift: the second half took {drift:.2f} times the first")
    if steal_share > _STOLEN:
        reasons.append(f"{steal_share:.0%} of the processor's time was stolen by the host")
    if throttled:
        reasons.append(f"the processor slowed down {throttled} times because it was hot")
    return "; ".join(reasons)


def first_turns(starts: Starts) -> float | None:
    """The first turn of a start ÷ the median of its other turns, where it differs over the starts; else None."""
    ratios = [[turns[0] / float(np.median(turns[1:]))] for turns in starts if len(turns) > 1]
    if len(ratios) < 2:
        return None
    first = time_of(ratios)
    factor = math.exp(first.mean)
    return factor if first.p_value < SIGNIFICANCE and max(factor, 1 / factor) > SMALLEST_CLAIM else None


# Claims -----------------------------------------------------------------------------------------------

_OPPOSITE = {"faster": "slower", "slower": "faster", SAME: SAME}


def claims(records: Sequence[Record]) -> int:
    """Fill in verdicts and ranks, and return how many pairs of cells were compared for them.

    Each right cell of a scenario is compared with each other one, turn by turn where both took the same turns. The
    claims hold for all pairs of the run at once: with a probability of 95% none of them is false.
    """
    for record in records:
        record.verdict = record.rank_best = record.rank_worst = None
    comparable = [r for r in records if r.status == "ok" and _starts(r) > 1 and r.noise_floor is not None]
    groups = list(grouped(comparable, _scenario).values())
    pairs = [pair for cells in groups for pair in itertools.combinations(cells, 2)]
    pairs += [
        (cell, short) for cells in groups for cell in cells if (short := _short_form_beside(cell, cells))
    ]
    tested = [pair for pair in pairs if min(map(_starts, pair)) >= STARTS_TO_CLAIM]
    ratios = [ratio_of(a.samples_s, b.samples_s, took_the_same_turns(a, b)) for a, b in tested]
    sure = holm([float(ratio.p_value) for ratio in ratios])
    found: dict[tuple[int, int], str] = {}
    for (a, b), ratio, is_sure in zip(tested, ratios, sure, strict=True):
        floor = max(a.noise_floor or 1.0, b.noise_floor or 1.0)
        said = verdict(ratio, min(_starts(a), _starts(b)), floor, is_sure)
        found[id(a), id(b)], found[id(b), id(a)] = said, _OPPOSITE[said]
    for a, b in pairs:
        for one, other in ((a, b), (b, a)):
            if other.strategy == SHORT_FORM and took_the_same_turns(one, other):
                one.verdict = found.get((id(one), id(other))) or too_few(min(_starts(one), _starts(other)))
    for cells in groups:
        _rank(
            [cell for cell in cells if _starts(cell) >= STARTS_TO_CLAIM and (cell.tolerance or 0) < 1], found
        )
    return len(tested)


def took_the_same_turns(a: Record, b: Record) -> bool:
    """Whether both cells took part in the same batch of turns."""
    return _scenario(a) == _scenario(b) and a.turns_group is not None and a.turns_group == b.turns_group


def _short_form_beside(cell: Record, cells: Sequence[Record]) -> Record | None:
    """The short form that took turns with this cell, where the short form has no row of its own there."""
    if any(one.strategy == SHORT_FORM and took_the_same_turns(one, cell) for one in cells):
        return None
    turns = next(
        (
            one.baselines_s[SHORT_FORM]
            for one in cells
            if took_the_same_turns(one, cell) and SHORT_FORM in one.baselines_s
        ),
        None,
    )
    return msgspec.structs.replace(cell, strategy=SHORT_FORM, samples_s=turns) if turns else None


def _rank(cells: Sequence[Record], found: dict[tuple[int, int], str]) -> None:
    """Fill in the best and the worst rank of each cell. They differ where neighbours cannot be told apart."""
    for one in cells:
        said = [found[id(one), id(other)] for other in cells if other is not one]
        one.rank_best, one.rank_worst = 1 + said.count("slower"), len(cells) - said.count("faster")


def _starts(cell: Record) -> int:
    return len(cell.samples_s)


def _scenario(record: Record) -> tuple[Any, ...]:
    return record.scenario, record.dtype
