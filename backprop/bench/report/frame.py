"""The data frame of a run: one row a cell, a dtype for every column, units in the names of the columns."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from backprop.bench.record import (
    Count,
    Predicted,
    Record,
    Samples,
    SamplesByName,
    Status,
)

_DTYPES: dict[Any, str] = {
    Count: "int64",
    str: "str",
    Status: "str",
    Count | None: "Int64",
    bool | None: "boolean",
    str | None: "str",
    Samples: "object",
    SamplesByName: "object",
}
"""The dtype of a column by the type of its field; other types become float64, and `_column` treats `Predicted`."""


def to_frame(records: list[Record]) -> pd.DataFrame:
    """One row a record; `samples_s` holds each cell's raw samples as a list."""
    return pd.DataFrame(
        {  # column by column: a frame of rows would take integers with a gap through float64
            f.name: _column([getattr(record, f.name) for record in records], f.type)
            for f in msgspec.structs.fields(Record)
        }
    )


def _column(values: list[Any], kind: Any) -> pd.Series:
    if kind == Predicted | None:
        kind = float if any(isinstance(value, float) for value in values) else Count | None
    return pd.Series(values, dtype=_DTYPES.get(kind, "float64"))


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV, without the raw samples, which stay in the journal.

    A float has twelve digits: its last ones differ between processors, whose logarithms differ.
    """
    figures = frame.drop(columns=["samples_s", "baselines_s"])
    return figures.to_csv(index=False, lineterminator="\n", float_format="%.12g")
