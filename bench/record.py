"""The Record: one measured cell as one flat row, units in the names; and the other rows of a journal."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from backprop.errors import RecordError

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
STATUSES: tuple[str, ...] = get_args(Status)
MEASURED: tuple[str, ...] = ("ok", "disagrees")
"""The statuses of a cell that has figures."""


@dataclass
class Record:
    """One cell, strategy x scenario; None is what was not measured. results/README.md explains the fields."""

    strategy: str
    scenario: str
    network: str
    parameters: int
    batch_size: int
    dtype: str
    threads: int
    host: str | None = None
    cpu: str | None = None
    status: Status = "ok"
    reason: str = ""
    unstable: str = ""
    time_median_s: float | None = None
    time_iqr_s: float | None = None
    time_min_s: float | None = None
    time_low_s: float | None = None
    time_high_s: float | None = None
    rounds: int | None = None
    starts: int | None = None
    turns_group: int | None = None
    prepare_s: float | None = None
    peak_bytes: int | None = None
    prepare_peak_bytes: int | None = None
    memory_tracker: str | None = None
    high_water_bytes: int | None = None
    predicted_peak_bytes: int | None = None
    predicted_flops: int | None = None
    predicted_bytes_moved: int | None = None
    predicted_time_s: float | None = None
    forward_calls: int | None = None
    limit_flops_per_s: float | None = None
    limit_bytes_per_s: float | None = None
    flops_share: float | None = None
    bandwidth_share: float | None = None
    loss: float | None = None
    gradient_error: float | None = None
    cosine: float | None = None
    worst_element: str | None = None
    kinks: int | None = None
    kinks_at: str | None = None
    tolerance: float | None = None
    agrees: bool | None = None
    test_accuracy: float | None = None
    ratio_to_short_form: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    noise_floor: float | None = None
    p_value: float | None = None
    detectable: float | None = None
    verdict: str | None = None
    rank_best: int | None = None
    rank_worst: int | None = None
    ratio_to_loss: float | None = None
    ratio_to_products: float | None = None
    samples_s: list[list[float]] = field(default_factory=list)
    baselines_s: dict[str, list[list[float]]] = field(default_factory=dict)
    """Of the first cell of a group of turns: the samples of what took the same turns and has no row."""

    @property
    def measured(self) -> bool:
        """Whether the cell ran and has figures."""
        return self.status in MEASURED


@dataclass
class Agreement:
    """Two strategies in one scenario: the relative distance of their gradients and what both models allow."""

    scenario: str
    dtype: str
    first: str
    second: str
    distance: float | None
    tolerance: float
    agrees: bool


ROWS: dict[str, type[Record] | type[Agreement]] = {"record": Record, "agreement": Agreement}


def to_json(row: Record | Agreement) -> dict[str, Any]:
    """The row as JSON can hold it: a number that is not finite becomes None."""
    kind = next(kind for kind, cls in ROWS.items() if isinstance(row, cls))
    values = {name: _finite(value) for name, value in dataclasses.asdict(row).items()}
    return {"kind": kind, **values}


def from_json(values: dict[str, Any], where: str) -> Record | Agreement:
    """The row of a journal line; `where` names the line in errors. Raises `RecordError` where it is none."""
    values = dict(values)
    cls = ROWS.get(str(values.pop("kind", "")))
    if cls is None:
        raise RecordError(f"{where} is no row of a run; expected a kind of {', '.join(ROWS)}.")
    known = {f.name for f in dataclasses.fields(cls)}
    if unknown := sorted(values.keys() - known):
        raise RecordError(f"{where} has the unknown field {unknown[0]!r}; expected those of {cls.__name__}.")
    for f in dataclasses.fields(cls):
        if f.name in values:
            if not _fits(values[f.name], str(f.type)):
                raise RecordError(
                    f"{where} has {f.name} = {reprlib.repr(values[f.name])}; expected {f.type}."
                )
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise RecordError(f"{where} lacks the field {f.name!r}; expected all fields of {cls.__name__}.")
    row = cls(**values)
    if isinstance(row, Record) and row.status not in STATUSES:
        raise RecordError(f"{where} has the status {row.status!r}; expected one of {', '.join(STATUSES)}.")
    return row


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value out of JSON is of the type that a field is annotated with."""
    kind, optional, _ = annotation.partition(" | None")
    if value is None:
        return bool(optional)
    if kind.startswith("dict["):
        return isinstance(value, dict) and all(_fits(one, "list[list[float]]") for one in value.values())
    if kind == "list[list[float]]":
        return isinstance(value, list) and all(
            isinstance(start, list) and all(_fits(sample, "float") for sample in start) for start in value
        )
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool if kind == "bool" else str)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def one_line(text: object) -> str:
    """The text with every run of white space as one space, as a row of a table needs it."""
    return " ".join(str(text).split())
