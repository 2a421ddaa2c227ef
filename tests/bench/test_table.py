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
COLUMNS = Columns(first=("strategy", "peak memory"), prose=("why",))


def printed(columns, *tables, width=80):
    with terminal(width) as text:
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


def test_a_column_without_figures_is_left_out_in_silence():
    text = printed(COLUMNS, width=200)
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


def test_prose_that_is_important_keeps_a_narrow_column_for_its_short_texts():
    rows = [{"name": "a" * 20, "status": "ok"}] * 3 + [{"name": "b" * 20, "status": "over the budget"}]
    text = printed(Columns(first=("name", "status"), prose=("status",)), Table("", rows), width=30)
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


def test_numbers_stand_below_each_other_at_the_right_and_texts_at_the_left():
    rows = [{"name": "b", "time": "1 s"}, {"name": "short-form", "time": "100 s"}]
    *_, one, other, end = printed(Columns(), Table("", rows)).splitlines()
    assert (one.index("b"), other.index("short-form"), end) == (0, 0, "")
    assert one.index("1 s") == other.index("100 s") + 2


def test_a_pipe_is_as_wide_as_columns_says_and_without_it_a_row_is_a_line(capsys, monkeypatch):
    for width in (None, 60, 200):
        monkeypatch.delenv("COLUMNS", raising=False)
        if width:
            monkeypatch.setenv("COLUMNS", str(width))
        print_tables(make_console(), [Table("a title", ROWS * 2)], COLUMNS)
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= (width or 10_000)
        assert [line for line in text.splitlines() if line != line.rstrip()] == []
        assert ("why: it is" in text) == (width == 60)
