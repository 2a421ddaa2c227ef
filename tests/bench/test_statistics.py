"""The statistics, on made-up turns of the structure that was seen: a level a start, noise a turn, a common drift.

The level of a start is worth 1 to 5%, a turn 1 to 3%, and the machine's speed wanders by tens of per cent, alike for
all who take the same turns.
"""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from over import over, part
from tables import PROPERTY

from backprop.bench.estimates import first_turns, unstable
from backprop.bench.statistics import (
    SAME,
    SIGNIFICANCE,
    STARTS_TO_CLAIM,
    Estimate,
    combined,
    fit_exponent,
    geometric_mean,
    holm,
    noise_floor,
    over_starts,
    plan,
    ratio_of,
    share_of,
    time_of,
    turn_ratios,
    verdict,
)

FEW = settings(PROPERTY, max_examples=25)


def synthetic(rng, factors, starts=15, turns=8, start_sd=0.03, turn_sd=0.02, drift=0.3):
    """Turns by start of one strategy for every factor, all of them with the same drift of the machine."""
    machine = np.exp(drift * np.cumsum(rng.standard_normal(starts * turns)) / np.sqrt(starts * turns))
    made = []
    for factor in factors:
        level = np.exp(start_sd * rng.standard_normal(starts))[:, None]
        noise = np.exp(turn_sd * rng.standard_normal((starts, turns)))
        made.append((1e-3 * factor * level * noise * machine.reshape(starts, turns)).tolist())
    return made


def rng_of(seed):
    return np.random.default_rng(seed)


# The table: what holds of every schedule


CASES = 10_000


def many(rng, starts, turns, start_sd, turn_sd=0.02):
    """The logarithms of the medians (cases, starts) of as many made-up cells of the same time."""
    level = start_sd * rng.standard_normal((CASES, starts))
    return level + np.median(turn_sd * rng.standard_normal((CASES, starts, turns)), axis=-1)


@pytest.mark.parametrize("start_sd", part([0.02, 0.01, 0.05], 3))
@over(starts=(3, 4, 6, 10, 15), turns=(1, 4, 5, 8))
def test_intervals_cover_93_to_97_percent_and_nothing_is_found_where_nothing_is(starts, turns, start_sd):
    rng = rng_of(100 * starts + turns)
    first, second = (many(rng, starts, turns, start_sd) for _ in range(2))
    for mean in (over_starts(first - second), combined((1, -1), (over_starts(first), over_starts(second)))):
        covered = np.mean(np.abs(mean.mean) <= mean.reach())
        assert 0.93 <= covered <= 0.97
        assert np.mean(mean.p_value < SIGNIFICANCE) <= 0.005


@pytest.mark.parametrize("starts", [6, 10, 15])
def test_what_would_have_been_found_is_found_in_nine_of_ten_runs(starts):
    rng = rng_of(starts)
    spread = over_starts(many(rng, starts, 5, 0.01))
    typical = replace(spread, error=np.sqrt(np.mean(spread.error**2))).detectable
    found = over_starts(many(rng, starts, 5, 0.01) + np.log(typical)).p_value < SIGNIFICANCE
    assert 0.88 <= np.mean(found) <= 0.92


def test_few_starts_find_10_percent_less_often_which_is_why_six_are_asked_for():
    power = {}
    for starts in (3, 4, STARTS_TO_CLAIM):
        y = many(rng_of(starts), starts, 5, 0.01) - many(rng_of(starts + 50), starts, 5, 0.01)
        power[starts] = np.mean(over_starts(y + np.log(1.1)).p_value < SIGNIFICANCE)
    assert power[3] < 0.3 < power[4] < 0.9 < power[STARTS_TO_CLAIM]


# Estimates


def test_an_estimate_is_that_of_students_t_over_the_starts():
    from scipy import stats

    starts = [[1.0, 1.1, 1.2], [1.3], [0.9, 1.0]]
    y = np.log([1.1, 1.3, 0.95])
    expected = stats.ttest_1samp(y, 0.0)
    low, high = np.exp(expected.confidence_interval())
    mean = time_of(starts)
    assert mean.estimate == Estimate(pytest.approx(np.exp(y.mean())), pytest.approx(low), pytest.approx(high))
    assert mean.p_value == pytest.approx(expected.pvalue)


