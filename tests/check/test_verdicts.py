"""Wrong is never called right, right never wrong, and what values cannot tell is undecided."""

import warnings
from itertools import product

import numpy as np
import pytest
from over import over, part
from scipy.sparse import diags_array
from scipy.sparse.linalg import cg

import backprop
from backprop.errors import OptionError

pytestmark = pytest.mark.usefixtures("without_lines")


def verdict(function, gradient, point, **options):
    return backprop.check_gradient(function, gradient, point, **options).verdict


# --- a structure that is narrow beside its place -----------------------------------------------------------------

PROFILES = {
    "gaussian": (lambda u: np.exp(-0.5 * u**2), lambda u: -u * np.exp(-0.5 * u**2)),
    "lorentz": (lambda u: 1 / (1 + u**2), lambda u: -2 * u / (1 + u**2) ** 2),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "root": (lambda u: np.sqrt(1 + u**2), lambda u: u / np.sqrt(1 + u**2)),
    "huber": (
        lambda u: np.where(np.abs(u) < 1, 0.5 * u**2, np.abs(u) - 0.5),
        lambda u: np.clip(u, -1, 1),
    ),
    "exponential": (np.exp, np.exp),
}


@pytest.mark.parametrize(("profile", "place"), part(product(PROFILES, (100, 1e3, 1e5)), 2))
def test_a_narrow_structure_far_from_zero_is_judged_by_its_own_scale(profile, place):
    shape, slope = PROFILES[profile]
    point = np.array([place + 0.7, 2 * place - 0.4])
    centre = np.array([place, 2 * place])

    def function(x):
        return float(np.sum(shape(x - centre)))  # a float takes no complex step

    def gradient(x):
        return slope(x - centre)

    assert verdict(function, gradient, point) == "right"
    for factor in (-1, 2, 1.3):
        assert verdict(function, lambda x, k=factor: k * gradient(x), point) == "wrong"


def test_four_hundred_narrow_bumps_with_all_signs_turned_are_wrong():
    rng = np.random.default_rng(0)
    centre = 1000 * rng.uniform(0.5, 2, 400)
    point = centre + rng.normal(size=400)

    def function(x):
        return float(np.sum(np.exp(-0.5 * (x - centre) ** 2)))

    def wrong(x):
        return (x - centre) * np.exp(-0.5 * (x - centre) ** 2)

    assert verdict(function, wrong, point) == "wrong"
    assert verdict(function, lambda x: -wrong(x), point) == "right"


# --- what rounding hides -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, -1, 0, 1000])
@pytest.mark.parametrize("offset", [1e18, 1e22])
def test_behind_a_large_offset_every_claim_is_undecided(offset, factor):
    point = np.array([0.3, -1.0])
    assert verdict(lambda x: offset + np.sum(np.sin(x)), lambda x: factor * np.cos(x), point) == "undecided"


@pytest.mark.parametrize("claim", [np.ones(2), -3 * np.ones(2), np.zeros(2)])
def test_a_large_constant_says_nothing_of_any_claim(claim):
    assert verdict(lambda x: 2.0**70, claim, np.array([0.3, -1.0])) == "undecided"


def test_a_period_that_hides_from_steps_by_four_is_found():
    period, phase, amplitude = 0.00027920200443642035, 0.877640327351239, -0.2637055000901791
    point = np.array([0.0, 16448.0])

    def function(x):
        return float(amplitude * np.sin(x[0] / period + phase) + 1e-3 * x[1])

    def gradient(x):
        return np.array([amplitude * np.cos(x[0] / period + phase) / period, 1e-3])

    assert verdict(function, gradient, point) == "right"
    assert verdict(function, lambda x: -gradient(x), point) == "wrong"


@pytest.mark.parametrize("factor", [1, -1, 2])
def test_a_narrow_structure_below_the_noise_leaves_every_claim_undecided(factor):
    centre, width = np.array([4000.0, -3000.0]), 0.05
    point = centre + np.array([0.6, -0.8]) * width
    noise = np.random.default_rng(0)

    def function(x):
        return float(1e-5 * np.sum(np.exp(-0.5 * ((x - centre) / width) ** 2)) + 3e-5 * noise.normal())

    u = (point - centre) / width
    claim = -factor * 1e-5 * u / width * np.exp(-0.5 * u**2)
    assert verdict(function, claim, point) == "undecided"


