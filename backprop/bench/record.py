"""The rows of a journal: the run and its machine, one flat Record a measured cell, agreements, and marks.

The classes are the schema by which a journal is read: a row that does not fit is refused by its line.
Units stand in the names of the fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from backprop import units

SHORT_FORM = "short-form"
"""The strategy that all others are compared with; it takes turns in every group, with a row of its own or without."""

if TYPE_CHECKING:
    from backprop.bench.budget import Budget

FORMAT = 1
"""The version of the journal's format; a reader refuses a newer one."""

Status = Literal[
    "ok",
    "disagrees",
    "over-memory-budget",
    "over-time-budget",
    "timed-out",
    "out-of-memory",
    "crashed",
    "unsupported",
    "unavailable",
    "predicted",
]
NOT_BEGUN: tuple[str, ...] = ("over-time-budget", "over-memory-budget", "predicted")
"""The statuses of a cell that was left out before it began: its prediction may stand beside measured times."""
MEASURED: tuple[str, ...] = ("ok", "disagrees")
"""The statuses of a cell that has figures."""

T = TypeVar("T")
K = TypeVar("K")
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Predicted = Count | Annotated[float, Meta(ge=0)]
"""A predicted number of bytes or operations; from 2**63 on it is a float."""
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Samples = list[Annotated[list[Positive], Meta(min_length=1)]]
"""Times of a call, a list for every start."""
SamplesByName = dict[str, Samples]
"""Samples by the name of what took the same turns."""


class Row(Struct, tag_field="kind"):
    """One line of a journal; `kind` says which."""


class Record(Row, tag="record", forbid_unknown_fields=True):
    """One cell, strategy x scenario; None is what was not measured. results/README.md explains the fields."""

    strategy: str
    scenario: str
    network: str
    parameters: Count
    batch_size: Count
    dtype: str
    threads: Count
    host: str | None = None
    cpu: str | None = None
    status: Status = "ok"
    reason: str = ""
    unstable: str = ""
    time_median_s: Positive | None = None
    time_iqr_s: NotNegative | None = None
    time_min_s: Positive | None = None
    time_low_s: Positive | None = None
    time_high_s: Positive | None = None
    rounds: Count | None = None
    starts: Count | None = None
    turns_group: Count | None = None
    prepare_s: NotNegative | None = None
    peak_bytes: Count | None = None
    prepare_peak_bytes: Count | None = None
    memory_tracker: str | None = None
    high_water_bytes: Count | None = None
    predicted_peak_bytes: Predicted | None = None
    predicted_flops: Predicted | None = None
    predicted_bytes_moved: Predicted | None = None
    predicted_time_s: Positive | None = None
    forward_calls: Predicted | None = None
    limit_flops_per_s: Positive | None = None
    limit_bytes_per_s: Positive | None = None
    flops_share: NotNegative | None = None
    bandwidth_share: NotNegative | None = None
    loss: float | None = None
    gradient_error: NotNegative | None = None
    cosine: float | None = None
    worst_element: str | None = None
    kinks: Count | None = None
    kinks_at: str | None = None
    tolerance: Positive | None = None
    agrees: bool | None = None
    test_accuracy: Share | None = None
    ratio_to_short_form: Positive | None = None
    ratio_low: Positive | None = None
    ratio_high: Positive | None = None
    noise_floor: Positive | None = None
    p_value: Share | None = None
    detectable: Positive | None = None
    verdict: str | None = None
    rank_best: Count | None = None
    rank_worst: Count | None = None
    ratio_to_loss: Positive | None = None
    ratio_to_products: Positive | None = None
    samples_s: Samples = []
    baselines_s: SamplesByName = {}
    """Of the first cell of a group of turns: the samples of what took the same turns and has no row."""

    @property
    def measured(self) -> bool:
        """Whether the cell ran and has figures."""
        return self.status in MEASURED


class Agreement(Row, tag="agreement", forbid_unknown_fields=True):
    """Two strategies in one scenario: the relative distance of their gradients and what both models allow."""

    scenario: str
    dtype: str
    first: str
    second: str
    distance: NotNegative | None
    tolerance: NotNegative
    agrees: bool


class GroupEnd(Row, tag="group"):
    """The end of a group: all rows of the scenario of this name are written."""

    name: str


