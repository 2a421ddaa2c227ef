"""The statistics, on made-up turns of the structure that was seen: a level a start, noise a turn, a common drift.

start_sd is worth 2 to 5%, turn_sd 1 to 3%, and the machine's speed wanders by tens of per cent, alike for all
who take the same turns.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import PROPERTY

from bench.statistics import (
    SIGNIFICANCE,
    SMALLEST_CLAIM,
    STARTS_TO_TEST,
    Estimate,
    compare,
    estimate_median,
    estimate_ratio,
    fit_exponent,
    geometric_mean,
    noise_floor,
    resampled_medians,
    turn_ratios,
    unstable,
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


# A/A pairs and planted differences


@pytest.mark.parametrize(("start_sd", "turn_sd"), [(0.014, 0.01), (0.032, 0.03)])
def test_a_twin_is_not_called_different_and_a_planted_10_percent_is_found(start_sd, turn_sd):
    """The ratio of two varies √2 times as much: by the 2 to 5% from start to start that were seen."""
    runs, false_alarms, found, close = 200, 0, 0, 0
    for seed in range(runs):
        rng = rng_of(seed)
        short, twin, same, slower = synthetic(rng, (1, 1, 1, 1.1), start_sd=start_sd, turn_sd=turn_sd)
        floor = noise_floor(short, twin, rng)
        false_alarms += compare(same, short, floor, rng).verdict != "same within noise"
        difference = compare(slower, short, floor, rng)
        found += difference.verdict == "slower"
        close += abs(difference.ratio.value / 1.1 - 1) <= 0.03
    assert false_alarms <= 0.05 * runs
    assert found >= 0.95 * runs
    assert close >= 0.95 * runs


def test_one_lucky_twin_does_not_make_a_claim_of_three_percent():
    claimed = 0
    for seed in range(50):
        rng = rng_of(seed)
        short, twin, other = synthetic(rng, (1, 1, 1.03), start_sd=0.001, turn_sd=0.001)
        claimed += compare(other, short, noise_floor(short, twin, rng), rng).verdict != "same within noise"
    assert claimed == 0


def test_a_difference_inside_the_noise_floor_is_not_claimed_however_sure():
    rng = rng_of(0)
    short, other = synthetic(rng, (1, 1.1), start_sd=0.002, turn_sd=0.002)
    assert compare(other, short, 1.0, rng).verdict == "slower"
    assert compare(short, other, 1.0, rng).verdict == "faster"
    assert compare(other, short, 1.2, rng).verdict == "same within noise"


@pytest.mark.parametrize("starts", [4, 12])
def test_a_large_factor_that_comes_and_goes_is_not_claimed(starts):
    other = [[1.0] * 4 for _ in range(starts)]
    own = [[0.7 + 0.01 * k if k % 2 else 1.4 + 0.01 * k] * 4 for k in range(starts - 1)] + [[1.4] * 4]
    difference = compare(own, other, 1.0, rng_of(0))
    assert difference.ratio.value > 1.05
    assert difference.p_value > SIGNIFICANCE
    assert difference.verdict == "same within noise"


def test_drift_that_all_share_leaves_the_ratio_alone():
    rng = rng_of(1)
    short, slower = synthetic(rng, (1, 1.5), start_sd=0.001, turn_sd=0.001, drift=2.0)
    assert estimate_ratio(slower, short, rng).value == pytest.approx(1.5, rel=0.005)
    apart = np.median(np.concatenate(slower)) / np.median(short[: len(short) // 2])
    assert apart != pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("starts", [3, 5, 10])
def test_a_slow_strategy_with_few_turns_is_still_called_slower(starts):
    rng = rng_of(2)
    (short,) = synthetic(rng, (1,), starts=10)
    slow = [[own[0] * 100] for own in short[:starts]]
    difference = compare(slow, short, 1.05, rng)
    assert difference.verdict == "slower"
    assert difference.p_value < SIGNIFICANCE
    assert difference.ratio.value == pytest.approx(100)


@pytest.mark.parametrize(("own", "other"), [(3, 3), (3, 4), (4, 8)])
def test_two_slow_strategies_with_few_turns_each_are_told_apart_by_a_large_factor(own, other):
    rng = rng_of(4)
    slow = [[2.0 * factor] for factor in rng.lognormal(0, 0.02, own)]
    slower = [[4.0 * factor] for factor in rng.lognormal(0, 0.02, other)]
    assert compare(slower, slow, 1.05, rng).verdict == "slower"
    assert compare(slow, slower, 1.05, rng).verdict == "faster"


@pytest.mark.parametrize(("own", "other"), [(1, 8), (2, 8), (2, 2), (3, 3), (4, 4), (3, 8)])
def test_two_slow_strategies_that_are_the_same_are_hardly_ever_told_apart(own, other):
    rng = rng_of(5)
    claimed = 0
    for _ in range(300):
        first, second = ([[factor] for factor in rng.lognormal(0, 0.1, count)] for count in (own, other))
        claimed += compare(first, second, 1.05, rng).verdict != "same within noise"
    assert claimed <= 3


def test_two_slow_strategies_that_always_take_the_same_time_are_the_same():
    assert compare([[1.0]] * 3, [[1.0]] * 3, 1.0, rng_of(6)).verdict == "same within noise"


def test_a_strategy_is_the_same_as_itself():
    (short,) = synthetic(rng_of(3), (1,))
    difference = compare(short, short, 1.0, rng_of(3))
    assert (difference.verdict, difference.p_value) == ("same within noise", 1.0)
    assert difference.ratio == Estimate(1.0, 1.0, 1.0)


def test_enough_starts_are_asked_for_to_reach_the_significance():
    assert 2 / 2**STARTS_TO_TEST < SIGNIFICANCE < 2 / 2 ** (STARTS_TO_TEST - 1)
    assert SMALLEST_CLAIM > 1


# Intervals


def naive_interval(starts, rng):
    """Of all turns alike, as if they were independent."""
    turns = np.concatenate(starts)
    medians = np.median(rng.choice(turns, (2000, len(turns))), axis=1)
    return np.percentile(medians, [2.5, 97.5])


def test_the_interval_covers_the_truth_where_one_over_turns_alone_does_not():
    runs, covered, naive = 200, 0, 0
    for seed in range(runs):
        rng = rng_of(seed)
        (own,) = synthetic(rng, (1,), start_sd=0.04, turn_sd=0.01, drift=0)
        estimate = estimate_median(own, rng)
        covered += estimate.low <= 1e-3 <= estimate.high
        low, high = naive_interval(own, rng)
        naive += low <= 1e-3 <= high
    assert 0.88 * runs <= covered <= 0.99 * runs
    assert naive < 0.75 * runs


def test_the_interval_of_a_ratio_covers_the_truth():
    runs, covered = 200, 0
    for seed in range(runs):
        rng = rng_of(1000 + seed)
        short, slower = synthetic(rng, (1, 1.1), start_sd=0.025)
        ratio = estimate_ratio(slower, short, rng)
        covered += ratio.low <= 1.1 <= ratio.high
    assert 0.88 * runs <= covered <= 0.99 * runs


def test_starts_are_resampled_not_turns_alone():
    """Starts that differ, and turns that do not: all of the interval comes from the starts."""
    starts = [[level] * 50 for level in (1.0, 1.1, 1.2, 1.3, 1.4)]
    estimate = estimate_median(starts, rng_of(0))
    assert estimate.value == 1.2
    assert estimate.low <= 1.1 < 1.3 <= estimate.high


def test_turns_are_resampled_within_their_start():
    starts = [[1.0, 1.4, 1.2]] * 5
    drawn = resampled_medians(starts, rng_of(0))
    assert drawn.min() < 1.2 < drawn.max()
    assert set(np.round(drawn, 9)) <= {1.0, 1.2, 1.4}


def test_a_start_with_few_turns_is_not_padded_with_those_of_others():
    drawn = resampled_medians([[1.0], [2.0, 2.0, 2.0]], rng_of(0))
    assert set(drawn) == {1.0, 1.5, 2.0}


@FEW
@given(
    st.lists(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5), min_size=1, max_size=6),
    st.floats(1e-3, 1e3),
)
def test_estimates_are_ordered_within_the_samples_and_scale(starts, factor):
    estimate = estimate_median(starts, rng_of(0))
    everything = np.concatenate(starts)
    assert everything.min() <= estimate.low <= estimate.high <= everything.max()
    scaled = estimate_median([[factor * turn for turn in turns] for turns in starts], rng_of(0))
    np.testing.assert_allclose(
        [scaled.value, scaled.low, scaled.high],
        np.multiply(factor, [estimate.value, estimate.low, estimate.high]),
        rtol=1e-9,
    )


@FEW
@given(st.integers(0, 2**32 - 1))
def test_a_noise_floor_is_at_least_one_and_symmetric_in_the_pair(seed):
    first, second = synthetic(rng_of(seed), (1, 1), starts=4, turns=3)
    floor = noise_floor(first, second, rng_of(0))
    assert floor >= 1
    assert noise_floor(second, first, rng_of(0)) == pytest.approx(floor, rel=0.02)


def test_ratios_are_taken_turn_by_turn_where_both_took_part():
    assert turn_ratios([[2.0, 3.0], [8.0]], [[1.0, 1.0, 9.0], [2.0, 1.0], [5.0]]) == [[2.0, 3.0], [4.0]]
    assert turn_ratios([[2.0], []], [[1.0], [1.0]]) == [[2.0]]


def test_the_geometric_mean_treats_a_factor_and_its_inverse_alike():
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([1.0, 100.0]) == pytest.approx(10.0)
    assert np.isnan(geometric_mean([]))


# Exponents


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3])
def test_an_exponent_is_recovered_and_covered_by_its_interval(exponent):
    sizes, covered = [16, 32, 64, 128, 256], 0
    for seed in range(25):
        rng = rng_of(seed)
        values = 1e-4 * np.array(sizes, float) ** exponent * np.exp(0.05 * rng.standard_normal(5))
        fitted = fit_exponent(sizes, [Estimate(v, v * 0.9, v * 1.1) for v in values], rng)
        assert fitted.value == pytest.approx(exponent, abs=0.12)
        covered += fitted.low <= exponent <= fitted.high
    assert covered >= 20


def test_an_exact_power_has_a_narrow_interval():
    values = [Estimate(n**2.0, n**2.0, n**2.0) for n in (1, 2, 4, 8)]
    fitted = fit_exponent([1, 2, 4, 8], values, rng_of(0))
    np.testing.assert_allclose([fitted.value, fitted.low, fitted.high], 2, atol=1e-9)


# Instability


def steady(starts=8, turns=6, seed=0):
    return synthetic(rng_of(seed), (1,), starts, turns, start_sd=0.01, turn_sd=0.01, drift=0)[0]


def test_steady_turns_are_not_flagged():
    assert [unstable(steady(seed=seed), 0.0) for seed in range(30)] == [""] * 30


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
