"""The Markdown report answers first, ranks what is right, and cannot be broken by what it prints."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import ANY_AGREEMENT, ANY_RECORD, MANY_FIELDS, agreement, described, left_out, record, wrong

from backprop.bench.journal import Run
from backprop.bench.report import markdown
from backprop.bench.report.pictures import NEEDED
from backprop.bench.report.tables import matrices

MACHINE = {
    "cpu": "A|B <c>",
    "cores": 2,
    "pinned_to": [1],
    "threads": 1,
    "memory_bytes": 8e9,
    "python": "3.11",
}


def render(records, agreements=(), pictures=(), can_draw=True, **run):
    """The report of these rows."""
    loaded = Run(described(**{"machine": MACHINE} | run), list(records), list(agreements))
    return markdown.render(loaded, list(pictures), can_draw)


def cells(line):
    """The cells of a table's row, split as GitHub splits it."""
    parts = re.findall(r"((?:\\.|[^|\\])*)\|", line.strip().removeprefix("|"))
    return [part.strip() for part in parts]


def tables(report):
    """Every table: a list of rows, each a list of cells, headers first, the rule left out."""
    found = []
    for block in report.split("\n\n"):
        lines = block.splitlines()
        if lines and lines[0].startswith("|"):
            assert re.fullmatch(r"\|( (:--|--:) \|)+", lines[1]), lines[1]
            found.append([cells(line) for line in [lines[0], *lines[2:]]])
            assert {len(row) for row in found[-1]} == {len(cells(lines[1]))}, block
    return found


def table_with(report, header):
    """The first table that has the column `header`."""
    return next(table for table in tables(report) if header in table[0])


def column(table, header):
    """A column of a table without its header."""
    return [row[table[0].index(header)] for row in table[1:]]


def test_right_cells_are_ranked_by_time_before_wrong_ones_and_those_left_out():
    ranked = [
        record(name, time, rank_best=k, rank_worst=2)
        for k, (name, time) in enumerate((("quick", 1e-3), ("slow", 2e-3)), 1)
    ]
    table = table_with(render([left_out("dense"), wrong("fast-but-wrong"), *ranked[::-1]]), "#")
    assert column(table, "strategy") == ["quick", "slow", "fast-but-wrong", "dense"]
    assert column(table, "#") == ["1-2", "2", "", ""]
    assert column(table, "status") == ["ok", "ok", "disagrees", "over-memory-budget"]


def test_every_scenario_and_dtype_has_a_table_with_all_its_cells():
    rows = [
        make(scenario=scenario, dtype=dtype)
        for scenario, dtype in itertools.product(("toy", "small"), ("float32", "float64"))
        for make in (record, wrong, left_out)
    ]
    report = render(rows)
    ranked = [table for table in tables(report) if "÷ short form" in table[0]]
    assert [len(table) for table in ranked] == [4, 4, 4, 4]
    for title in ("## toy, float32", "## toy, float64", "## small, float32", "## small, float64"):
        assert f"\n{title}\n" in report


def test_the_report_leads_with_what_the_gradient_costs_the_ranking_and_one_sentence():
    report = render([record("short-form", 1e-3), record("dense", 1.08), record("small", 3e-3, parameters=5)])
    lead, ranking, sentence, verdict = report.split("\n\n")[1:5]
    assert lead == (
        "**The same gradient: 1x, 3.00x, 1,080x the time.** "
        "Network: 4-3-2 relu cross-entropy, 23 parameters, batch 8, float64, 1 thread."
    )
    assert column(tables(ranking)[0], "strategy") == ["short-form", "small", "dense"]
    assert sentence == (
        "dense takes 1,080 times the time and 1.00 times the memory of short-form, for the same 16 right digits."
    )
    assert verdict.startswith("All 3 measured gradients are right, within")


def test_a_busy_machine_is_said_in_the_headline_and_in_bold_below_the_verdict():
    parts = render([record(), record("vjp", 2e-3, unstable="9% was stolen")]).split("\n\n")
    assert parts[1].startswith("**Unstable: do not publish. The same gradient: 1x, 2.00x the time.**")
    assert parts[5].startswith("**1 of 2 measured cells is unstable")
    assert column(tables(parts[2])[0], "status") == ["ok", "ok, unstable"]


def test_the_answer_is_about_the_largest_network():
    rows = [
        record("short-form"),
        record("short-form", network="9-9 cross-entropy", scenario="big", parameters=90),
    ]
    assert "Network: 9-9 cross-entropy, 90 parameters" in render(rows).split("\n\n")[1]


def test_wrong_gradients_are_named_at_the_top_and_never_in_the_ranking():
    report = render([record(), wrong("missing-mean"), wrong("transposed", dtype="float32")])
    first, second, ranking = report.split("\n\n")[1:4]
    assert "missing-mean" not in first
    assert column(tables(ranking)[0], "status") == ["ok", "disagrees"]
    assert second == (
        "**Wrong gradients, marked “disagrees” and not ranked: missing-mean (toy, float64), "
        "transposed (toy, float32). No cell was left out.**"
    )


