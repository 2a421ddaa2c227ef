"""The pieces below a check: noise, quotients, complex steps and line integrals."""

import dataclasses

import numpy as np
import pytest
from over import over

from backprop.check.numeric.comparison import line_integral
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import FIRST_STEP, RATIO, entry_direction, random_direction, scales
from backprop.check.numeric.noise import noise
from backprop.check.numeric.quotients import CENTRAL, extrapolate
from backprop.check.numeric.slopes import Ladder, agrees, complex_slope, measure
from backprop.check.oracle import Budget, FunctionOracle
from backprop.check.points import structure_of

RNG = np.random.default_rng(11)


def oracle_of(function, point, max_calls=1000):
    structure, vector = structure_of(point)
    oracle = FunctionOracle(function, structure, vector, Budget(max_calls))
    oracle.start(function(structure.build(vector)), jacobian=False)
    return oracle


def test_the_format_of_the_values_is_that_of_all_that_were_seen():
    """As long as each is a number of float16; one that is not makes it that of the next wider format, or of none."""
    oracle = oracle_of(lambda x: x[0], np.array([1.0]))
    half, single, own = (np.finfo(dtype).eps for dtype in (np.float16, np.float32, float))
    assert oracle.grid() == own  # of no value nothing is known
    other = dataclasses.replace(oracle, seen={})
    for k in range(8):
        oracle.at(np.array([float(np.float16(0.1 * k + 0.03))]))
        other.at(np.array([float(np.float32(0.1 * k + 0.03))]))
    assert (oracle.grid(), other.grid()) == (half, single)
    assert dataclasses.replace(oracle, seen=other.seen).grid() == single
    oracle.at(np.array([float(np.float32(0.1))]))
    assert oracle.grid() == single
    oracle.at(np.array([0.1]))
    assert oracle.grid() == own


def noise_of(function, point):
    oracle = oracle_of(function, point)
    direction = random_direction(np.arange(len(point)), scales(oracle.structure, oracle.point), RNG)
    return float(noise(oracle, direction.dense(len(point)))[0])


POINT = np.array([0.3, -1.2, 2.0, 0.7])


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: np.sum(np.sin(x)), 1e-16, 1e-14),
        (lambda x: np.float64(np.float32(np.sum(np.sin(x)))), 3e-8, 3e-6),
        (lambda x: np.sum(np.sin(x.astype(np.float32))), 1e-8, 3e-6),
        (lambda x: np.round(np.sum(np.sin(x)), 9), 1e-10, 3e-8),
        (lambda x: 1e8 + np.sum(np.sin(x)), 1e-8, 1e-6),
        (lambda x: np.sum(np.sin(1e4 * x)), 1e-16, 1e-8),
        (lambda x: np.sum(np.abs(x - POINT)) + 1, 1e-16, 1e-14),
        (lambda x: np.sum(x.astype(np.float32).astype(np.float64)), 1e-17, 1e-14),
    ],
)
def test_noise_is_measured_to_an_order_of_magnitude_or_two(function, low, high):
    assert low <= noise_of(function, POINT) <= high


def test_rounded_inputs_are_no_noise_where_the_steps_are_numbers_of_their_format():
    for dtype in (np.float32, np.float16):
        oracle = oracle_of(
            lambda x, dtype=dtype: np.sum(np.sin(x.astype(dtype).astype(float))), np.array([1.3, 2.7])
        )
        assert noise(oracle, np.array([1.0, 2.0])) <= 1e-10
        assert oracle.coarse == np.finfo(dtype).eps


def test_a_function_that_rounds_its_input_to_float32_is_seen_to_do_so():
    for function, coarse in (
        (lambda x: np.sum(np.sin(x.astype(np.float32).astype(np.float64))), True),
        (lambda x: np.round(np.sum(np.sin(x)), 9), False),
    ):
        oracle = oracle_of(function, POINT)
        noise(oracle, np.array([0.21, 0.9, -1.7, 0.55]))
        assert (oracle.coarse > 0) is coarse


def test_extrapolation_takes_the_even_powers_away():
    steps = 0.1 / RATIO ** np.arange(4)[:, None]
    quotients = 3 + 5 * steps**2 - 7 * steps**4
    limit = extrapolate(quotients, np.full((4, 1), 1e-15), CENTRAL)
    assert limit.value == pytest.approx(3, abs=1e-13)
    assert limit.error <= 1e-9


def test_smaller_steps_that_contradict_larger_ones_are_believed():
    quotients = np.array([[1.0], [1.0], [1.0], [2.0], [2.0], [2.0]])
    assert extrapolate(quotients, np.full((6, 1), 1e-12), CENTRAL).value == 2


@pytest.mark.parametrize("function", [np.exp, np.sin, np.tanh, lambda x: x**5, np.arctan])
def test_the_error_of_a_slope_is_no_larger_than_it_says(function):
    oracle = oracle_of(lambda x: function(x[0]), np.array([0.8]))
    direction = entry_direction(0, scales(oracle.structure, oracle.point))
    ladder = Ladder(oracle, direction, np.array([1e-15]))
    slope = measure(ladder, np.array([0.0]), np.array([1e-12]), thorough=True)
    exact = function(0.8 + 1e-30j).imag / 1e-30 * direction.by[0]
    assert np.abs(slope.value - exact) <= 3 * slope.error
    assert slope.error <= 1e-8
    assert not slope.kink
    assert slope.settled


