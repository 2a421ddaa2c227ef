"""Right gradients pass and wrong ones are found and named, in any form, dtype and scale, of any function."""

import math
import os
import re

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from over import over, part
from planted.functions.cases import CASES, MISTAKES, planted

import backprop
from backprop.errors import CheckError, OptionError

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(3)
SMALL = [case for case in CASES if case.point.size < 1000]
NAMED = {"sign": "sign", "factor of two": "constant-factor", "zero": "zero-gradient"}
"""Mistakes of a whole tensor, by what they are called."""


def kinds(check):
    return [finding.kind for finding in check.findings]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_a_right_gradient_passes(case):
    check = backprop.check_gradient(case.function, case.gradient, case.point)
    assert check.ok, check
    assert check.findings == ()
    assert bool(check.kinks) == case.at_kink


def mistakes(number, first):
    """One in three of the mistakes, which take turns from case to case, or the others."""
    return [mistake for k, mistake in enumerate(MISTAKES) if ((number + k) % 3 == 0) == first]


@pytest.mark.parametrize("first", part([True, False], 2), ids={True: "first", False: "others"}.get)
@pytest.mark.parametrize("number", range(len(SMALL)), ids=lambda number: SMALL[number].name)
@over(mistake=mistakes)
def test_a_wrong_gradient_is_found_and_a_mistake_of_the_whole_tensor_is_named(number, first, mistake):
    case = SMALL[number]
    gradient = planted(case, mistake)
    if gradient is None:
        return
    check = backprop.check_gradient(case.function, gradient, case.point)
    assert check.verdict == "wrong", check
    if mistake.name in NAMED and not case.at_kink:
        assert kinds(check) == [NAMED[mistake.name]]


def mlp(params):
    h = np.tanh(INPUTS @ params["W"] + params["b"])
    return np.mean((h @ params["v"] - TARGETS) ** 2)


def mlp_gradient(params):
    h = np.tanh(INPUTS @ params["W"] + params["b"])
    e = 2 * (h @ params["v"] - TARGETS) / np.float32(len(TARGETS))
    d = np.outer(e, params["v"]) * (1 - h * h)
    return {"W": INPUTS.T @ d, "b": d.sum(axis=0), "v": h.T @ e}


INPUTS = RNG.standard_normal((16, 4)).astype(np.float32)
TARGETS = RNG.standard_normal(16).astype(np.float32)
PARAMS = {"W": RNG.standard_normal((4, 4)), "b": RNG.standard_normal(4), "v": RNG.standard_normal(4)}
SINGLE = {name: array.astype(np.float32) for name, array in PARAMS.items()}


def narrowed(params):
    return {name: np.asarray(array).astype(np.float32) for name, array in params.items()}


def only_float32(params):
    if any(array.dtype != np.float32 for array in params.values()):
        raise TypeError("expected float32")
    return params


def real_part(params):
    return {name: np.asarray(array.real) for name, array in params.items()}