def test_a_change_that_no_step_resolves_does_not_make_a_claim_of_zero_right():
    point = np.array([3.0e7, -2.0e7, 1.0e7], np.float32)
    centre = point - np.float32(500)

    def function(x):
        with np.errstate(over="ignore"):
            return np.float32(-5e25) + np.sum(np.exp((np.asarray(x, np.float32) - centre) / np.float32(800)))

    assert verdict(function, np.zeros(3, np.float32), point) == "undecided"


def test_numbers_below_the_normal_ones_of_float16_are_no_mistake():
    rng = np.random.default_rng(0)
    point = rng.normal(size=60).astype(np.float16)
    weights = 1e-4 * rng.normal(size=60)

    def function(x):
        return np.sum(weights * np.sin(x.astype(float)))

    right = (weights * np.cos(point.astype(float))).astype(np.float16)
    assert verdict(function, right, point) == "right"


def test_a_complex_step_in_float32_does_not_underflow():
    point = np.array([2.8e-5, 1.4e-5, 2.1e-5], np.float32)
    scale, power = np.array([1e-3, 1.0, 1.0]), np.array([3.0, -2.0, 1.5])

    def function(x):
        x = x.astype(np.complex64) if np.iscomplexobj(x) else x.astype(np.float32)
        return np.sum((scale * x**power).astype(x.dtype))

    wide = point.astype(float)
    right = (scale * power * wide ** (power - 1)).astype(np.float32)
    assert verdict(function, right, point) == "right"


def test_a_wrong_entry_beside_much_larger_ones_is_wrong_by_its_own_error():
    scale = np.array([1e-8, 1.0, 1e8])
    check = backprop.check_gradient(
        lambda p: float(np.sum(np.sin(p / scale))), lambda p: np.cos(p / scale) / scale * [1, 1, 1.01], scale
    )
    (tensor,) = check.tensors
    assert tensor.verdict == "wrong"
    assert tensor.error > tensor.tolerance


@pytest.mark.parametrize("factor", [1.03, 1.01, -1])
def test_a_float16_point_is_no_excuse_where_the_gradient_computes_in_float64(factor):
    point = np.linspace(0.1, 1, 5).astype(np.float16)
    assert verdict(lambda p: np.sum(np.sin(p)), lambda p: np.cos(p) * p.dtype.type(factor), point) == "wrong"
    assert verdict(lambda p: np.sum(np.sin(p)), np.cos, point) == "right"


def test_a_float16_claim_that_is_a_per_cent_off_is_not_right():
    point = np.linspace(0.1, 1, 5).astype(np.float16)
    claim = (1.01 * np.cos(point.astype(float))).astype(np.float16)
    assert verdict(lambda p: np.sum(np.sin(p)), claim, point) != "right"


def low(array):
    """Numbers of eight bits, as bfloat16 has them."""
    mantissa, exponent = np.frexp(np.asarray(array, np.float64))
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


@pytest.mark.parametrize("seed", part(range(6), 3))
def test_a_kernel_that_stores_eight_bits_is_not_called_wrong(seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, 4))
    point = {name: rng.normal(size=(3, 4)).astype(np.float32) for name in "eg"}

    def parts(p):
        e, g = low(p["e"]), low(p["g"])
        return e, g, 1 / (1 + np.exp(-e))

    def function(p):
        e, g, s = parts(p)
        return float(np.sum(low(e * s * g) * weights))

    def gradient(p):
        e, g, s = parts(p)
        both = {"e": low(weights * g * (s + e * s * (1 - s))), "g": low(weights * e * s)}
        return {name: array.astype(np.float32) for name, array in both.items()}

    assert verdict(function, gradient, point) != "wrong"


# --- kinks ------------------------------------------------------------------------------------------------------


