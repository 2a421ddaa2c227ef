"""Comparison of two runs: cell by cell, the ratio of times with its interval and what may be said of it.

Two runs did not take turns with each other, so drift of the machine between them is in every ratio. A
difference is claimed where the interval of the ratio excludes one, and the factor exceeds `SMALLEST_CLAIM` and
the noise floor of both runs. Where the runs were made on several hosts, a cell that one processor measured in the
first run and another in the second has no ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from backprop.errors import BackpropError, RecordError
from bench.border import decoded
from bench.journal import read_journal
from bench.record import Positive, Record
from bench.report import units
from bench.report.markdown import as_code, as_text
from bench.statistics import SMALLEST_CLAIM, Estimate, geometric_mean, resampled_medians

OTHER_CPU = "measured on another processor"


class ComparisonError(BackpropError, ValueError):
    """Two runs that cannot be compared as asked."""


@dataclass(frozen=True)
class CellComparison:
    """One cell of both runs. ratio: time in the second ÷ time in the first; None where one has no time."""

    strategy: str
    scenario: str
    first_s: float | None
    second_s: float | None
    ratio: Estimate | None
    noise_floor: float
    verdict: str
    """faster, slower, same within noise, new, gone, the change of status, or `OTHER_CPU`."""


@dataclass(frozen=True)
class Comparison:
    """All cells, and the geometric mean of the ratios of those that both runs measured."""

    cells: list[CellComparison]
    geometric_mean: float
    machines: tuple[str, str]

    def worst(self) -> float:
        """The largest ratio that is claimed to be slower; 1 where none is."""
        return max((c.ratio.value for c in self.cells if c.verdict == "slower" and c.ratio), default=1.0)


def compare_runs(first: Path, second: Path, across_machines: bool, rng: np.random.Generator) -> Comparison:
    """Compare two runs' folders, or pytest-benchmark's JSON files.

    Raises `RecordError` where one cannot be read, `ComparisonError` where they were made by different
    machines and `across_machines` does not ask for that.
    """
    old_machine, old = _read(first)
    new_machine, new = _read(second)
    if old_machine != new_machine and not across_machines:
        raise ComparisonError(
            f"The runs are of different machines, {old_machine!r} and {new_machine!r}; "
            "expected the same, or --across-machines."
        )
    cells = [
        _compare(old.get(key), new.get(key), across_machines, rng) for key in dict.fromkeys([*old, *new])
    ]
    mean = geometric_mean([cell.ratio.value for cell in cells if cell.ratio])
    return Comparison(cells, mean, (old_machine, new_machine))


def render(comparison: Comparison, first: str, second: str) -> str:
    """The comparison as Markdown for a pull request: what changed first, then everything."""
    mean = comparison.geometric_mean
    lines = [
        f"### {as_code(second)} against {as_code(first)}",
        "",
        *_warning(comparison.machines),
        "No cell was measured in both runs."
        if math.isnan(mean)
        else f"Geometric mean of the ratios: **{mean:.3f}** ({_words(comparison)}).",
        "",
        "| strategy | scenario | before | after | ratio | 95% interval | noise floor | verdict |",
        "| :-- | :-- | --: | --: | --: | --: | --: | :-- |",
    ]
    changed_first = sorted(comparison.cells, key=lambda cell: cell.verdict == "same within noise")
    for cell in changed_first:
        ratio = cell.ratio
        values = [
            cell.strategy,
            cell.scenario,
            units.seconds(cell.first_s),
            units.seconds(cell.second_s),
            f"{ratio.value:.3f}" if ratio else units.MISSING,
            f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio else units.MISSING,
            units.factor(cell.noise_floor),
            cell.verdict,
        ]
        lines.append("| " + " | ".join(as_text(value) for value in values) + " |")
    return "\n".join(lines) + "\n"


def _warning(machines: tuple[str, str]) -> list[str]:
    if machines[0] == machines[1]:
        return []
    first, second = map(as_text, machines)
    return [f"> **Different machines**, {first} before and {second} after: the ratios compare them, too.", ""]


def _words(comparison: Comparison) -> str:
    verdicts = [cell.verdict for cell in comparison.cells]
    counted = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counted.items())


def _compare(
    old: Record | None, new: Record | None, across_machines: bool, rng: np.random.Generator
) -> CellComparison:
    record = new or old
    assert record is not None
    floor = max(r.noise_floor or 1.0 for r in (old, new) if r is not None)
    apart = not across_machines and _on_other_cpus(old, new)
    ratio = None if apart else _ratio(old, new, rng)
    return CellComparison(
        strategy=record.strategy,
        scenario="/".join(filter(None, [record.scenario, record.dtype])),
        first_s=old.time_median_s if old else None,
        second_s=new.time_median_s if new else None,
        ratio=ratio,
        noise_floor=floor,
        verdict=OTHER_CPU if apart else _verdict(old, new, ratio, floor),
    )


def _on_other_cpus(old: Record | None, new: Record | None) -> bool:
    """Whether both were measured, on processors that are known to differ."""
    if old is None or new is None or not (old.measured and new.measured):
        return False
    return None not in (old.cpu, new.cpu) and old.cpu != new.cpu


def _ratio(old: Record | None, new: Record | None, rng: np.random.Generator) -> Estimate | None:
    if old is None or new is None or not old.samples_s or not new.samples_s:
        return None
    value = float(
        np.median([np.median(turns) for turns in new.samples_s])
        / np.median([np.median(turns) for turns in old.samples_s])
    )
    resampled = resampled_medians(new.samples_s, rng) / resampled_medians(old.samples_s, rng)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _verdict(old: Record | None, new: Record | None, ratio: Estimate | None, floor: float) -> str:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    if ratio is None:
        return "not measured" if old.status == new.status else f"{old.status}, now {new.status}"
    if max(ratio.value, 1 / ratio.value) <= max(SMALLEST_CLAIM, floor):
        return "same within noise"
    if ratio.low > 1:
        return "slower"
    return "faster" if ratio.high < 1 else "same within noise"


def _read(run: Path) -> tuple[str, dict[tuple[Any, ...], Record]]:
    """The machine's processor, and the records by what identifies a cell."""
    if run.suffix == ".json":
        return _read_pytest_benchmark(run)
    description, records, _ = read_journal(run)
    hosts = description.hosts or {"": description.machine}
    machines = {_machine(host.cpu, host.cores) for host in hosts.values()}
    return " and ".join(sorted(machines)), _by_cell(records)


