"""A run says how many pairs it compares, when one is called faster, or why nothing is claimed."""

from rows import described, left_out, record, timed

from backprop.bench.report.ranking import found_note, ranking_note


def note(*cells):
    return ranking_note(cells)


def test_the_note_says_how_many_pairs_are_compared_and_that_they_hold_together():
    cells = [timed(f"s{k}", 1e-3, scenario=name) for name in ("a", "b") for k in range(4)]
    assert note(*cells).startswith("12 pairs of cells compared.")
    assert "all pairs are judged together (Holm's method)" in note(*cells)


def test_with_too_few_starts_the_note_says_why_there_are_no_ranks():
    said = note(timed("a", 1e-3, starts=4), timed("b", 1e-3, starts=3))
    assert said == "No ranks and no claims: 3 to 4 starts, expected at least 6."
    assert "Cells with fewer than 6 starts, which have no rank: 1." in note(
        timed("a", 1e-3), timed("b", 1e-3), timed("slow", 1, starts=3)
    )


def test_the_note_says_whether_what_was_asked_for_was_reached():
    cells = [timed("a", 1e-3), timed("b", 1e-3, ratio_low=0.9, ratio_high=1.1, detectable=1.2)]
    said = ranking_note(cells, described(settings={"precision": 0.03, "claim": 0.25}))
    assert "Intervals were to reach 3% to either side: not reached in 1 of 2, as the time allowed." in said
    assert "A difference of 25% was to be found: reached." in said


def test_a_table_says_what_would_have_been_found():
    cells = [timed("a", 1e-3), timed("b", 1e-3, detectable=1.2)]
    assert found_note(cells).startswith("A difference from the short form of 3.1% to 20% would have")
    assert found_note(cells[:1]).startswith("A difference from the short form of 3.1% would have")
    assert found_note([record()]) == ""


def test_of_one_process_the_note_says_that_nothing_can_be_concluded():
    assert note(record("a", 1e-3), record("b", 1.0001e-3)).startswith(
        "No intervals, no ranks and no claims: "
    )
    assert note(left_out()) == ""


def test_of_one_cell_nothing_is_compared_and_nothing_said():
    assert note(timed("a", 1e-3)) == ""