FUNCTIONS = {
    "plain": mlp,
    "no complex numbers": lambda params: mlp(real_part(params)),
    "float32 inside": lambda params: mlp(narrowed(params)),
    "float32 only": lambda params: mlp(only_float32(params)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_neither_fails_falsely_nor_passes_wrongly(name):
    function = FUNCTIONS[name]
    right = backprop.check_gradient(function, mlp_gradient, SINGLE)
    assert right.ok, right

    def wrong(params):
        gradient = mlp_gradient(params)
        return {**gradient, "W": gradient["W"] * np.float32(1.02)}

    check = backprop.check_gradient(function, wrong, SINGLE)
    assert [(tensor.name, tensor.verdict) for tensor in check.tensors] == [
        ("W", "wrong"),
        ("b", "right"),
        ("v", "right"),
    ]


def test_a_float32_gradient_for_float64_parameters_is_of_the_wrong_dtype_and_otherwise_right():
    check = backprop.check_gradient(mlp, lambda params: narrowed(mlp_gradient(params)), PARAMS)
    assert set(kinds(check)) == {"wrong-dtype"}
    assert [tensor.verdict for tensor in check.tensors] == ["right"] * 3
    assert check.verdict == "wrong"


def test_a_float32_gradient_is_right_where_the_function_is_one_of_float32():
    def function(params):
        return np.float32(mlp(params))

    check = backprop.check_gradient(function, lambda params: narrowed(mlp_gradient(params)), PARAMS)
    assert check.ok, check
    assert "The dtype of W is float32, as that of the function's value." in check.notes


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_floating_dtypes_are_checked(dtype):
    point = np.array([0.5, -1.0, 2.0], dtype)
    assert backprop.check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, point).ok
    assert not backprop.check_gradient(lambda x: np.sum(x**2), lambda x: 3 * x, point).ok


def test_an_intermediate_in_lower_precision_is_found_in_float64():
    def gradient(params):
        found = mlp_gradient(params)
        return {**found, "W": found["W"].astype(np.float32).astype(np.float64)}

    check = backprop.check_gradient(mlp, gradient, PARAMS)
    assert [(finding.kind, finding.tensor) for finding in check.findings] == [("lower-precision", "W")]


def test_two_mistakes_in_two_tensors_are_told_apart():
    def gradient(params):
        found = mlp_gradient(params)
        return {"W": found["W"].T, "b": -found["b"], "v": found["v"] + 1e-3 * params["v"]}

    check = backprop.check_gradient(mlp, gradient, PARAMS)
    assert [(finding.kind, finding.tensor) for finding in check.findings] == [
        ("transposed", "W"),
        ("sign", "b"),
        ("weight-decay-extra", "v"),
    ]
    assert "λ = 0.001" in check.findings[2].evidence


def test_a_transposed_tensor_that_is_not_square_is_called_that_and_not_a_wrong_shape():
    weights = RNG.standard_normal((3, 2))
    check = backprop.check_gradient(lambda w: np.sum(w**3), lambda w: 3 * w.T**2, weights)
    assert kinds(check) == ["transposed"]
    check = backprop.check_gradient(lambda w: np.sum(w**3), lambda w: 2 * w.T**2, weights)
    assert "transposed" in kinds(check)
    assert not check.ok


def test_swapped_tensors_are_recognised():
    point = [RNG.standard_normal(3), RNG.standard_normal(3)]
    check = backprop.check_gradient(
        lambda p: np.sum(p[0] ** 2) + np.sum(p[1] ** 3), lambda p: [3 * p[1] ** 2, 2 * p[0]], point
    )
    assert kinds(check) == ["swapped-tensors"] * 2


def test_the_batch_size_tells_a_sum_from_another_factor():
    def gradient(params):
        return {name: 16 * array for name, array in mlp_gradient(params).items()}

    assert kinds(backprop.check_gradient(mlp, gradient, PARAMS, batch_size=16)) == ["sum-instead-of-mean"] * 3
    assert kinds(backprop.check_gradient(mlp, gradient, PARAMS)) == ["constant-factor"] * 3


def test_the_worst_entries_are_given_with_what_is_right():
    def gradient(x):
        wrong = 2 * x
        wrong[1] += 5
        wrong[3] -= 1
        return wrong

    (tensor,) = backprop.check_gradient(lambda x: np.sum(x**2), gradient, np.arange(1.0, 6.0)).tensors
    assert [entry.index for entry in tensor.worst] == [(1,), (3,)]
    assert tensor.worst[0].got == 9
    assert tensor.worst[0].expected == pytest.approx(4)


def test_the_taylor_remainder_tells_right_from_wrong():
    point = RNG.standard_normal(5)
    right = backprop.check_gradient(lambda x: np.sum(np.exp(x)), np.exp, point)
    wrong = backprop.check_gradient(lambda x: np.sum(np.exp(x)), lambda x: 1.1 * np.exp(x), point)
    assert right.taylor_slope == pytest.approx(2, abs=0.1)
    assert wrong.taylor_slope == pytest.approx(1, abs=0.1)
    assert min(right.step_curve.errors) < 1e-9
    assert min(wrong.step_curve.errors) > 1e-2


def test_functions_of_a_number_of_math_and_of_scipy():
    assert backprop.check_gradient(math.sin, math.cos, 0.7).ok
    assert not backprop.check_gradient(math.sin, math.sin, 0.7).ok
    point = RNG.standard_normal(4)
    assert backprop.check_gradient(scipy.optimize.rosen, scipy.optimize.rosen_der, point).ok


def test_a_gradient_may_be_a_pair_with_the_value_or_an_array():
    point = np.array([1.0, 2.0])
    assert backprop.check_gradient(lambda x: np.sum(x**2), lambda x: (np.sum(x**2), 2 * x), point).ok
    assert backprop.check_gradient(lambda x: np.sum(x**2), [2.0, 4.0], point).ok
    assert backprop.check_gradient(lambda x: np.sum(x**2), np.array([2.0, 5.0]), point).verdict == "wrong"


def test_a_function_that_returns_its_loss_with_its_gradient_is_taken_wherever_one_of_both_is_asked_for():
    point = np.array([1.0, 2.0, 3.0])

    def both(x):
        return np.sum(x**2), 2 * x

    for function in (both, lambda x: (*both(x), "cache"), lambda x: (both(x)[0], {"cache": x})):
        for gradient in (
            both,
            both(point),
            lambda x: both(x)[::-1],
            lambda x: list(both(x)),
            lambda x: 2 * x,
        ):
            assert backprop.check_gradient(function, gradient, point).ok
    assert kinds(backprop.check_gradient(both, lambda x: (1.0, -2 * x), point)) == ["sign"]
    with pytest.raises(CheckError, match="check_step"):
        backprop.check_gradient(both, point=point)


def test_a_function_may_take_the_parts_of_the_point_as_arguments():
    def loss(w, b):
        return np.sum(np.sin(w) * b)

    def gradient(w, b):
        return np.cos(w) * b, np.sum(np.sin(w))

    w = np.array([0.5, 1.5])
    for point in ((w, 2.0), {"w": w, "b": 2.0}):
        assert backprop.check_gradient(loss, gradient, point).ok
        assert backprop.check_gradient(loss, gradient(w, 2.0), point).ok


def test_the_pair_of_a_strategy_is_a_gradient_in_every_door():
    network = backprop.Network.mlp(3, 4, 2)
    rng = np.random.default_rng(0)
    params, x, labels = network.init(rng), rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    pair = backprop.gradient(network, params, x, labels)

    def step(p):
        mine = backprop.Parameters.from_mapping(network.layout, p, np.float64)
        return backprop.gradient(network, mine, x, labels)

    for check in (
        backprop.check_gradient(step, step, dict(params)),
        backprop.check_gradient(step, pair, params),
        backprop.check_step(step, dict(params)),
        backprop.check_network(pair, network, params, x, labels),
        backprop.check_network(dict(pair.gradient), network, params, x, labels),
    ):
        assert check.ok, check
    wrong = backprop.check_network((2 * pair.loss, pair.gradient), network, params, x, labels)
    assert kinds(wrong) == ["constant-factor"]
    with pytest.raises(CheckError, match="gradients without params"):
        backprop.check_network(pair, network)


def test_whole_numbers_may_be_a_gradient_but_not_a_truncated_one():
    point = np.array([1.5, 2.5])
    assert backprop.check_gradient(lambda x: 2 * x[0] + 3 * x[1], lambda x: np.array([2, 3]), point).ok
    check = backprop.check_gradient(lambda x: np.sum(x**2) / 2, lambda x: x.astype(int), point)
    assert kinds(check) == ["wrong-dtype"]


def test_bad_behaviour_of_the_gradient_is_found():
    total = np.zeros(2)

    def summing(x):
        total[:] += 2 * x
        return total

    def overwriting(x):
        x *= 2
        return x

    rng = np.random.default_rng(0)
    point, square = np.array([1.0, 2.0]), lambda x: np.sum(x**2)
    assert kinds(backprop.check_gradient(square, summing, point)) == ["state-from-last-call"]
    assert kinds(backprop.check_gradient(square, overwriting, point)) == ["modifies-arguments"]
    assert "not-repeatable" in kinds(
        backprop.check_gradient(square, lambda x: 2 * x + rng.standard_normal(2), point)
    )
    for gradient in (summing, overwriting):
        assert backprop.check_gradient(square, gradient, point).verdict == "wrong"


@pytest.mark.parametrize("seed", part(range(8), 3))
def test_a_function_that_throws_dice_is_noisy_and_its_gradient_is_compared_within_the_noise(seed):
    rng = np.random.default_rng(seed)

    def function(x):
        return np.sum(np.sin(x)) + 1e-6 * rng.standard_normal()

    point = np.array([0.3, -1.0])
    right = backprop.check_gradient(function, np.cos, point)
    assert right.ok, right
    assert backprop.check_gradient(function, lambda x: -np.cos(x), point).verdict == "wrong"


def test_dice_larger_than_the_function_leave_every_claim_undecided():
    rng = np.random.default_rng(0)
    point = np.array([0.3, -1.0])
    for sign in (1, -1):
        check = backprop.check_gradient(
            lambda x: np.sum(np.sin(x)) + 10 * rng.random(), lambda x, sign=sign: sign * np.cos(x), point
        )
        assert check.verdict == "undecided", check
        assert kinds(check) == ["not-repeatable"]


def test_a_nan_is_named_and_the_other_tensors_are_still_checked():
    def gradient(params):
        return {**mlp_gradient(params), "b": np.full(4, np.nan), "v": 2 * mlp_gradient(params)["v"]}

    check = backprop.check_gradient(mlp, gradient, PARAMS)
    assert [(finding.kind, finding.tensor) for finding in check.findings] == [
        ("not-finite", "b"),
        ("constant-factor", "v"),
    ]
    assert [tensor.verdict for tensor in check.tensors] == ["right", "wrong", "wrong"]


def test_a_function_that_uses_abs_of_a_complex_number_is_not_believed():
    check = backprop.check_gradient(
        lambda x: np.sum(x**2) + np.sum(np.abs(x)), lambda x: 2 * x + np.sign(x), np.array([1.0, -2.0])
    )
    assert check.ok
    assert "central differences" in check.method


def test_a_term_too_small_for_any_direction_to_show_still_shows_in_its_entry():
    """Along a random direction the term of abs is lost; the complex step of its own entry is 0 and not believed."""

    def function(x):
        return np.sum(x[:3] ** 2) + 1e-10 * abs(x[3])

    def gradient(x):
        return np.append(2 * x[:3], 1e-10 * np.sign(x[3]))

    check = backprop.check_gradient(function, gradient, np.array([1.0, 2.0, -1.5, 1.0]))
    assert check.ok, check
    assert "contradict" in check.notes[0]


@pytest.mark.parametrize("factor", [1, 2])
def test_a_gradient_that_noise_hides_is_undecided_and_not_right(factor):
    def function(x):
        return 1e14 + np.sum(np.tanh(np.asarray(x).real))

    check = backprop.check_gradient(function, lambda x: factor * (1 - np.tanh(x) ** 2), np.array([0.5, -1.0]))
    assert check.verdict == "undecided"
    assert check.findings == ()
    assert check.notes


def test_in_float32_the_formula_is_judged_and_not_the_digits_that_float32_costs_it():
    """x + 1e4 - 1e4 is x, and loses four digits of it in float32."""
    point = np.array([0.3, -1.2, 2.5], np.float32)

    def gradient(x):
        large = x.dtype.type(1e4)
        return (x + large) - large

    assert backprop.check_gradient(lambda x: 0.5 * np.sum(x**2), gradient, point).ok
    assert not backprop.check_gradient(lambda x: 0.5 * np.sum(x**2), lambda x: 1.001 * gradient(x), point).ok


def rounded_first(x):
    return np.sum(np.exp(2 * np.asarray(x).astype(np.float32).astype(np.float64)))


def rounded_between(x):
    return 3.3 * float(np.float32(np.sum(np.asarray(x).real ** 2)))


def rounded_last(x):
    return 1.1 * np.round(np.sum(np.sin(np.asarray(x).real)), 7)


@pytest.mark.parametrize(
    ("function", "gradient"),
    [
        (rounded_first, lambda x: 2 * np.exp(2 * x)),
        (rounded_between, lambda x: 6.6 * x),
        (rounded_last, lambda x: 1.1 * np.cos(x)),
    ],
)
@pytest.mark.parametrize("seeds", part([[1, 12, 21, 29], [6, 18, 25, 31, 61, 75, 93, 105]], 2))
@over(seed=lambda seeds: seeds)
def test_a_coarse_function_of_one_to_three_numbers_alarms_nobody_falsely(function, gradient, seeds, seed):
    """Of so few numbers, the steps by which noise is measured may all be rounded alike, and show none."""
    point = np.random.default_rng(seed).standard_normal(1 + seed % 3)
    assert backprop.check_gradient(function, gradient, point).ok
    assert not backprop.check_gradient(function, lambda x: 1.05 * gradient(x), point).ok


def test_a_stable_formula_that_loses_digits_to_cancellation_is_right():
    """p - y has an absolute error of eps: relative to a gradient of 1e-13 that is a thousandth, and no mistake."""
    check = backprop.check_gradient(
        lambda x: np.sum(np.log1p(np.exp(-x))),
        lambda x: 1 / (1 + np.exp(-x)) - 1,
        np.array([28.0, 30.0, 1.0]),
    )
    assert check.ok, check


@settings(max_examples=40 if "CI" in os.environ else 15, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-250, 1e-8, 1e-3, 1.0, 1e3, 1e8, 1e250]),
    st.sampled_from([1e-8, 1e-3, 1.0, 1e3, 1e8]),
    st.booleans(),
)
def test_scales_make_no_difference(seed, height, width, has_complex):
    rng = np.random.default_rng(seed)
    matrix, point = rng.standard_normal((4, 3)), width * rng.standard_normal(3)

    def function(x):
        x = x if has_complex else np.asarray(x).real
        return height * np.sum(np.sin(matrix @ x / width))

    def gradient(x):
        return height / width * (matrix.T @ np.cos(matrix @ x / width))

    assert backprop.check_gradient(function, gradient, point).ok
    wrong = backprop.check_gradient(function, lambda x: 1.01 * gradient(x), point)
    assert kinds(wrong) == ["constant-factor"]