def test_strategies_that_took_no_turn_together_are_compared_as_welch_did():
    from scipy import stats

    rng = rng_of(0)
    own, other = rng.lognormal(0.1, 0.02, (5, 1)), rng.lognormal(0, 0.05, (9, 1))
    expected = stats.ttest_ind(np.log(own[:, 0]), np.log(other[:, 0]), equal_var=False)
    ratio = ratio_of(own.tolist(), other.tolist(), together=False)
    assert ratio.p_value == pytest.approx(expected.pvalue)
    low, high = np.exp(expected.confidence_interval())
    assert (ratio.estimate.low, ratio.estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_ratios_are_taken_turn_by_turn_where_both_took_part():
    assert turn_ratios([[2.0, 3.0], [8.0]], [[1.0, 1.0, 9.0], [2.0, 1.0], [5.0]]) == [[2.0, 3.0], [4.0]]
    assert turn_ratios([[2.0], []], [[1.0], [1.0]]) == [[2.0]]


def test_drift_that_all_share_leaves_the_ratio_alone():
    short, slower = synthetic(rng_of(1), (1, 1.5), start_sd=0.001, turn_sd=0.001, drift=2.0)
    assert ratio_of(slower, short, together=True).estimate.value == pytest.approx(1.5, rel=0.005)
    apart = np.median(np.concatenate(slower)) / np.median(short[: len(short) // 2])
    assert apart != pytest.approx(1.5, rel=0.05)


def test_one_start_has_no_interval_and_tells_of_no_difference():
    for mean in (
        time_of([[1.0, 2.0, 3.0]]),
        ratio_of([[2.0]], [[1.0]], True),
        ratio_of([[2.0]], [[1.0]], False),
    ):
        assert not mean.estimate.has_interval
        assert mean.p_value == 1
        assert np.isnan(mean.detectable)
    assert time_of([[1.0, 2.0, 3.0]]).estimate.value == pytest.approx(2)
    assert noise_floor(ratio_of([[2.0]], [[1.0]], together=True)) is None


def test_a_strategy_is_the_same_as_itself():
    (short,) = synthetic(rng_of(3), (1,))
    ratio = ratio_of(short, short, together=True)
    assert (ratio.estimate, ratio.p_value) == (Estimate(1.0, 1.0, 1.0), 1.0)


@pytest.mark.parametrize("together", [True, False])
def test_times_that_never_vary_are_told_apart_or_are_the_same(together):
    assert ratio_of([[1.0]] * 3, [[1.0]] * 3, together).p_value == 1
    assert ratio_of([[2.0]] * 3, [[1.0]] * 3, together).p_value == 0


@FEW
@given(
    st.lists(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5), min_size=2, max_size=6),
    st.floats(1e-3, 1e3),
)
def test_estimates_are_ordered_and_scale(starts, factor):
    estimate = time_of(starts).estimate
    assert estimate.low <= estimate.value * (1 + 1e-12) <= estimate.high * (1 + 2e-12)
    scaled = time_of([[factor * turn for turn in turns] for turns in starts]).estimate
    np.testing.assert_allclose(
        [scaled.value, scaled.low, scaled.high],
        np.multiply(factor, [estimate.value, estimate.low, estimate.high]),
        rtol=1e-6,
    )


@FEW
@given(st.integers(0, 2**32 - 1))
def test_a_noise_floor_is_at_least_one_and_symmetric_in_the_pair(seed):
    first, second = synthetic(rng_of(seed), (1, 1), starts=4, turns=3)
    floor = noise_floor(ratio_of(first, second, together=True))
    assert floor >= 1
    assert noise_floor(ratio_of(second, first, together=True)) == pytest.approx(floor, rel=0.02)


def test_the_geometric_mean_treats_a_factor_and_its_inverse_alike():
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([1.0, 100.0]) == pytest.approx(10.0)
    assert np.isnan(geometric_mean([]))


def test_the_mean_of_independent_ratios_covers_the_truth():
    rng = rng_of(4)
    mean = combined([0.25] * 4, [over_starts(many(rng, 4, 5, sd)) for sd in (0.01, 0.02, 0.03, 0.05)])
    assert 0.93 <= np.mean(np.abs(mean.mean) <= mean.reach()) <= 0.97


@pytest.mark.processes
def test_nothing_here_loads_scipy_stats():
    code = (
        "import sys; from backprop.bench.statistics import *; m = time_of([[1.0], [1.1], [1.2]]);"
        "m.estimate, m.p_value, m.detectable, share_of(1, 3), fit_exponent([1, 2, 3], [1, 2, 4]);"
        "print('scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Claims


def claim(own, other, floor=1.0, sure=True):
    return verdict(ratio_of(own, other, together=True), len(own), floor, sure)


@pytest.mark.parametrize(("start_sd", "turn_sd"), [(0.014, 0.01), (0.032, 0.03)])
def test_a_twin_is_not_called_different_and_a_planted_10_percent_is_found(start_sd, turn_sd):
    """The ratio of two varies √2 times as much: by the 2 to 5% from start to start that were seen."""
    runs, false_claims, found, close = 200, 0, 0, 0
    for seed in range(runs):
        made = synthetic(rng_of(seed), (1, 1, 1, 1.1), start_sd=start_sd, turn_sd=turn_sd)
        short, twin, same, slower = made
        floor = noise_floor(ratio_of(short, twin, together=True))
        false_claims += claim(same, short, floor) != SAME
        found += claim(slower, short, floor) == "slower"
        close += abs(ratio_of(slower, short, together=True).estimate.value / 1.1 - 1) <= 0.03
    assert false_claims == 0
    assert found >= 0.9 * runs
    assert close >= 0.95 * runs


def test_a_difference_of_three_percent_is_not_claimed_however_sure():
    short, other = synthetic(rng_of(0), (1, 1.03), start_sd=0.001, turn_sd=0.001)
    assert ratio_of(other, short, together=True).p_value < SIGNIFICANCE
    assert claim(other, short) == SAME


def test_a_difference_inside_the_noise_floor_is_not_claimed_however_sure():
    short, other = synthetic(rng_of(0), (1, 1.1), start_sd=0.002, turn_sd=0.002)
    assert claim(other, short) == "slower"
    assert claim(short, other) == "faster"
    assert claim(other, short, floor=1.2) == SAME


def test_a_difference_that_is_not_sure_among_all_comparisons_is_not_claimed():
    short, other = synthetic(rng_of(0), (1, 1.1), start_sd=0.002, turn_sd=0.002)
    assert claim(other, short, sure=False) == SAME


@pytest.mark.parametrize("starts", [6, 12])
def test_a_large_factor_that_comes_and_goes_is_not_claimed(starts):
    other = [[1.0] * 4 for _ in range(starts)]
    own = [[0.7 + 0.01 * k if k % 2 else 1.4 + 0.01 * k] * 4 for k in range(starts - 1)] + [[1.4] * 4]
    ratio = ratio_of(own, other, together=True)
    assert np.exp(ratio.mean) > 1.03
    assert ratio.p_value > SIGNIFICANCE
    assert claim(own, other) == SAME


@pytest.mark.parametrize("starts", [1, 3, 5])
def test_with_fewer_than_six_starts_nothing_is_claimed_and_it_says_so(starts):
    words = f"no claim: {starts} start{'s' if starts > 1 else ''}, expected at least 6"
    assert claim([[100.0]] * starts, [[1.0]] * starts) == words


def test_a_slow_strategy_with_one_turn_in_every_start_is_still_called_slower():
    (short,) = synthetic(rng_of(2), (1,), starts=10)
    slow = [[own[0] * 100] for own in short[:6]]
    assert claim(slow, short) == "slower"


def test_holm_is_sure_of_what_bonferroni_is_and_of_more():
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert holm([0.01, 0.02, 0.04]) == [True, True, True]
    assert holm([0.02, 0.001, 0.03]) == [True, True, True]
    assert holm([0.06]) == [False]
    assert holm([]) == []


def test_of_many_families_without_a_difference_five_percent_hold_a_false_claim():
    rng = rng_of(7)
    false_claims = np.mean([any(holm(rng.random(50).tolist())) for _ in range(2000)])
    assert 0.03 <= false_claims <= 0.07


def test_a_share_has_an_exact_interval():
    from scipy.stats import binomtest

    for count, total in ((0, 300), (3, 300), (57, 60), (60, 60)):
        expected = binomtest(count, total).proportion_ci(method="exact")
        found = share_of(count, total)
        assert found.value == count / total
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


# Planning


def ratios(seed, starts=6, turns=5, start_sd=0.02, turn_sd=0.01):
    short, own = synthetic(rng_of(seed), (1, 1), starts, turns, start_sd, turn_sd)
    return turn_ratios(own, short)


def test_more_starts_are_planned_for_a_narrower_interval_and_a_smaller_claim():
    narrow = [plan(ratios(0), 5, 0.5, share, None, 10_000).starts for share in (0.05, 0.02, 0.01, 0.005)]
    claims = [plan(ratios(0), 5, 0.5, None, share, 10_000).starts for share in (0.2, 0.1, 0.05, 0.02)]
    for starts in (narrow, claims):
        assert starts == sorted(starts)
        assert 6 <= starts[0] < starts[-1]
    assert plan(ratios(0), 5, 0.5, 0.01, 0.05, 10_000).starts == max(narrow[2], claims[2])


def test_no_more_starts_are_planned_than_may_be():
    assert plan(ratios(0), 5, 0.5, 1e-6, None, 40).starts == 40
    assert plan(ratios(0), 5, 0.5, 0.5, None, 40).starts == 6


def test_where_starts_are_dear_and_turns_vary_a_start_takes_more_turns():
    turns = [plan(ratios(1), start_s, 0.5, 0.01, None, 99).turns for start_s in (0.5, 5, 500)]
    assert turns == sorted(turns)
    assert turns[0] < turns[-1]
    noisy, calm = (plan(ratios(1, turn_sd=sd), 20, 0.5, 0.01, None, 99).turns for sd in (0.05, 0.001))
    assert noisy > calm


def test_starts_that_are_bought_until_the_interval_is_narrow_leave_its_coverage_alone():
    runs, covered, narrow = 400, 0, 0
    for seed in range(runs):
        rng = rng_of(seed)
        every = np.exp(0.02 * rng.standard_normal((200, 1)))
        count = 6
        while (more := plan(every[:count].tolist(), 5, 0.5, 0.02, None, min(200, 2 * count)).starts) > count:
            count = more
        mean = time_of(every[:count].tolist())
        covered += abs(mean.mean) <= mean.reach()
        narrow += mean.reach() <= np.log1p(0.02)
    assert narrow == runs
    assert 0.92 * runs <= covered <= 0.97 * runs


# Exponents


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3])
def test_an_exponent_is_recovered_and_covered_by_its_interval(exponent):
    sizes, covered = [16, 32, 64, 128, 256], 0
    for seed in range(200):
        values = 1e-4 * np.array(sizes, float) ** exponent * np.exp(0.05 * rng_of(seed).standard_normal(5))
        fitted = fit_exponent(sizes, values)
        assert fitted.value == pytest.approx(exponent, abs=0.12)
        covered += fitted.low <= exponent <= fitted.high
    assert 0.9 * 200 <= covered <= 0.99 * 200


def test_an_exact_power_has_a_narrow_interval():
    fitted = fit_exponent([1, 2, 4, 8], [n**2.0 for n in (1, 2, 4, 8)])
    np.testing.assert_allclose([fitted.value, fitted.low, fitted.high], 2, atol=1e-9)


def test_an_exponent_of_three_points_has_one_degree_of_freedom_and_of_two_no_interval():
    from scipy.stats import linregress, t

    x, y = [1.0, 2.0, 4.0], [1.0, 2.2, 3.9]
    line, fitted = linregress(np.log(x), np.log(y)), fit_exponent(x, y)
    assert fitted.high - fitted.value == pytest.approx(t.ppf(0.975, 1) * line.stderr)
    assert not fit_exponent(x[:2], y[:2]).has_interval


# Instability


def steady(starts=8, turns=6, seed=0):
    return synthetic(rng_of(seed), (1,), starts, turns, start_sd=0.01, turn_sd=0.01, drift=0)[0]


def test_steady_turns_are_not_flagged():
    assert [unstable(steady(seed=seed), 0.0) for seed in range(30)] == [""] * 30
    assert [first_turns(steady(seed=seed)) for seed in range(30)] == [None] * 30


def test_first_turns_that_take_longer_are_said():
    starts = [[1.2 * turns[0], *turns[1:]] for turns in steady()]
    assert first_turns(starts) == pytest.approx(1.2, rel=0.02)


@pytest.mark.parametrize("starts", [[[1.0]] * 6, [[2.0, 1.0]], [[2.0, 1.0], [1.0, 2.0]]])
def test_few_first_turns_are_no_evidence_of_a_warm_up(starts):
    assert first_turns(starts) is None


def test_an_outlying_start_is_flagged_by_its_number():
    starts = steady()
    starts[4] = [turn * 1.4 for turn in starts[4]]
    assert re.fullmatch(r"start 5 differs by (3[5-9]|4[0-5])%", unstable(starts, 0.0))


def test_drift_is_flagged_with_its_factor():
    starts = [[turn * (1 + 0.12 * k) for turn in turns] for k, turns in enumerate(steady())]
    assert "drift: the second half took 1." in unstable(starts, 0.0)


def test_stolen_time_and_throttling_are_flagged():
    assert unstable(steady(), 0.02) == ""
    assert unstable(steady(), 0.07) == "7% of the processor's time was stolen by the host"
    assert unstable(steady(), 0.0, 3) == "the processor slowed down 3 times because it was hot"
    assert unstable(steady(), 0.07, 3).count(";") == 1


@pytest.mark.parametrize("starts", [[[1.0]], [[1.0]] * 3, [[1.0, 2.0]] * 3])
def test_few_turns_are_no_evidence_of_anything(starts):
    assert unstable(starts, 0.0) == ""
