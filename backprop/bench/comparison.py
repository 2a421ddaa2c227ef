"""Comparison of two runs: cell by cell, the ratio of times with its interval and what may be said of it.

Two runs did not take turns with each other, so drift of the machine between them is in every ratio: the starts of
one are compared with those of the other by Welch's t-test. A difference is claimed as within a run: enough starts,
p < 0.002, sure among all cells by Holm's test, and a factor beyond `SMALLEST_CLAIM` and the noise floor of both runs.
Where the runs were made on several hosts, a cell that one processor measured in the first run and another in the
second has no ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from backprop.bench.estimates import read_run
from backprop.bench.files import decoded_file
from backprop.bench.record import Positive, Record
from backprop.bench.statistics import (
    STARTS_TO_CLAIM,
    Estimate,
    LogMean,
    geometric_mean,
    holm,
    ratio_of,
    verdict,
)
from backprop.errors import BackpropError

OTHER_CPU = "measured on another processor"
_MEAN = "the mean of the calls within 25 ms"
"""What a sample was in the runs of version 0.1."""


class ComparisonError(BackpropError, ValueError):
    """Two runs that cannot be compared as asked."""


@dataclass(frozen=True)
class CellComparison:
    """One cell of both runs. ratio: time in the second run ÷ time in the first; None where a time is missing."""

    strategy: str
    scenario: str
    first_s: float | None
    second_s: float | None
    ratio: Estimate | None
    noise_floor: float
    verdict: str
    """faster, slower, same within noise, why nothing is claimed, new, gone, the change of status, or `OTHER_CPU`."""
    unsettled: bool = False
    """Whether both runs measured the cell, in too few starts to claim anything."""


@dataclass(frozen=True)
class Comparison:
    """All cells, and the geometric mean of the ratios of those that both runs measured."""

    cells: list[CellComparison]
    geometric_mean: float
    machines: tuple[str, str]
    turns: tuple[str, str]
    """What a sample of each run is."""

    def worst(self) -> float:
        """The largest ratio among the cells that are slower; 1 where no cell is."""
        return max((c.ratio.value for c in self.cells if c.verdict == "slower" and c.ratio), default=1.0)

    def check(self, factor: float) -> None:
        """Raise `ComparisonError` where a cell took longer by more than the factor, in too few starts to be sure."""
        for cell in self.cells:
            if cell.unsettled and cell.ratio and cell.ratio.value > factor:
                raise ComparisonError(
                    f"{cell.strategy} in {cell.scenario or 'no scenario'} took {cell.ratio.value:.2f} times as long, "
                    f"and nothing can be claimed ({cell.verdict}); expected runs with more starts to compare with "
                    "--fail-above."
                )

    @property
    def tested(self) -> int:
        """How many cells were tested for a difference."""
        return sum(cell.ratio is not None and not cell.unsettled for cell in self.cells)


def compare_runs(first: Path, second: Path, across_machines: bool = False) -> Comparison:
    """Compare two runs' folders, or pytest-benchmark's JSON files.

    Raises `RecordError` where one cannot be read, `ComparisonError` where they were made by different
    machines and `across_machines` does not ask for that.
    """
    old_machine, old_turn, old = _read(first)
    new_machine, new_turn, new = _read(second)
    if old_machine != new_machine and not across_machines:
        raise ComparisonError(
            f"The runs are of different machines, {old_machine!r} and {new_machine!r}; "
            "expected the same, or --across-machines."
        )
    pairs = [(old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])]
    ratios = {k: ratio for k, pair in enumerate(pairs) if (ratio := _ratio(*pair, across_machines))}
    tested = [k for k, pair in enumerate(pairs) if k in ratios and _fewest_starts(*pair) >= STARTS_TO_CLAIM]
    sure = dict(zip(tested, holm([float(ratios[k].p_value) for k in tested]), strict=True))
    cells = [
        _compare(*pair, ratios.get(k), sure.get(k, False), across_machines) for k, pair in enumerate(pairs)
    ]
    mean = geometric_mean([cell.ratio.value for cell in cells if cell.ratio])
    return Comparison(cells, mean, (old_machine, new_machine), (old_turn, new_turn))


def _compare(
    old: Record | None, new: Record | None, ratio: LogMean | None, sure: bool, across_machines: bool
) -> CellComparison:
    record = new or old
    assert record is not None
    floor = max(r.noise_floor or 1.0 for r in (old, new) if r is not None)
    said = _without_a_ratio(old, new, across_machines)
    starts = _fewest_starts(old, new)
    return CellComparison(
        strategy=record.strategy,
        scenario="/".join(filter(None, [record.scenario, record.dtype])),
        first_s=old.time_median_s if old else None,
        second_s=new.time_median_s if new else None,
        ratio=ratio.estimate if ratio else None,
        noise_floor=floor,
        verdict=verdict(ratio, starts, floor, sure) if ratio else said,
        unsettled=ratio is not None and starts < STARTS_TO_CLAIM,
    )


def _on_other_cpus(old: Record | None, new: Record | None) -> bool:
    """Whether both were measured, on processors that are known to differ."""
    if old is None or new is None or not (old.measured and new.measured):
        return False
    return None not in (old.cpu, new.cpu) and old.cpu != new.cpu


def _ratio(old: Record | None, new: Record | None, across_machines: bool) -> LogMean | None:
    """second ÷ first; None where one was not measured, or another processor measured it."""
    if old is None or new is None or not old.samples_s or not new.samples_s:
        return None
    if not across_machines and _on_other_cpus(old, new):
        return None
    return ratio_of(new.samples_s, old.samples_s, together=False)


def _fewest_starts(old: Record | None, new: Record | None) -> int:
    return min(len(record.samples_s) for record in (old, new) if record is not None)


def _without_a_ratio(old: Record | None, new: Record | None, across_machines: bool) -> str:
    """The verdict of a cell that has no ratio."""
    if old is None or new is None:
        return "new" if old is None else "gone"
    if not across_machines and _on_other_cpus(old, new):
        return OTHER_CPU
    return "not measured" if old.status == new.status else f"{old.status}, now {new.status}"


def _read(run: Path) -> tuple[str, str, dict[tuple[Any, ...], Record]]:
    """The machine's processor, what a sample is, and the records by what identifies a cell."""
    if run.suffix == ".json":
        return _read_pytest_benchmark(run)
    description, records, _ = read_run(run)
    hosts = description.hosts or {"": description.machine}
    machines = {_machine(host.cpu, host.cores) for host in hosts.values()}
    turn = str((description.settings or {}).get("turn", _MEAN))
    return " and ".join(sorted(machines)), turn, _by_cell(records)


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


def _read_pytest_benchmark(path: Path) -> tuple[str, str, dict[tuple[Any, ...], Record]]:
    """Every benchmark of a file that `pytest --benchmark-json` wrote, under its full name."""
    file = decoded_file(path, _PYTEST_BENCHMARK, "The file", "what pytest --benchmark-json writes")
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
    return _machine(cpu.brand_raw, cpu.count), "a round of pytest-benchmark", _by_cell(records)


_PYTEST_BENCHMARK = msgspec.json.Decoder(PytestBenchmark)