def test_calls_are_counted_and_limited():
    calls = []

    def function(x):
        calls.append(1)
        return np.sum(np.sin(x.real))

    check = backprop.check_gradient(function, np.cos, RNG.standard_normal(30), max_calls=100)
    assert check.ok
    assert check.calls == len(calls) <= 100


def test_the_same_call_gives_the_same_check():
    point = RNG.standard_normal(300)
    one, other = (
        str(backprop.check_gradient(lambda x: np.sum(np.sin(x)), lambda x: 2 * np.cos(x), point))
        for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: None, "The function gave None; expected a real number"),
        (lambda x: "1", "The function gave a str"),
        (lambda x: 1j, "The function gave complex numbers"),
        (lambda x: bool(x[0]), "The function gave a bool; expected a real number"),
        (lambda x: x, r"an array of shape \(2,\); expected a number, or jacobian="),
        (lambda x: np.nan, "The function is NaN at the point"),
        (lambda x: -np.inf, "The function is infinite at the point"),
    ],
)
def test_a_value_that_is_none_is_refused_in_a_sentence(function, said):
    with pytest.raises(CheckError, match=said):
        backprop.check_gradient(function, lambda x: x, np.ones(2))


def test_arguments_that_do_not_fit_are_refused_in_a_sentence():
    def square(x):
        return np.sum(x**2)

    with pytest.raises(CheckError, match="neither was handed in"):
        backprop.check_gradient(square, point=np.ones(2))
    with pytest.raises(CheckError, match="both was handed in"):
        backprop.check_gradient(square, square, np.ones(2), jacobian=square)
    with pytest.raises(CheckError, match="There is no point"):
        backprop.check_gradient(square, square)
    with pytest.raises(CheckError, match="The gradient is None"):
        backprop.check_gradient(square, lambda x: None, np.ones(2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"function": 3.0}, "The argument function is a float; expected a function."),
        ({"point": np.matrix([[1.0, 2.0]])}, "The point has a matrix of shape (1, 2) and dtype float64 at x"),
        ({"point": np.ma.masked_less([1.0, 2.0], 2)}, "The point has a MaskedArray of shape (2,)"),
        ({"gradient": lambda x: np.ma.masked_less(x, 2)}, "The gradient of x is a MaskedArray of shape (2,)"),
        ({"retract": 3}, "The argument retract is an int; expected a function."),
        ({"max_calls": 5}, "max_calls is 5; expected at least 60."),
        ({"max_calls": "100"}, "max_calls is '100'; expected at least 60."),
        ({"rtol": "1e-3"}, "rtol is '1e-3'; expected a number between 0 and 1."),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number of samples."),
        ({"rng": "seed"}, "rng is 'seed'; expected a generator of NumPy, or a seed."),
    ],
)
def test_an_argument_of_another_kind_is_refused_in_a_sentence(arguments, said):
    right = {"function": lambda x: np.sum(x**2), "gradient": lambda x: 2 * x, "point": np.array([1.0, 2.0])}
    with pytest.raises((CheckError, OptionError), match=re.escape(said)):
        backprop.check_gradient(**{**right, **arguments})


def test_what_the_user_s_functions_raise_is_passed_on():
    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        backprop.check_gradient(broken, lambda x: x, np.ones(2))
    with pytest.raises(ZeroDivisionError, match="mine"):
        backprop.check_gradient(lambda x: np.sum(x), broken, np.ones(2))