def norm_gradient(p):
    size = np.linalg.norm(p)
    return p / size if size > 0 else np.full(len(p), 5.0)


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize(
    ("function", "gradient", "point"),
    [
        (lambda p: np.sum(np.abs(p)), lambda p: np.where(p == 0, 100.0, np.sign(p)), np.array([0.0, 1, -2])),
        (lambda p: np.sum(np.abs(p)), lambda p: np.where(p == 0, -1.1, np.sign(p)), np.array([0.0, 1, -2])),
        (lambda p: np.sum(np.maximum(p, 0)), lambda p: (p >= 0) + 1.0 * (p == 0), np.array([0.0, 1, -2])),
        (np.linalg.norm, norm_gradient, np.zeros(3)),
        (np.linalg.norm, lambda p: np.full(len(p), 0.8), np.zeros(3)),
    ],
)
def test_a_number_outside_of_the_slopes_at_a_kink_is_wrong(function, gradient, point, as_array):
    claim = gradient(point) if as_array else gradient
    assert verdict(function, claim, point) == "wrong"


@pytest.mark.parametrize("as_array", [False, True])
def test_a_mask_that_hands_every_tied_maximum_the_whole_slope_is_wrong(as_array):
    point = np.array([[2.0, 2.0, 2.0], [1.0, 0.0, 3.0], [4.0, 1.0, 4.0]])
    upstream = np.array([0.7, -1.3, -0.4])

    def function(x):
        return float(np.sum(upstream * x.max(axis=1)))

    def gradient(x):
        return (x == x.max(axis=1, keepdims=True)) * upstream[:, None]

    def shared(x):
        mask = x == x.max(axis=1, keepdims=True)
        return mask / mask.sum(axis=1, keepdims=True) * upstream[:, None]

    assert verdict(function, gradient(point) if as_array else gradient, point) == "wrong"
    assert verdict(function, shared(point) if as_array else shared, point) == "right"


@pytest.mark.parametrize("as_array", part([False, True], 2))
def test_one_mask_among_twenty_right_ties_is_wrong(as_array):
    point = np.repeat(np.arange(1.0, 23.0)[:, None], 3, axis=1)
    point[:, 0] -= 0.5

    def function(x):
        return float(np.sum(np.max(x, axis=1)))

    def shared(x):
        tied = x == np.max(x, axis=1, keepdims=True)
        return tied / np.sum(tied, axis=1, keepdims=True)

    def masked(x):
        g = shared(x)
        g[7] = x[7] == np.max(x[7])
        return g

    right, wrong = (shared(point), masked(point)) if as_array else (shared, masked)
    assert verdict(function, right, point) == "right"
    assert verdict(function, wrong, point) == "wrong"


@pytest.mark.parametrize("side", [1, -1])
def test_an_edge_at_which_the_function_is_zero_hides_no_float32_inside(side):
    weights = np.array([-1.19, 1.31], np.float32)
    point = np.array([2.3, -1.7], np.float32)

    def function(x):
        x = np.asarray(x, np.float32)
        return np.maximum(side * np.float32(weights @ (x - point)), np.float32(0))

    assert verdict(function, side * weights, point) == "right"
    assert verdict(function, side * weights * np.float32(1.5), point) == "wrong"


def test_on_coarse_stairs_a_number_outside_of_the_slopes_at_a_kink_is_not_right():
    point = {"w": np.array([8.0], np.float16)}

    def function(p):
        return np.maximum(np.asarray(p["w"], np.float16) - np.float16(8), np.float16(0))[0] * np.float16(0.67)

    assert verdict(function, {"w": np.array([1.5], np.float16)}, point) != "right"


# --- right, with a note ------------------------------------------------------------------------------------------


def test_a_right_gradient_of_a_constant_sum_is_right_within_few_calls():
    rng = np.random.default_rng(0)
    point = {"x": 3 * rng.standard_normal((6, 4)) + 1, "gamma": np.ones(4)}

    def normalised(x):
        deviation = np.sqrt(x.var(axis=0) + 1e-5)
        return (x - x.mean(axis=0)) / deviation, deviation

    def function(p):
        return np.sum(p["gamma"] * normalised(p["x"])[0])

    def gradient(p):
        h, deviation = normalised(p["x"])
        d = np.ones_like(h) * p["gamma"]
        return {
            "x": (6 * d - d.sum(0) - h * (d * h).sum(0)) / (6 * deviation),
            "gamma": h.sum(0),
        }

    check = backprop.check_gradient(function, gradient, point)
    assert check.verdict == "right", check
    assert any("constant" in note for note in check.notes)
    assert any("gamma is 1 in every entry" in note for note in check.notes)
    assert check.calls < 150


