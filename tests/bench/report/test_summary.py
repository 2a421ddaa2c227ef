"""The text for a pull request is short, ranked, has its intervals and what was left out, and cannot be broken."""

from rows import described, left_out, record, wrong

from backprop.bench.journal import Run
from backprop.bench.report.markdown import summary


def text_of(*rows, **run):
    return summary(Run(described(**run), list(rows), []))


def table(text, header):
    """The rows of the first table with this header, by column."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    start = next(k for k, line in enumerate(lines) if header in line)
    body = [line for line in lines[start + 2 :] if len(line) == len(lines[start])]
    return [dict(zip(lines[start], line, strict=True)) for line in body]


def test_it_opens_with_the_answer_and_ends_with_how_to_repeat_it():
    text = text_of(record(), record("dense", 9.0), command="backprop run --suite quick")
    assert text.startswith("### The same gradient: 1x, 9,000x the time\n")
    assert text.splitlines()[-1].startswith("`backprop run --suite quick`, ")


def test_right_cells_are_ranked_with_their_interval_then_wrong_and_predicted_ones():
    text = text_of(
        wrong("fast-but-wrong"),
        left_out("black-box", "over-time-budget", predicted_time_s=500.0),
        record(
            "vjp", 2e-3, ratio_to_short_form=1.7, ratio_low=1.6, ratio_high=1.8, rank_best=2, rank_worst=3
        ),
        record(ratio_low=1.0, ratio_high=1.0),
    )
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    ranking = [[cell.strip("| ") for cell in row] for row in rows if len(row) == 8][:6]
    assert [row[1] for row in ranking if row[1] not in ("strategy", ":--")] == [
        "short-form",
        "vjp",
        "fast-but-wrong",
        "black-box",
    ]
    by_name = {row[1]: row for row in ranking}
    assert by_name["vjp"][0] == "2-3"
    assert by_name["vjp"][3:5] == ["1.70x", "1.60x to 1.80x"]
    assert (by_name["fast-but-wrong"][0], by_name["fast-but-wrong"][7]) == ("", "disagrees")
    assert (by_name["black-box"][2], by_name["black-box"][7]) == ("≈ 500 s", "over-time-budget")


def test_what_was_left_out_is_one_line_a_strategy_with_its_reason():
    rows = [left_out("dense", scenario=f"s{k}", reason="needs 2 GB") for k in range(100)]
    text = text_of(record(), *rows)
    (line,) = table(text, "reason")
    assert line == {
        "strategy": "dense",
        "status": "over-memory-budget",
        "scenario": "s0, float64 and 99 more",
        "reason": "needs 2 GB",
    }
    assert len(text.splitlines()) < 25


def test_names_are_neither_html_nor_a_table():
    text = text_of(record(), record("<b>|x", 2e-3), left_out("<i>", reason="a|b"))
    assert "&lt;b&gt;\\|x" in text
    assert "a\\|b" in text
    assert "<b>" not in text
    assert "<i>" not in text


def test_a_run_without_a_cell_is_a_sentence():
    text = text_of()
    assert text.startswith("### No cell was measured\n")
    assert "The run holds no cell at all." in text
    assert "|" not in text


def test_an_estimate_that_decides_nothing_has_no_rank():
    text = text_of(record("estimate", 1e-4, tolerance=2.0), record(rank_best=1, rank_worst=1))
    assert "|  | estimate |" in text
    assert "| 1 | short-form |" in text