def _machine(cpu: Any, cores: Any) -> str:
    return f"{cpu or 'an unknown processor'}, {cores or 'unknown'} cores"


def _by_cell(records: Sequence[Record]) -> dict[tuple[Any, ...], Record]:
    return {(r.strategy, r.scenario, r.dtype, r.batch_size, r.threads): r for r in records}


class Cpu(Struct):
    """The processor in a file of pytest-benchmark; here and below, only what is compared."""

    brand_raw: str | None = None
    count: int | None = None


class MachineInfo(Struct):
    """The machine there."""

    cpu: Cpu


class Stats(Struct):
    """The times of a benchmark there: all rounds with --benchmark-save-data, else the quartiles in their place."""

    median: Positive
    q1: Positive
    q3: Positive
    data: list[Positive] | None = None


class Benchmark(Struct):
    """One benchmark there."""

    fullname: str
    stats: Stats
    group: str | None = None


class PytestBenchmark(Struct):
    """What `pytest --benchmark-json` writes."""

    machine_info: MachineInfo
    benchmarks: list[Benchmark]


def _read_pytest_benchmark(path: Path) -> tuple[str, dict[tuple[Any, ...], Record]]:
    """Every benchmark of a file that `pytest --benchmark-json` wrote, under its full name."""
    where, expected = f"The file {str(path)!r}", "what pytest --benchmark-json writes"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{where} cannot be read: {error.strerror}; expected {expected}.") from error
    file: PytestBenchmark = decoded(content, _PYTEST_BENCHMARK, where, expected)
    records = [
        Record(
            strategy=one.fullname,
            scenario=one.group or "",
            network="",
            parameters=0,
            batch_size=0,
            dtype="",
            threads=1,
            time_median_s=one.stats.median,
            samples_s=[one.stats.data or [one.stats.q1, one.stats.median, one.stats.q3]],
        )
        for one in file.benchmarks
    ]
    cpu = file.machine_info.cpu
    return _machine(cpu.brand_raw, cpu.count), _by_cell(records)


_PYTEST_BENCHMARK = msgspec.json.Decoder(PytestBenchmark)
