"""The frame: one row a cell, the columns of the record, dtypes that do not depend on what was measured."""

import csv
import io

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import ANY_RECORD, MANY_FIELDS, left_out, record, write_journal, wrong

import backprop.bench
from backprop.bench.estimates import read_run
from backprop.bench.record import (
    Count,
    NotNegative,
    Positive,
    Predicted,
    Record,
    Samples,
    SamplesByName,
    Share,
    Status,
)
from backprop.bench.report.frame import to_csv, to_frame
from backprop.errors import RecordError

DTYPES = {
    Count: "int64",
    Count | None: "Int64",
    Predicted | None: "Int64",
    bool | None: "boolean",
    Samples: "object",
    SamplesByName: "object",
    **dict.fromkeys([str, Status, str | None], "str"),
    **dict.fromkeys([float | None, Positive | None, NotNegative | None, Share | None], "float64"),
}
EXPECTED = {f.name: DTYPES[f.type] for f in msgspec.structs.fields(Record)}


@pytest.mark.parametrize(
    "records",
    [[], [record()], [left_out()], [record(), wrong(), left_out(worst_element=None)]],
    ids=["none", "measured", "left out", "all kinds"],
)
def test_columns_and_dtypes_are_those_of_the_record(records):
    frame = to_frame(records)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == EXPECTED
    assert list(frame.columns) == list(EXPECTED)
    assert len(frame) == len(records)


@MANY_FIELDS
@given(st.lists(ANY_RECORD, max_size=3))
def test_every_record_becomes_a_row_with_its_values(records):
    frame = to_frame(records)
    for k, one in enumerate(records):
        for name, value in msgspec.structs.asdict(one).items():
            got = frame.iloc[k][name]
            assert pd.isna(got) if value is None else got == value


def test_what_was_not_measured_is_an_empty_field_of_the_csv():
    text = to_csv(to_frame([left_out(worst_element=None)]))
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["time_median_s"] == row["peak_bytes"] == row["agrees"] == row["worst_element"] == ""
    assert row["predicted_flops"] == "1000"
    assert row["status"] == "over-memory-budget"


def test_the_csv_has_a_line_a_cell_and_no_raw_samples():
    odd = record('a,b"c\nd', reason="x,y")
    rows = list(csv.DictReader(io.StringIO(to_csv(to_frame([odd, wrong()])))))
    assert [row["strategy"] for row in rows] == [odd.strategy, "wrong"]
    assert list(rows[0]) == [name for name in EXPECTED if name not in ("samples_s", "baselines_s")]


def test_bench_load_reads_a_run(tmp_path):
    frame = backprop.bench.load(write_journal(tmp_path, record(), wrong()))
    assert list(frame.strategy) == ["short-form", "wrong"]
    assert frame.samples_s[0] == [[1e-3, 1e-3, 1e-3]]
    assert list(backprop.bench.load(str(tmp_path)).strategy) == ["short-form", "wrong"]


def test_bench_load_refuses_what_is_no_run(tmp_path):
    with pytest.raises(RecordError):
        backprop.bench.load(tmp_path / "nowhere")


def test_agreements_and_the_run_are_loaded_too(tmp_path):
    loaded = read_run(write_journal(tmp_path, record()))
    assert (loaded.description.command, loaded.agreements) == ("backprop run", [])
