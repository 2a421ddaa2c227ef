"""A record is the same after a way through JSON, and JSON that is no record is refused by its line."""

import json
import math
import re
from typing import get_args

import msgspec
import pytest
from command import ROOT
from hypothesis import given
from rows import ANY_ROW, MANY_FIELDS, agreement, record, write_journal
from tables import sentence

from backprop.bench import load
from backprop.bench.journal import read_journal
from backprop.bench.record import MEASURED, Record, Status, to_json
from backprop.errors import RecordError


@MANY_FIELDS
@given(ANY_ROW)
def test_every_row_survives_json(row):
    assert msgspec.convert(json.loads(json.dumps(to_json(row), allow_nan=False)), type(row)) == row


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_becomes_null(odd):
    assert to_json(record(gradient_error=odd))["gradient_error"] is None
    assert to_json(agreement("a", "b", distance=odd))["distance"] is None


REQUIRED = [f.name for f in msgspec.structs.fields(Record) if f.required]


def test_a_row_of_an_older_run_lacks_what_was_not_measured_then(tmp_path):
    values = {name: getattr(record(), name) for name in REQUIRED}
    folder = write_journal(tmp_path, json.dumps({"kind": "record", **values}))
    assert read_journal(folder)[1] == [Record(**values)]


MISTAKES = {
    "another kind": ({"kind": "note"}, "invalid value 'note' - at `$.kind`"),
    "no kind": ({"kind": None}, "`$.kind`"),
    "a kind of another type": ({"kind": ["record"]}, "`$.kind`"),
    "an unknown field": ({"colour": "red"}, "unknown field `colour`"),
    "an unknown status": ({"status": "fine"}, "'fine'"),
    "a text for a number": ({"parameters": "many"}, "expected `int`, got `str` - at `$.parameters`"),
    "a fraction for a count": ({"rounds": 1.5}, "`$.rounds`"),
    "a truth value for a number": ({"peak_bytes": True}, "`$.peak_bytes`"),
    "a number for a truth value": ({"agrees": 1}, "`$.agrees`"),
    "a number for a text": ({"strategy": 3}, "`$.strategy`"),
    "null where something must be": ({"dtype": None}, "`$.dtype`"),
    "a count that no column holds": ({"rounds": 2**63}, "`$.rounds`"),
    "a negative count": ({"batch_size": -1}, "`$.batch_size`"),
    "a time of zero": ({"time_median_s": 0.0}, "`$.time_median_s`"),
    "a negative time": ({"time_min_s": -1e-3}, "`$.time_min_s`"),
    "samples that are no lists": ({"samples_s": [1.0]}, "`$.samples_s[0]`"),
    "a sample that is no number": ({"samples_s": [["fast"]]}, "`$.samples_s[0][0]`"),
    "a sample of zero": ({"samples_s": [[1e-3, 0.0]]}, "`$.samples_s[0][1]`"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_line_edited_by_hand_is_refused_by_its_line_and_field(mistake, tmp_path):
    change, named = MISTAKES[mistake]
    edited = json.dumps(to_json(record("second")) | change)
    folder = write_journal(tmp_path, record("first"), edited, record("third"))
    with pytest.raises(RecordError) as caught:
        read_journal(folder)
    message = sentence(caught.value)
    assert message.startswith(f"Line 3 of {folder / 'records.jsonl'} ")
    assert named in message


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_field_is_named(name, tmp_path):
    values = to_json(record())
    del values[name]
    folder = write_journal(tmp_path, json.dumps(values))
    with pytest.raises(RecordError, match=f"missing required field `{name}`") as caught:
        read_journal(folder)
    sentence(caught.value)


@pytest.mark.parametrize("predicted", [2**63 - 1, 2.0**63, 1e300])
def test_a_prediction_beyond_what_an_integer_column_holds_is_a_float(predicted, tmp_path):
    folder = write_journal(tmp_path, record(predicted_flops=predicted))
    assert read_journal(folder)[1][0].predicted_flops == predicted
    assert load(folder).predicted_flops[0] == predicted


def test_measured_are_the_cells_that_have_figures():
    assert (
        {status for status in get_args(Status) if record(status=status).measured}
        == set(MEASURED)
        == {"ok", "disagrees"}
    )


def test_the_statuses_are_those_of_the_design():
    design = "ok disagrees over-memory-budget over-time-budget timed-out out-of-memory crashed"
    assert set(get_args(Status)) == {*design.split(), "unsupported", "unavailable", "predicted"}


def test_every_column_is_documented_once_and_nothing_else_is():
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    table = page.partition("| column | unit | meaning |")[2].partition("\n\n")[0]
    columns = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]+\|$", table, flags=re.MULTILINE)
    hidden = ("samples_s", "baselines_s")
    assert columns == [f.name for f in msgspec.structs.fields(Record) if f.name not in hidden]


def test_a_unit_stands_in_the_name_of_every_time_and_size():
    for f in msgspec.structs.fields(Record):
        if any(word in f.name for word in ("time", "prepare", "samples")):
            assert f.name.endswith(("_s", "_bytes")), f.name
        if any(word in f.name for word in ("peak", "high_water", "moved")):
            assert "_bytes" in f.name, f.name
