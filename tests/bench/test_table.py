"""A table fits its terminal: nothing that is kept is cut, and what is left out is said."""

import pytest
from command import terminal

from backprop.bench.console import make_console
from backprop.bench.table import Columns, Table, print_tables

NAMES = ("finite-differences-richardson", "short-form")
ROWS = [
    {
        "strategy": NAMES[0],
        "time": "≈ 2.31 days",
        "peak memory": "3 GB",
        "error": "-",
        "why": "it is too slow here",
    },
    {"strategy": NAMES[1], "time": "1 ms", "peak memory": "9 kB", "error": "-", "why": ""},
]
COLUMNS = Columns(numbers=("time", "peak memory", "error"), first=("strategy", "peak memory"), prose=("why",))


def printed(columns, *tables, width=80, encoding="utf-8"):
    with terminal(width, encoding) as text:
        print_tables(make_console(), tables or [Table("a title", ROWS)], columns)
        return text()


@pytest.mark.parametrize("width", [29, 30, 40, 60, 80, 200])
def test_names_are_whole_at_any_width(width):
    text = printed(COLUMNS, width=width)
    assert all(name in text for name in NAMES)
    assert "…" not in text


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, printed(COLUMNS, width=width).splitlines())) <= width


def test_everything_is_on_one_line_where_there_is_room():
    text = printed(COLUMNS, width=200)
    assert [line for line in text.splitlines() if NAMES[0] in line and "it is too slow here" in line]
    assert "left out" not in text


def test_a_column_without_figures_goes_first_and_in_silence():
    assert "error" in printed(COLUMNS, width=200)
    text = printed(COLUMNS, width=77)
    assert "error" not in text
    assert "left out" not in text
    assert "peak memory" in text


def test_long_texts_go_under_their_row_with_their_header():
    lines = printed(COLUMNS, width=60).splitlines()
    row = next(k for k, line in enumerate(lines) if NAMES[0] in line)
    assert lines[row + 1].strip() == "why: it is too slow here"


def test_the_least_important_column_goes_next_and_the_note_names_it():
    text = printed(COLUMNS, width=40)
    assert "Columns left out at this width: time." in " ".join(text.split())
    assert "3 GB" in text
    assert "days" not in text


def test_a_column_that_is_kept_goes_under_its_row():
    text = printed(Columns(first=("strategy",), kept=("time",)), width=35)
    assert "    time: ≈ 2.31 days" in text


def test_most_short_texts_keep_a_column_of_prose_beside_the_others():
    rows = [{"name": "a" * 20, "status": "ok"}] * 3 + [{"name": "b" * 20, "status": "over the budget"}]
    text = printed(Columns(prose=("status",)), Table("", rows), width=30)
    assert text.count("  ok") == 3
    assert "    status: over the budget" in text


def test_that_all_is_well_is_not_worth_a_line():
    rows = [{"name": "a" * 28, "status": "ok"}, {"name": "b" * 28, "status": "crashed"}]
    text = printed(Columns(prose=("status",)), Table("", rows), width=30)
    assert text.count("status: ") == 1


def test_tables_of_one_kind_have_one_layout_and_one_note():
    wide = [{"strategy": NAMES[0], "time": "1 ms", "error": "1.0e-16"}]
    narrow = [{"strategy": "short", "time": "1 ms", "error": "1.0e-16"}]
    text = printed(Columns(), Table("first", wide), Table("second", narrow), width=38)
    assert text.count("left out") == 1
    assert "1.0e-16" not in text


def test_nothing_is_printed_of_no_rows():
    assert printed(Columns(), Table("a title", [])) == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_columns_stand_below_each_other_where_a_sign_needs_more_letters(encoding):
    rows = [{"of": "θ", "n": "1"}, {"of": "x", "n": "2"}]
    lines = printed(Columns(numbers=("n",)), Table("", rows), encoding=encoding).splitlines()
    theta, x = lines[-3:-1]
    assert theta.startswith("theta")
    assert theta.index("1") == x.index("2")


def test_a_pipe_gets_whole_lines(capsys):
    print_tables(make_console(), [Table("a title", ROWS * 2)], COLUMNS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a title"
    assert sum(line.startswith("| finite-differences-richardson |") for line in lines) == 2
    assert len(set(map(len, lines[1:]))) == 1
