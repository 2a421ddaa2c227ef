"""Records and journals for the tests of the harness: made up, or any that Hypothesis can think of."""

import json

import msgspec
import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from tables import PROPERTY

from backprop.bench.record import FORMAT, Agreement, Description, Record, to_json

RUN = {"kind": "run", "format": FORMAT, "command": "backprop run", "data": "sample", "machine": {}}

MANY_FIELDS = settings(PROPERTY, max_examples=10, phases=(Phase.explicit, Phase.generate))
"""Rows have some forty fields: to make a failing one small takes minutes."""

INSPECT = msgspec.inspect


def any_of(kind):
    """Whatever a field of this kind may hold, by the schema that readers use."""
    match kind:
        case INSPECT.UnionType(types):
            return st.one_of(map(any_of, types))
        case INSPECT.NoneType():
            return st.none()
        case INSPECT.BoolType():
            return st.booleans()
        case INSPECT.StrType():
            return st.text()
        case INSPECT.LiteralType(values):
            return st.sampled_from(values)
        case INSPECT.IntType(ge=least, le=most):
            return st.integers(least, most)
        case INSPECT.FloatType(gt=above, ge=least, le=most):
            least = above if least is None else least
            return st.floats(
                least, most, exclude_min=above is not None, allow_nan=False, allow_infinity=False
            )
        case INSPECT.ListType(item, min_length=least):
            return st.lists(any_of(item), min_size=least or 0, max_size=3)
        case INSPECT.DictType(key, value):
            return st.dictionaries(any_of(key), any_of(value), max_size=2)
        case _:
            raise TypeError(kind)


def _any_row(cls):
    return st.builds(cls, **{f.name: any_of(f.type) for f in INSPECT.type_info(cls).fields})


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


def timed(strategy, median, floor=1.02, seed=0, **changes):
    """A cell that `backprop run` measured in twelve starts of six turns, but for the `changes`."""
    noise = np.exp(0.005 * np.random.default_rng(seed).standard_normal((12, 6)))
    values = {
        "samples_s": (median * noise).tolist(),
        "time_low_s": 0.99 * median,
        "time_high_s": 1.01 * median,
        "ratio_low": 0.98 * median / 1e-3,
        "ratio_high": 1.02 * median / 1e-3,
        "noise_floor": floor,
        "verdict": "slower",
        "detectable": 1.031,
        "turns_group": 0,
        "starts": 12,
        "rounds": 72,
        "flops_share": 0.5,
        "bandwidth_share": 0.25,
        "memory_tracker": "memray",
    }
    return record(strategy, median, **values | changes)


def wrong(strategy="wrong", **changes):
    """A cell whose gradient disagrees, and which is faster than all others."""
    found = {"status": "disagrees", "agrees": False, "gradient_error": 0.5, "reason": "error 5e-01"}
    return record(strategy, **{"time": 1e-6, **found, **changes})


NOT_MEASURED = {
    f.name: None for f in msgspec.structs.fields(Record) if f.default is None and "predicted" not in f.name
}


def left_out(strategy="dense", status="over-memory-budget", reason="needs 2 GB", **changes):
    """A cell that did not run."""
    return record(strategy, **NOT_MEASURED | {"samples_s": [], "status": status, "reason": reason, **changes})


def agreement(first, second, **changes):
    """A pair that agrees, but for the `changes`."""
    values = {"scenario": "toy", "dtype": "float64", "distance": 1e-16, "tolerance": 2e-14, "agrees": True}
    return Agreement(first=first, second=second, **values | changes)


def described(**run):
    """The description of a run, as read from a journal's first line."""
    return msgspec.convert(RUN | run, Description)


def write_journal(folder, *rows, run=RUN):
    """records.jsonl in `folder`, of rows or of lines as they are; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(run), *(row if isinstance(row, str) else json.dumps(to_json(row)) for row in rows)]
    (folder / "records.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder
