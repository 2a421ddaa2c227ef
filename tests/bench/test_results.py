"""What a run's rows say together: whether all agree, and who did not survive."""

import pytest
from rows import agreement, left_out, record, wrong

from backprop.bench.record import Results


@pytest.mark.parametrize("status", ["crashed", "out-of-memory", "timed-out"])
def test_a_strategy_that_did_not_survive_fails_the_run(status):
    results = Results([record(), left_out("dead", status), left_out("dead", status)], [])
    assert results.agree
    assert results.failed == ["dead", "dead"]
    assert results.verdict().endswith("CRASHED: dead.")


@pytest.mark.parametrize("status", ["over-memory-budget", "over-time-budget", "unsupported", "unavailable"])
def test_a_cell_that_was_left_out_does_not(status):
    results = Results([record(), left_out("dense", status)], [agreement("a", "b")])
    assert results.agree
    assert results.failed == []
    assert results.verdict() == "1 gradient and 1 pair compared, 1 cell left out: all agree."


def test_where_nothing_was_measured_nothing_agrees():
    verdict = Results([left_out("dense", "over-memory-budget")], []).verdict()
    assert verdict == "0 gradients and 0 pairs compared, 1 cell left out."


def test_a_wrong_gradient_or_pair_disagrees():
    assert Results([record(), wrong("mistaken")], []).verdict().endswith("DISAGREE: mistaken.")
    apart = Results([record()], [agreement("a", "b", agrees=False)])
    assert not apart.agree
    assert apart.verdict().endswith("DISAGREE: a and b.")