def test_all_right_is_said_with_how_many_were_left_out():
    said = render([record(), record("b"), left_out()]).split("\n\n")[4]
    assert "All 2 measured gradients are right, within the tolerance" in said
    assert "1 cell was left out" in said


def test_a_run_without_a_measured_cell_says_so():
    assert "**No cell was measured.**" in render([])
    assert "**No cell was measured; predicted for the same gradient: " in render([left_out()])
    only_wrong = render([wrong()])
    assert "No cell was measured" not in only_wrong
    assert "**No right gradient was measured.**" in only_wrong


def test_what_was_left_out_has_its_reason_and_its_predicted_figures():
    table = table_with(
        render([record(), left_out("dense", reason="needs 2 GB", predicted_peak_bytes=2 * 10**9)]), "reason"
    )
    assert column(table, "strategy") == ["dense"]
    assert column(table, "reason") == ["needs 2 GB"]
    assert column(table, "status") == ["over-memory-budget"]
    assert column(table, "predicted memory") == ["2 GB"]
    assert column(table, "predicted time") == ["1 ms"]
    assert "Nothing: every cell was measured." in render([record()])


def test_the_agreement_matrix_is_symmetric_and_marks_pairs_that_disagree():
    apart = {"distance": 0.5, "agrees": False}
    rows = [agreement("a", "b"), agreement("a", "c", **apart), agreement("b", "c", **apart)]
    header, *body = tables(markdown.agreement_matrix(*matrices(rows)))[0]
    assert header[1:] == [row[0] for row in body] == ["a", "b", "c"]
    matrix = [row[1:] for row in body]
    assert matrix == [list(transposed) for transposed in zip(*matrix, strict=True)]
    assert matrix[0] == ["", "1.0e-16", "5.0e-01 ✗"]
    assert matrix[1][2] == "5.0e-01 ✗"


def test_a_distance_that_is_no_number_is_marked_too():
    matrix = tables(markdown.agreement_matrix(*matrices([agreement("a", "b", distance=None, agrees=False)])))[
        0
    ]
    assert matrix[1][2] == "- ✗"


def test_an_agreement_matrix_a_scenario():
    report = render([record()], [agreement("a", "b"), agreement("a", "b", dtype="float32")])
    assert "**toy, float64**" in report
    assert "**toy, float32**" in report
    assert "Fewer than two gradients in every scenario." in render([record()])


def test_pictures_are_shown_or_it_is_said_why_there_are_none():
    assert "![Time against size](time-against-size.svg)" in render(
        [record()], pictures=["time-against-size.svg"]
    )
    assert f"they need `{NEEDED}`" in render([record()], can_draw=False)
    without = render([left_out()])
    assert "No pictures" in without
    assert "pip install" not in without


PEERS = [
    record(name, network="784-512-10 relu", parameters=407_050)
    for name in ("short-form", "torch-grad", "batched-jacobian", "torch-jacrev", "forward-mode", "jax-jacfwd")
]

NASTY = [
    "a|b",
    "<script>alert(1)</script>",
    "`code`",
    "two\nlines",
    "\\",
    "a\\|b",
    "__init__",
    "*bold*",
    "|",
    "&lt;",
]


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_a_table_or_becomes_markup(name):
    report = render(
        [record(name), wrong(name + "!"), left_out(name + "?", reason=name)],
        [agreement(name, name + "!", agrees=False)],
        command=f"backprop run {name}",
        data=name,
    )
    found = tables(report)
    assert len(found) == 5
    assert "<script" not in report.replace("backprop run <script>", "")
    for cell in (cell for table in found for row in table for cell in row):
        visible = re.sub(r"<code>.*</code>|(?<!\\)`[^`]*`", "", cell)
        assert not re.search(r"(?<!\\)(\\\\)*[`*]", visible), cell
        assert not re.search(r"(?<![\w\\])_", visible), cell


def test_an_ordinary_name_stays_readable():
    report = render([record("my_gradient-2")])
    assert "| my_gradient-2 |" in report


@MANY_FIELDS
@given(st.lists(ANY_RECORD, max_size=4), st.lists(ANY_AGREEMENT, max_size=4))
def test_any_records_make_well_formed_tables(records, agreements):
    tables(render(records, agreements))


def test_the_machine_and_the_command_are_at_the_end():
    last = tables(render([record()]))[-1]
    rows = dict(row for row in last[1:])
    assert rows["command"] == "`backprop run`"
    assert rows["threads"] == "1, pinned to core 1"
    assert "pinned to core" not in str(
        tables(render([record()], machine={"threads": 2, "pinned_to": []}))[-1]
    )