def test_a_gradient_of_zero_gets_a_note():
    check = backprop.check_gradient(
        lambda p: np.sum(p["a"] ** 2 * np.maximum(p["b"], 0)),
        lambda p: {"a": 2 * p["a"] * np.maximum(p["b"], 0), "b": p["a"] ** 2 * (p["b"] > 0)},
        {"a": np.array([1.0, 2.0]), "b": np.array([-1.0, -2.0])},
    )
    assert check.ok
    assert any("is 0 in every entry" in note or "constant" in note for note in check.notes)


def test_sin_at_a_million_is_decided():
    assert verdict(lambda x: float(np.sin(x)), lambda x: float(np.cos(x)), 1e6) == "right"
    assert verdict(lambda x: float(np.sin(x)), lambda x: -float(np.cos(x)), 1e6) == "wrong"


def log_determinant(matrix):
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(matrix))))


@pytest.mark.parametrize("size", [3, 16])
def test_of_a_symmetric_matrix_the_gradients_agree_on_symmetric_directions(size):
    a = np.random.default_rng(0).normal(size=(size, size))
    point = a @ a.T + size * np.eye(size)
    check = backprop.check_gradient(log_determinant, np.linalg.inv, point)
    assert check.ok, check
    assert any("symmetric" in note for note in check.notes)
    assert verdict(log_determinant, lambda s: 2 * np.linalg.inv(s), point) == "wrong"


def test_a_transposed_gradient_at_a_symmetric_point_is_wrong():
    weights = np.random.default_rng(0).normal(size=(3, 3))
    assert verdict(lambda s: np.sum(weights * s), lambda s: weights.T, np.eye(3)) == "wrong"


def test_other_names_and_more_keys_are_right_with_a_note():
    point = {"W1": np.array([[0.3, -1.0]]), "b1": np.array([0.5])}
    check = backprop.check_gradient(
        lambda p: np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2),
        lambda p: {"dZ1": np.zeros(7), "dW1": np.cos(p["W1"]), "db1": 2 * p["b1"]},
        point,
    )
    assert check.ok, check
    assert check.findings == ()
    assert len([note for note in check.notes if "was read as" in note]) == 2


# --- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", part(range(4), 4))
def test_weights_that_were_updated_too_early_are_not_called_lower_precision(seed):
    rng = np.random.default_rng(seed)
    x, target = rng.standard_normal(4), np.eye(3)[1]
    point = {"V": rng.standard_normal((5, 4)), "W": rng.standard_normal((3, 5))}

    def logistic(z):
        return 1 / (1 + np.exp(-z))

    def function(p):
        return np.sum((logistic(p["W"] @ logistic(p["V"] @ x)) - target) ** 2) / 3

    def gradient(p):
        h = logistic(p["V"] @ x)
        y = logistic(p["W"] @ h)
        d2 = 2 / 3 * (y - target) * y * (1 - y)
        d1 = (p["W"] - 0.01 * np.outer(d2, h)).T @ d2 * h * (1 - h)
        return {"V": np.outer(d1, x), "W": np.outer(d2, h)}

    (finding,) = backprop.check_gradient(function, gradient, point).findings
    assert (finding.kind, finding.tensor) == ("updated-too-early", "V")
    assert "changes W by 0.01 times its gradient" in finding.evidence
    (finding,) = backprop.check_gradient(function, gradient(point), point).findings  # without its code
    assert (finding.kind, finding.tensor) == ("factor-along-axis", "V")
    assert "one number in each row" in finding.evidence


def test_a_gradient_that_rounds_what_it_is_given_is_called_lower_precision():
    point = np.random.default_rng(0).standard_normal(12)
    check = backprop.check_gradient(
        lambda x: np.sum(np.sin(x)), lambda x: np.cos(x.astype(np.float32).astype(np.float64)), point
    )
    (finding,) = check.findings
    assert (finding.kind, finding.confidence) == ("lower-precision", "certain")