def test_a_kink_has_two_slopes():
    oracle = oracle_of(lambda x: abs(x[0]) + x[0] ** 2, np.array([0.0]))
    ladder = Ladder(oracle, entry_direction(0, scales(oracle.structure, oracle.point)), np.array([1e-16]))
    slope = measure(ladder, np.array([0.0]), np.array([1e-9]), thorough=True)
    assert slope.kink
    assert slope.left == pytest.approx(-1, abs=1e-6)
    assert slope.right == pytest.approx(1, abs=1e-6)


def check_at_zero(function, noise):
    """A check of a function of one number at zero, whose gradient is claimed to be zero."""
    oracle, zero = oracle_of(function, np.array([0.0])), np.zeros((1, 1))
    own = scales(oracle.structure, oracle.point)
    return DirectionalCheck(oracle, zero, zero, zero[0], zero, own, np.array([noise]), RNG)


@pytest.mark.parametrize(
    ("width", "noise", "calls", "kink"),
    [
        (0, 1e-14, 2, True),  # one step to either side shows the same corner
        (1e-8, 1e-14, 10, False),  # it was a bend
        (0, 0.0, 0, True),  # there is no noise to choose the step by
        (1e-8, 1e-8, 0, True),  # smaller steps would drown in it
    ],
)
def test_a_corner_is_looked_at_with_smaller_steps_where_noise_leaves_room_for_them(width, noise, calls, kink):
    check = check_at_zero(lambda x: np.sqrt(x[0] ** 2 + width**2), noise)
    ladder = check.ladder(entry_direction(0, check.scales))
    slope = check.measured(ladder, thorough=True)
    assert slope.kink
    before = check.function.budget.used
    assert check.closer(slope, ladder).kink == kink
    assert check.function.budget.used - before == calls


@pytest.mark.parametrize(
    ("function", "believed"),
    [
        (lambda x: np.sum(np.sin(x)), True),
        (lambda x: np.sum(np.maximum(x, 0) ** 2), True),
        (lambda x: np.sum(np.abs(x)), False),
        (lambda x: np.sum(np.real(x) ** 2), False),
        (lambda x: np.vdot(x, x), False),
        (lambda x: np.sum(np.sin(x)) + np.sum(np.abs(x)), False),
        (lambda x: np.sum(x.astype(float) ** 2), False),
    ],
)
def test_a_complex_step_is_believed_only_where_it_is_the_slope(function, believed):
    oracle = oracle_of(function, POINT)
    direction = random_direction(np.arange(4), scales(oracle.structure, oracle.point), RNG)
    real = measure(
        Ladder(oracle, direction, np.array([1e-15])), np.array([0.0]), np.array([1e-9]), thorough=True
    )
    assert agrees(complex_slope(oracle, direction), real, np.array([1.0])) is believed


def test_the_mean_of_a_right_claim_along_a_step_is_the_quotient_though_there_are_kinks():
    kinks = np.linspace(-1, 1, 23)

    def function(x):
        return np.sum(np.abs(x[0] - kinks))

    def claim(x):
        return np.array([[np.sum(np.sign(x[0] - kinks))]])

    oracle = oracle_of(function, np.array([0.5]))
    ladder = Ladder(oracle, entry_direction(0, scales(oracle.structure, oracle.point)), np.array([1e-3]))
    for _ in range(3):
        ladder.up() if ladder.rungs else ladder.down()
    at = ladder.direction.along(claim(oracle.point))
    right = line_integral(ladder, at, np.abs(at), claim)
    wrong = line_integral(ladder, 2 * at, np.abs(at), lambda x: 2 * claim(x))
    assert right.off <= right.error
    assert wrong.off > wrong.error


@over(distance=np.linspace(-0.019, 0.019, 40))
def test_one_jump_of_the_claim_anywhere_on_the_step_is_within_the_error_of_its_mean(distance):
    oracle = oracle_of(lambda x: np.abs(x[0] - 1 - distance), np.array([1.0]))
    ladder = Ladder(oracle, entry_direction(0, scales(oracle.structure, oracle.point)), np.array([1e-9]))
    ladder.down()

    def claim(x):
        return np.array([[np.sign(x[0] - 1 - distance)]])

    at = ladder.direction.along(claim(oracle.point))
    seen = line_integral(ladder, at, np.array([1e-9]), claim)
    assert seen.off <= seen.error
    assert seen.error <= 0.2


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-9, 7e7, 0.0])
def test_steps_from_zero_are_exact_in_float32(value):
    structure, point = structure_of(np.array([value, 1.7]))
    by = entry_direction(0, scales(structure, point)).by[0]
    for k in range(6):
        step = FIRST_STEP / RATIO**k * by
        assert np.float32(step) == step
