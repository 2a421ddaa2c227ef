"""Records and journals for the tests of the harness: made up, or any that Hypothesis can think of."""

import dataclasses
import json

from hypothesis import Phase, settings
from hypothesis import strategies as st
from tables import PROPERTY

from bench.record import FORMAT, STATUSES, Agreement, Record, to_json

RUN = {"kind": "run", "format": FORMAT, "command": "backprop run", "data": "sample", "machine": {}}

MANY_FIELDS = settings(PROPERTY, max_examples=10, phases=(Phase.explicit, Phase.generate))
"""Rows have some forty fields: to make a failing one small takes minutes."""

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_KINDS = {
    "str": st.text(),
    "Status": st.sampled_from(STATUSES),
    "int": st.integers(-(2**63) + 1, 2**63 - 1),
    "float": _FLOATS,
    "bool": st.booleans(),
    "list[list[float]]": st.lists(st.lists(_FLOATS, max_size=3), max_size=3),
}
_KINDS["dict[str, list[list[float]]]"] = st.dictionaries(st.text(), _KINDS["list[list[float]]"], max_size=2)


def _any_of(annotation):
    kind, optional, _ = annotation.partition(" | None")
    return st.none() | _KINDS[kind] if optional else _KINDS[kind]


def _any_row(cls):
    return st.builds(cls, **{f.name: _any_of(str(f.type)) for f in dataclasses.fields(cls)})


ANY_RECORD = _any_row(Record)
ANY_AGREEMENT = _any_row(Agreement)
ANY_ROW = ANY_RECORD | ANY_AGREEMENT


def record(strategy="short-form", time=1e-3, **changes):
    """A cell that was measured, but for the `changes`."""
    values = {
        "strategy": strategy,
        "scenario": "toy",
        "network": "4-3-2 relu cross-entropy",
        "parameters": 23,
        "batch_size": 8,
        "dtype": "float64",
        "threads": 1,
        "time_median_s": time,
        "time_iqr_s": time / 10,
        "time_min_s": time * 0.9,
        "rounds": 3,
        "prepare_s": 1e-4,
        "peak_bytes": 9300,
        "predicted_peak_bytes": 9000,
        "predicted_flops": 1000,
        "predicted_bytes_moved": 2000,
        "predicted_time_s": time,
        "forward_calls": 1,
        "loss": 0.7,
        "gradient_error": 1e-16,
        "cosine": 1.0,
        "worst_element": "W1[0, 0]",
        "tolerance": 1e-14,
        "agrees": True,
        "test_accuracy": 0.97,
        "ratio_to_short_form": time / 1e-3,
        "ratio_to_loss": 2.0,
        "ratio_to_products": 3.0,
        "samples_s": [[time, time, time]],
    }
    return Record(**values | changes)


def wrong(strategy="wrong", **changes):
    """A cell whose gradient disagrees, and which is faster than all others."""
    found = {"status": "disagrees", "agrees": False, "gradient_error": 0.5, "reason": "error 5e-01"}
    return record(strategy, **{"time": 1e-6, **found, **changes})


def left_out(strategy="dense", status="over-memory-budget", reason="needs 2 GB", **changes):
    """A cell that did not run."""
    blank = {
        f.name: None for f in dataclasses.fields(Record) if f.default is None and "predicted" not in f.name
    }
    return record(strategy, **blank | {"samples_s": [], "status": status, "reason": reason, **changes})


def agreement(first, second, **changes):
    """A pair that agrees, but for the `changes`."""
    values = {"scenario": "toy", "dtype": "float64", "distance": 1e-16, "tolerance": 2e-14, "agrees": True}
    return Agreement(first=first, second=second, **values | changes)


def write_journal(folder, *rows, run=RUN):
    """records.jsonl in `folder`, of rows or of lines as they are; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(run), *(row if isinstance(row, str) else json.dumps(to_json(row)) for row in rows)]
    (folder / "records.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder
