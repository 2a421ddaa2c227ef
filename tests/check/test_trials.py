"""A mistake that shows as soon as one thing is left out: a mask of ties, an update taken too early, an ε."""

import numpy as np
import pytest
from findings import kinds

import backprop

RNG = np.random.default_rng(0)
X, Y, T = RNG.normal(size=(8, 5)), RNG.normal(size=(8, 3)), np.eye(3)[RNG.integers(0, 3, 8)]
POINT = {"W1": RNG.normal(size=(5, 4)), "W2": RNG.normal(size=(4, 3))}
EPS = 1e-5


def line_kinds(check):
    return {line.kind for line in check.lines}


# Ties --------------------------------------------------------------------------------------------------------


def pool(x):
    return x.reshape(2, 3, 2).max(axis=2)


def unpool(dy, x, shares):
    windows = x.reshape(2, 3, 2)
    mask = windows == windows.max(axis=2, keepdims=True)
    return (mask * dy[..., None] / (mask.sum(axis=2, keepdims=True) if shares else 1)).reshape(x.shape)


def middle(x):
    return float(np.sum(np.arange(1.0, 5) * np.clip(x, -1, 1)))


def identity(x):
    return np.sum(np.arange(1.0, 5) * (np.maximum(x, 0) - np.maximum(-x, 0)))


def both_sides(x):
    return np.arange(1.0, 5) * ((x >= 0) * 1.0 + (x <= 0))


def one_side(x):
    return np.arange(1.0, 5) * ((x >= 0) * 1.0 + (x < 0))


PLATEAUS = np.array([[1.0, 1, 2, 0, 3, 3], [0, 0, 1, 2, 2, 2]])


def test_a_mask_that_gives_all_to_each_of_equal_values_is_named():
    for shares in (True, False):
        check = backprop.check_vjp(pool, lambda dy, x, shares=shares: unpool(dy, x, shares), (PLATEAUS,))
        assert check.ok is shares
        assert kinds(check) == ({} if shares else {"x": "mask-of-ties"})
    assert "where entries of x are equal to one another" in check.findings[0].evidence
    assert line_kinds(check) == {"mask-of-ties"}
    assert "at a kink" in str(check)


def test_two_masks_that_both_take_a_value_of_zero_are_named():
    at = np.array([0.0, 1, -1, 0])
    assert backprop.check_gradient(identity, one_side, at).ok
    assert kinds(backprop.check_gradient(identity, both_sides, at)) == {"x": "mask-of-ties"}


SHARES = {
    "even": lambda mask: mask / mask.sum(),
    "uneven": lambda mask: mask * np.cumsum(mask) / np.sum(mask * np.cumsum(mask)),
    "one takes all": lambda mask: mask * (np.cumsum(mask) == 1),
    "every one takes all": lambda mask: mask * 1.0,
    "too little": lambda mask: 0.9 * mask / mask.sum(),
    "too much and too little": lambda mask: mask * (1 - 4 / 3 * (np.cumsum(mask) == 2)),
}
"""What entries get that equal the median, and what the last three get is no mean of the gradients around."""


@pytest.mark.usefixtures("without_lines")
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("x", [[1.0, 2, 2, 2, 5], [2.0, 2, 7, 2, 2, 1, 3]], ids=str)
def test_shares_of_a_median_are_right_where_they_are_a_mean_of_the_gradients_around(shares, x):
    """Entry by entry the function does not move: no entry is at a kink by itself."""

    def gradient(x):
        mask = x == np.median(x)
        return SHARES[shares](mask) if mask.sum() > 1 else mask * 1.0

    check = backprop.check_gradient(np.median, gradient, np.array(x))
    assert check.ok == (shares in list(SHARES)[:3]), check
    if check.ok:
        assert [kink.index for kink in check.kinks] == [(k,) for k in np.flatnonzero(np.array(x) == 2)]
        assert "a mean of them is a generalised gradient" in check.kinks[0].reason
        assert check.tensors[0].compared == np.sum(np.array(x) != 2)
    else:
        assert "every" not in shares or kinds(check) == {"x": "mask-of-ties"}


def test_beside_such_a_kink_a_mistake_is_found_in_another_tensor():
    def function(p):
        return np.median(p["a"]) + np.sum(p["b"] ** 2)

    def gradient(p):
        mask = p["a"] == np.median(p["a"])
        return {"a": mask / mask.sum(), "b": 3 * p["b"]}

    check = backprop.check_gradient(
        function, gradient, {"a": np.array([1.0, 2, 2, 2, 5]), "b": np.arange(1.0, 4)}
    )
    assert check.verdict == "wrong"
    assert kinds(check) == {"b": "constant-factor"}
    assert [tensor.verdict for tensor in check.tensors] == ["right", "wrong"]


ROWS = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]])


def largest_of_equal_rows(p):
    z = ROWS @ p
    m = z.max(axis=0)
    dm = 2 * (m - 1)
    mask = z == m
    dz = mask * dm
    return np.sum((m - 1) ** 2), ROWS.T @ dz


def test_ties_of_the_data_which_no_other_point_breaks_are_named_by_their_line():
    check = backprop.check_step(largest_of_equal_rows, np.array([[0.1, -0.3], [0.2, 0.5], [1.5, 1.2]]))
    (line,) = check.lines
    assert (line.source, line.kind) == ("dz = mask * dm", "mask-of-ties")
    assert kinds(check) == {"x": "mask-of-ties"}


# An update that is taken too early ---------------------------------------------------------------------------


def loss(p):
    return 0.5 * np.sum((np.tanh(X @ p["W1"]) @ p["W2"] - Y) ** 2) / len(X)


def in_place(p):
    W2 = p["W2"].copy()
    h = np.tanh(X @ p["W1"])
    dz = (h @ W2 - Y) / len(X)
    dW2 = h.T @ dz
    W2 -= 0.1 * dW2
    return {"W1": X.T @ (dz @ W2.T * (1 - h**2)), "W2": dW2}


def anew(p):
    h = np.tanh(X @ p["W1"])
    dz = (h @ p["W2"] - Y) / len(X)
    dW2 = h.T @ dz
    new = p["W2"] - 0.01 * dW2
    return {"W1": X.T @ (dz @ new.T * (1 - h**2)), "W2": dW2}


class Net:
    def step(self, W1, W2):
        self.W1, self.W2 = W1.copy(), W2.copy()
        h = np.tanh(X @ self.W1)
        out = h @ self.W2
        dz = (out - Y) / len(X)
        dW2 = h.T @ dz
        self.update("W2", dW2)
        dW1 = X.T @ (dz @ self.W2.T * (1 - h**2))
        self.update("W1", dW1)
        return 0.5 * np.sum((out - Y) ** 2) / len(X), dW1, dW2

    def update(self, name, gradient):
        setattr(self, name, getattr(self, name) - 0.05 * gradient)


@pytest.mark.parametrize(("gradient", "rate"), [(in_place, "0.1"), (anew, "0.01")])
def test_an_update_before_the_backward_pass_is_named_with_its_line_and_rate(gradient, rate):
    (finding,) = backprop.check_gradient(loss, gradient, POINT).findings
    assert (finding.tensor, finding.kind) == ("W1", "updated-too-early")
    assert f"changes W2 by {rate} times its gradient" in finding.evidence


def test_an_update_in_a_method_of_a_class_is_named():
    check = backprop.check_step(Net().step, (POINT["W1"], POINT["W2"]))
    assert kinds(check) == {"[0]": "updated-too-early"}


def test_the_line_of_an_update_says_that_it_is_too_early():
    (line,) = backprop.check_gradient(loss, in_place, POINT).lines
    assert (line.source, line.kind) == ("W2 -= 0.1 * dW2", "updated-too-early")


# An ε on one side --------------------------------------------------------------------------------------------


def probabilities(p):
    h = np.tanh(X @ p["W1"])
    e = np.exp(h @ p["W2"])
    return h, e / e.sum(axis=1, keepdims=True)


def cross_entropy(p):
    return -np.mean(np.sum(T * np.log(probabilities(p)[1] + 1e-8), axis=1))


def by_logits(p):
    h, prob = probabilities(p)
    dz = (prob - T) / len(X)
    return {"W1": X.T @ (dz @ p["W2"].T * (1 - h * h)), "W2": h.T @ dz}