def test_a_gradient_that_changes_the_function_is_named_and_nothing_more_is_called():
    upstream = np.random.default_rng(0).standard_normal(5)

    def function(x):
        return np.sum(upstream * np.tanh(x))

    def gradient(x):
        d = upstream
        d += 1.0
        return d * (1 - np.tanh(x) ** 2)

    check = backprop.check_gradient(function, gradient, np.linspace(0.1, 1, 5))
    assert check.verdict == "wrong"
    assert "changes-the-function" in {finding.kind for finding in check.findings}
    assert check.calls < 20


@pytest.mark.parametrize("seeds", part([(range(5),), (range(5, 20),)], 2), ids=["some seeds", "others"])
@over(seed=lambda seeds: seeds)
def test_a_random_function_is_noisy_and_has_no_state(seeds, seed):
    rng = np.random.default_rng(seed)

    def function(x):
        return np.sum(x**2) + 0.1 * rng.integers(0, 2)  # the same by chance in half of all calls

    check = backprop.check_gradient(function, lambda x: 2 * x, np.array([0.3, -1.0]))
    assert "state-from-last-call" not in {finding.kind for finding in check.findings}
    assert check.verdict != "wrong"


# --- the accuracy that is asked for, the budget, the user's settings ------------------------------------------


def test_an_adjoint_through_a_solver_is_right_to_the_accuracy_that_is_asked_for():
    rng = np.random.default_rng(0)
    n = 20
    stiffness = diags_array([-np.ones(n - 1), 2.5 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1]) * 1e4
    wanted, load = rng.normal(size=n) * 1e-4, rng.normal(size=n)
    point = 2e4 * rng.uniform(0.5, 2, n)

    def solve(a, b):
        return cg((stiffness + diags_array(a)).tocsr(), b, rtol=1e-9)[0]

    def function(a):
        return 1e8 * np.sum((solve(a, load) - wanted) ** 2)

    def gradient(a, sign=1):
        u = solve(a, load)
        return -sign * solve(a, 2e8 * (u - wanted)) * u

    assert verdict(function, gradient, point, rtol=1e-6) == "right"
    (finding,) = backprop.check_gradient(function, gradient, point).findings
    assert finding.kind == "unknown"  # exp of the point is infinite, and no factor
    assert "rtol=1e-06" in finding.fix
    for options in ({}, {"rtol": 1e-6}):
        check = backprop.check_gradient(function, lambda a: gradient(a, -1), point, **options)
        assert [finding.kind for finding in check.findings] == ["sign"]


@pytest.mark.parametrize("rtol", [0, -1e-3, 1, float("nan")])
def test_an_accuracy_that_is_none_is_refused(rtol):
    with pytest.raises(OptionError, match="expected a number between 0 and 1"):
        backprop.check_gradient(np.sum, np.ones_like, np.ones(2), rtol=rtol)


@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize("sign", [1, -1])
def test_sixty_calls_decide_and_cover_those_of_the_gradient(size, sign):
    calls = []
    weights = np.arange(1, size + 1)

    def function(x):
        calls.append("function")
        return np.sum(np.tanh(x) * weights) + 0.5 * np.sum(x) ** 2

    def gradient(x):
        calls.append("gradient")
        return sign * (weights / np.cosh(x) ** 2 + np.sum(x))

    check = backprop.check_gradient(
        function, gradient, np.random.default_rng(0).normal(size=size), max_calls=60
    )
    assert len(calls) == check.calls + check.gradient_calls <= 60
    assert check.verdict == ("right" if sign == 1 else "wrong"), check


def test_neither_warnings_as_errors_nor_numpy_s_settings_change_a_verdict():
    cases = [
        (lambda p: float(np.max(p)), lambda p: np.array([1.0, 0.0]), np.array([1e39, 1e38])),
        (lambda p: float(np.exp(p[0])), np.exp, np.array([709.0])),
        (lambda p: float(np.sum(p**2)), lambda p: 2 * p, np.array([1e-200, 3.0])),
    ]
    before = np.seterr(all="raise")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert [verdict(*case) for case in cases] == ["right"] * 3
    finally:
        np.seterr(**before)


def test_a_gradient_whose_calls_pile_up_is_not_called_on_and_on():
    total = np.zeros(3)

    def gradient(x):
        total[:] += 2 * x
        return total

    check = backprop.check_gradient(lambda x: np.sum(x**2), gradient, np.array([1.0, 2.0, 3.0]))
    assert check.verdict == "wrong"
    assert check.gradient_calls < 20
