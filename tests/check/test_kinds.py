"""Every kind of mistake is planted somewhere and named, and is explained with an example."""

import numpy as np
import pytest
from planted.gradients.cases import WRONG_CASES
from planted.layers.layer import every_layer

import backprop
from backprop.check import KINDS

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(3)
X, T = RNG.normal(size=(7, 4)), RNG.normal(size=(7, 3))
POINT = {"W": RNG.normal(size=(4, 3)), "b": RNG.normal(size=3), "s": RNG.uniform(0.5, 2, 3)}
DECAY = 0.01


def parts(p):
    h = np.tanh(X @ p["W"] + p["b"])
    return h, (h * p["s"] - T) / len(X)


def function(p):
    h, _ = parts(p)
    return 0.5 * np.sum((h * p["s"] - T) ** 2) / len(X) + 0.5 * DECAY * np.sum(p["W"] ** 2)


def gradient(p, *, data=1.0, decay=DECAY):
    h, d = parts(p)
    dz = data * d * p["s"] * (1 - h * h)
    return {"W": X.T @ dz + decay * p["W"], "b": dz.sum(0), "s": data * (d * h).sum(0)}


def with_scale_left_out(p):
    h, _ = parts(p)
    return {**gradient(p), "b": ((h - T) * (1 - h * h)).sum(0)}


def scaled(p, size):
    """The gradient, scaled to a norm of all tensors together."""
    g = gradient(p)
    norm = np.sqrt(sum(np.sum(each**2) for each in g.values()))
    return {name: size * each / norm for name, each in g.items()}