def normalised(x, g):
    centred = x - x.mean(-1, keepdims=True)
    return np.tanh(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS) * g)


def back(dy, x, g, eps, slip=1):
    centred = x - x.mean(-1, keepdims=True)
    std = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    xhat = centred / std
    dpre = dy * (1 - normalised(x, g) ** 2)
    d = slip * dpre * g
    dx = (d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)) / std
    return dx, (dpre * xhat).sum(0)


def test_an_epsilon_inside_a_loss_is_named_with_its_value_and_its_line():
    check = backprop.check_gradient(cross_entropy, by_logits, POINT)
    assert kinds(check) == {"W1": "epsilon", "W2": "epsilon"}
    assert "Without ε = 1e-08 in line" in check.findings[0].evidence
    assert str(check).count("Without ε") == 1
    assert "W1 and W2: epsilon (certain)" in str(check)
    assert "the function has it, and the gradient has not" in check.findings[0].evidence
    assert "too small to be told from rounding line by line" in check.lines.note


@pytest.mark.parametrize(("eps", "said"), [(0.0, "the function has it"), (1e-8, "not the same")])
def test_an_epsilon_inside_a_normalisation_is_named(eps, said):
    at = RNG.normal(size=(4, 6)), RNG.normal(size=6)
    assert backprop.check_vjp(normalised, lambda dy, x, g: back(dy, x, g, EPS), at).ok
    check = backprop.check_vjp(normalised, lambda dy, x, g: back(dy, x, g, eps), at)
    assert kinds(check) == {"x": "epsilon", "g": "epsilon"}
    assert said in check.findings[0].evidence


def test_a_line_that_has_only_a_pattern_takes_the_kind_that_a_trial_has_proven():
    def scaled(x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01)

    def without(dy, x):
        std = np.sqrt((x**2).mean(-1, keepdims=True))
        xhat = x / std
        dx = (dy - xhat * (dy * xhat).mean(-1, keepdims=True)) / std
        return (dx,)

    check = backprop.check_vjp(scaled, without, (RNG.normal(size=(4, 6)),))
    (line,) = check.lines
    assert (kinds(check), line.kind, line.message) == ({"x": "epsilon"}, "epsilon", "dx should be dL/d(x).")
    assert line.evidence == check.findings[0].evidence


def test_where_another_slip_is_there_as_well_no_epsilon_is_blamed():
    at = RNG.normal(size=(4, 6)), RNG.normal(size=6)
    check = backprop.check_vjp(normalised, lambda dy, x, g: back(dy, x, g, EPS, slip=2), at)
    assert set(kinds(check).values()) == {"constant-factor"}


# A factor that is not transposed -----------------------------------------------------------------------------


def recurrence(p):
    states = [np.zeros(4)]
    for x in X:
        states.append(np.tanh(x @ p["W"] + states[-1] @ p["V"]))
    return states


def total(p):
    return 0.5 * sum(np.sum(h**2) for h in recurrence(p))


def through_time(p, transposed):
    states = recurrence(p)
    dW, dV, later = np.zeros((5, 4)), np.zeros((4, 4)), np.zeros(4)
    for t in reversed(range(len(X))):
        dz = (states[t + 1] + later) * (1 - states[t + 1] ** 2)
        dW += np.outer(X[t], dz)
        dV += np.outer(states[t], dz)
        later = dz @ p["V"].T if transposed else dz.dot(p["V"])
    return {"W": dW, "V": dV}


def test_square_weights_that_are_not_transposed_are_named_with_their_line():
    at = {"W": 0.5 * RNG.normal(size=(5, 4)), "V": 0.5 * RNG.normal(size=(4, 4))}
    assert backprop.check_gradient(total, lambda p: through_time(p, True), at).ok
    check = backprop.check_gradient(total, lambda p: through_time(p, False), at)
    assert kinds(check) == {"W": "wrong-layer-weights", "V": "wrong-layer-weights"}
    assert "the right factor of `dz.dot(p['V'])` in line" in check.findings[0].evidence
    assert line_kinds(check) == {"wrong-layer-weights"}
