"""The terminal says what the reports say: the same answer, the same ranking, the same figures."""

import pytest
from command import run_python
from rows import left_out, record, wrong

from backprop.bench.console import make_console, print_records
from backprop.bench.report.answer import answer
from backprop.bench.report.markdown import ranked_table

ROWS = [
    left_out("dense", predicted_time_s=2.0, predicted_peak_bytes=3 * 10**9),
    wrong("fast-but-wrong", rank_best=1, rank_worst=1),
    record("slow", 2e-3, rank_best=2, rank_worst=3),
    record("short-form", 1e-3, rank_best=1, rank_worst=1),
]


@pytest.fixture
def printed(capsys, monkeypatch):
    def lines(rows):
        monkeypatch.setenv("COLUMNS", "1000")
        print_records(make_console(), rows)
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.fixture
def table(monkeypatch):
    """The rows of the one table that is printed of these records, each by its headers."""
    found = []
    monkeypatch.setattr(
        "backprop.bench.console.print_tables", lambda _, tables, columns: found.extend(tables)
    )

    def rows_of(records):
        found.clear()
        print_records(make_console(), records)
        return found[0].rows

    return rows_of


def cells(lines):
    """The rows of a Markdown table, each by its headers."""
    header, *body = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in body]


def test_the_answer_in_one_sentence_follows_the_ranking(printed):
    lines = [line for line in printed(ROWS) if line]
    assert lines[-1] == answer(ROWS).sentence
    assert lines[-2].split()[0] == "dense"
    assert not [line for line in lines[:2] if "times" in line]


def test_of_several_scenarios_the_sentence_names_its_own(printed):
    rows = [*ROWS, record(scenario="small", parameters=5)]
    assert printed(rows)[-1] == f"toy, float64: {answer(ROWS).sentence}"


def test_a_busy_machine_is_said_before_the_answer_and_counted_after_it(printed):
    rows = [record(unstable="steal"), record("vjp", 2e-3, unstable="steal"), record("b", 3e-3)]
    *_, said, counted = printed(rows)
    assert said.startswith("Unstable: do not publish. b takes 3.00 times the time")
    assert counted.startswith("2 of 3 measured cells are unstable")


def test_the_ranking_is_the_one_of_the_report(table):
    shown = table(ROWS)
    rows = cells(ranked_table(ROWS).splitlines())[1:]
    for header in ("#", "strategy", "time", "÷ short form", "peak memory", "status"):
        assert [row[header] for row in shown] == [row[header] for row in rows], header
    assert [row["#"] for row in shown] == ["1", "2-3", "", ""]


def test_what_did_not_run_has_its_predicted_figures(table):
    last = table(ROWS)[-1]
    assert [last[name] for name in ("time", "÷ short form", "peak memory")] == ["≈ 2 s", "≈ 2,000x", "≈ 3 GB"]


def test_a_verification_which_times_nothing_claims_no_times(printed):
    rows = [record(time_median_s=None), left_out("dense", predicted_time_s=2.0)]
    assert not any("time." in line for line in printed(rows))


def test_an_unstable_cell_says_why(table):
    (row,) = table([record(unstable="start 2 differs by 30%")])
    assert (row["status"], row["reason"]) == ("ok, unstable", "start 2 differs by 30%")


@pytest.mark.processes
def test_printing_needs_no_numpy():
    done = run_python(
        "import sys, backprop.bench.console;"
        "print([name for name in ('numpy', 'pandas', 'vl_convert') if name in sys.modules])"
    )
    assert done.out == "[]\n"