class RunEnd(Row, tag="end"):
    """The end of a run: every group is written."""


class Pool(Struct):
    """A library with threads of its own, as threadpoolctl sees it."""

    internal_api: str | None = None
    version: str | None = None
    architecture: str | None = None
    num_threads: int | None = None


class Library(Struct):
    """A library that was measured: its version, its build in its own words, and all pools beside it."""

    version: str | None = None
    build: dict[str, str] = {}
    pools: list[Pool] = []


class Machine(Struct):
    """A host: what it is, what it runs, and the threads that were fixed."""

    cpu: str | None = None
    cores: int | None = None
    memory_bytes: NotNegative | None = None
    platform: str | None = None
    python: str | None = None
    threads: int | None = None
    pinned_to: list[int] = []
    governor: str | None = None
    load_1min: float | None = None
    blas: list[Pool] = []
    versions: dict[str, str | None] = {}
    libraries: dict[str, Library] = {}
    packages: dict[str, str] = {}
    """Every package that was installed, with its version."""


class Description(Row, tag="run"):
    """The first line: how the run was made, where, and with which settings it may go on."""

    format: int
    command: str | None = None
    data: str | None = None
    reference: str | None = None
    started: str | None = None
    memory_budget_bytes: Positive | None = None
    time_budget_s: Positive | None = None
    machine: Machine = msgspec.field(default_factory=Machine)
    conditions: dict[str, bool | str | float] = {}
    hosts: dict[str, Machine] = {}
    notes: list[str] = []
    settings: dict[str, Any] | None = None

    @classmethod
    def now(cls, command: str, data: str, budget: Budget, **more: Any) -> Description:
        """The description of a run that begins now."""
        from backprop.verify import REFERENCE  # loads NumPy

        return cls(
            format=FORMAT,
            command=command,
            data=data,
            reference=REFERENCE,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            memory_budget_bytes=budget.memory_bytes,
            time_budget_s=budget.time_s,
            **more,
        )


FAILED = ("crashed", "out-of-memory", "timed-out")


@dataclass
class Results:
    """Records and agreements, in the order in which they were found."""

    records: list[Record] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        """Whether no measured gradient is wrong and no pair disagrees."""
        return not self._wrong() and all(row.agrees for row in self.agreements)

    @property
    def failed(self) -> list[str]:
        """The strategies that crashed, hung or ran out of memory, one entry a cell."""
        return [record.strategy for record in self.records if record.status in FAILED]

    def verdict(self) -> str:
        """One sentence: how many gradients and pairs are right, and which are not."""
        if predicted := sum(record.status == "predicted" for record in self.records):
            return (
                f"{len(self.records)} cells predicted, {predicted} of them would fit; nothing was measured."
            )
        measured = sum(record.measured for record in self.records)
        left_out = len(self.records) - measured
        sentence = (
            f"{units.counted(measured, 'gradient')} and {units.counted(len(self.agreements), 'pair')} compared, "
            f"{units.counted(left_out, 'cell')} left out"
        )
        if self.failed:
            sentence = f"{sentence}. CRASHED: {', '.join(dict.fromkeys(self.failed))}"
        if self.agree:
            return f"{sentence}: all agree." if measured and not self.failed else f"{sentence}."
        apart = [f"{row.first} and {row.second}" for row in self.agreements if not row.agrees]
        return f"{sentence}. DISAGREE: {', '.join(dict.fromkeys(self._wrong() or apart))}."

    def _wrong(self) -> list[str]:
        return [record.strategy for record in self.records if record.status == "disagrees"]


Placed = TypeVar("Placed", Record, Agreement)


def to_json(value: object) -> Any:
    """A row, or any value, as JSON can hold it: a number that is not finite becomes None."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=float))  # NumPy's numbers are floats, too


def one_line(text: object) -> str:
    """The text with every run of white space as one space, as a row of a table needs it."""
    return " ".join(str(text).split())


def by_scenario(cells: Iterable[Placed]) -> dict[tuple[str, str], list[Placed]]:
    """The cells of every scenario and dtype, in the order in which the run has them."""
    return grouped(cells, lambda cell: (cell.scenario, cell.dtype))


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their key; keys and items in the order in which they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