SLIPS = {
    "right": (lambda p: gradient(p), {}),
    "clipped at 0.05": (
        lambda p: {**gradient(p), "W": np.clip(gradient(p)["W"], -0.05, 0.05)},
        {"W": "clipped"},
    ),
    "clipped by norm": (lambda p: scaled(p, 0.1), dict.fromkeys("Wbs", "clipped")),
    "data term three times": (
        lambda p: gradient(p, data=3),
        {"W": "data-term-factor", "b": "constant-factor"},
    ),
    "one column too large": (
        lambda p: {**gradient(p), "W": gradient(p)["W"] * np.array([1, 1, 1.5])},
        {"W": "factor-along-axis"},
    ),
    "by the logarithm": (lambda p: {**gradient(p), "s": p["s"] * gradient(p)["s"]}, {"s": "log-parameter"}),
    "b from dW": (lambda p: {**gradient(p), "b": gradient(p)["W"].sum(0)}, {"b": "bias-from-weights"}),
    "axes reversed": (lambda p: {**gradient(p), "W": gradient(p)["W"][::-1]}, {"W": "reordered"}),
    "read in columns": (
        lambda p: {**gradient(p), "W": gradient(p)["W"].reshape(-1, order="F").reshape(4, 3)},
        {"W": "reordered"},
    ),
    "a row left out": (
        lambda p: {**gradient(p), "W": gradient(p)["W"] * np.array([[1], [1], [0], [1]])},
        {"W": "entries-left-out"},
    ),
    "relu of the gradient": (
        lambda p: {**gradient(p), "W": np.maximum(gradient(p)["W"], 0)},
        {"W": "relu-of-delta"},
    ),
    "b not summed": (lambda p: {**gradient(p), "b": parts(p)[1] * p["s"]}, {"b": "wrong-shape"}),
    "s is one number": (
        lambda p: {**gradient(p), "s": gradient(p)["s"].sum()},
        {"s": "summed-over-too-many-axes"},
    ),
    "s is ignored": (with_scale_left_out, {"b": "input-ignored"}),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_function_s_gradient_is_called_what_it_is(slip):
    wrong, kinds = SLIPS[slip]
    found = {
        finding.tensor: finding.kind for finding in backprop.check_gradient(function, wrong, POINT).findings
    }
    assert {name: found.get(name) for name in kinds} == kinds, found
    assert bool(found) == bool(kinds)


def test_a_norm_that_a_gradient_was_scaled_to_is_told():
    g = gradient(POINT)["W"]
    cut = g * 0.1 / np.linalg.norm(g)
    check = backprop.check_gradient(function, {**gradient(POINT), "W": cut}, POINT)
    (finding,) = check.findings
    assert finding.kind == "clipped"
    assert "its norm is 0.1" in finding.evidence


@pytest.mark.parametrize("size", [1e-8, 1e-5, 1e-3])
def test_an_epsilon_of_a_logarithm_is_recovered(size):
    p, t = RNG.uniform(0.1, 0.9, 6), RNG.uniform(0.1, 0.9, 6)
    check = backprop.check_gradient(lambda p: -np.sum(t * np.log(p + size)), -t / p, p)
    (finding,) = check.findings
    assert finding.kind == "epsilon"
    assert f"ε = {size:.4g}" in finding.evidence
    assert "expected has it" in finding.evidence


E, CLASS = np.array([0.3, -0.2, 1.7, -2.5, 0.6, 3.1, -0.9, 1.2]), np.arange(8) % 2
BY_CASE = {
    "huber": (
        lambda e: np.sum(np.where(np.abs(e) <= 0.7, e * e / 2, 0.7 * (np.abs(e) - 0.35))),
        lambda e: np.where(np.abs(e) <= 0.7, e, np.sign(e)),
        "factor-by-case",
    ),
    "weights of classes": (
        lambda e: np.sum(np.where(CLASS, 0.25, 0.75) * np.exp(e)),
        np.exp,
        "factor-by-case",
    ),
    "margin": (lambda e: np.sum(np.maximum(0, 1 - e) ** 2), lambda e: -2 * (1 - e), "mask-left-out"),
}


@pytest.mark.parametrize("loss", BY_CASE)
def test_a_factor_or_a_mask_that_is_off_in_one_case_is_told(loss):
    function, wrong, kind = BY_CASE[loss]
    (finding,) = backprop.check_gradient(function, wrong, E).findings
    assert finding.kind == kind


def test_an_answer_whose_rounding_hides_a_change_ignores_no_input():
    x, w = RNG.normal(size=(6, 3)).astype(np.float16), np.array([0.3, -1.2, 0.7], np.float16)

    def wrong(w):
        return (x.T @ np.abs(x @ w)).astype(np.float16)

    (finding,) = backprop.check_gradient(lambda w: np.sum((x @ w) ** 2), wrong, w).findings
    assert finding.kind == "unknown"


def test_a_lone_number_shares_the_factor_of_the_others():
    point = {"w": RNG.normal(size=4), "b": 0.3}

    def wrong(p):
        d = 0.3 * (X @ p["w"] + p["b"])
        return {"w": X.T @ d, "b": d.sum()}

    findings = backprop.check_gradient(
        lambda p: np.mean((X @ p["w"] + p["b"]) ** 2) / 2, wrong, point
    ).findings
    assert [finding.kind for finding in findings] == ["constant-factor", "constant-factor"]
    assert "as in w" in findings[1].evidence


ROOM, V = RNG.normal(size=(4, 4)), np.array([0.7, -1.3, 0.4, 2.0])
AT_TWO_POINTS = {
    "determinant": (
        lambda a: np.linalg.slogdet(a)[1],
        lambda a: np.linalg.det(a) * np.linalg.inv(a).T,
        ROOM,
        "factor-of-the-point",
    ),
    "norm": (
        lambda v: v @ ROOM[0] / np.linalg.norm(v),
        lambda v: ROOM[0] / np.linalg.norm(v),
        V,
        "shared-term",
    ),
    "seven thirds": (lambda v: np.sum(np.sin(v)), lambda v: 7 / 3 * np.cos(v), V, "constant-factor"),
    "decay": (lambda v: np.sum(np.sin(v)), lambda v: np.cos(v) + 0.3 * v, V, "weight-decay-extra"),
    "a number": (lambda v: V @ (v - 2) ** 2, lambda v: 2 * V * (v - 2) + 0.1, np.ones(4), "unknown"),
    "by the logarithm": (lambda s: np.exp(s), lambda s: np.exp(s) / s, 0.1, "log-parameter"),
    "ten times": (lambda s: np.exp(s), lambda s: 10 * np.exp(s), 0.1, "constant-factor"),
    "a unit": (lambda v: np.sum(v**2), lambda v: 2 * v * 1.6e-9, 1e-10 * V, "constant-factor"),
}


@pytest.mark.parametrize("slip", AT_TWO_POINTS)
def test_a_constant_is_one_at_another_point_too(slip):
    function, wrong, point, kind = AT_TWO_POINTS[slip]
    (finding,) = backprop.check_gradient(function, wrong, point).findings
    assert finding.kind == kind, finding


def test_another_value_of_an_input_is_told():
    point = {"A": RNG.normal(size=(4, 4)), "x": RNG.normal(size=4), "y": RNG.normal(size=4)}

    def form(p):
        return p["y"] @ p["A"] @ p["x"]

    def wrong(p):
        return {"A": np.outer(p["y"], p["x"]), "x": p["A"] @ p["y"], "y": p["A"] @ p["x"]}

    (finding,) = backprop.check_gradient(form, wrong, point).findings
    assert (finding.tensor, finding.kind) == ("x", "other-input")
    assert "A transposed" in finding.evidence


def test_a_hand_made_mixture_of_errors_has_no_name():
    def wrong(p):
        return {**gradient(p), "W": gradient(p)["W"] * RNG.uniform(0.5, 2, (4, 3)) + 0.1}

    fixed = wrong(POINT)
    (finding,) = backprop.check_gradient(function, fixed, POINT).findings
    assert finding.kind == "unknown"


HERE = {kind for _, kinds in SLIPS.values() for kind in kinds.values()} | {
    "epsilon",
    "clipped",
    "other-input",
    *(kind for *_, kind in (*BY_CASE.values(), *AT_TWO_POINTS.values())),
}
ELSEWHERE = {
    "changes-the-function",  # test_check_gradient
    "conjugated",  # test_tensors
    "not-symmetric",  # test_jacobians
    "not-linear-in-tangent",  # test_jvp
    "upstream-changed-in-place",  # test_vjp
    "mask-of-ties",  # test_trials
}


def test_every_kind_is_planted_somewhere():
    in_networks = {kind for case in WRONG_CASES for kind in case.kinds}
    in_layers = {kind for layer in every_layer() for slip in layer.slips for kind in slip.kinds}
    planted = in_networks | in_layers | HERE | ELSEWHERE
    assert planted == set(KINDS)


def test_every_kind_is_explained_with_an_example():
    for kind in KINDS.values():
        assert kind.summary
        assert kind.signature
        assert kind.name == "unknown" or (kind.fix.endswith(".") and kind.example)
