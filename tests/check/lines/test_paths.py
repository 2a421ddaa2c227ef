"""Slips where paths meet: sums that are overwritten, states that a loop hands on, values that several lines use."""

import inspect

import numpy as np
import pytest

from backprop.check.lines import find_lines


def residual(p, x):
    h = np.tanh(x @ p["W"])
    z = np.tanh(h @ p["V"])
    y = h + z
    loss = np.sum(y**3)
    dy = 3 * y**2
    dh = dy
    dz = dy * (1 - z**2)
    dV = h.T @ dz
    dh = dz @ p["V"].T  # slip
    return loss, {"W": x.T @ (dh * (1 - h**2)), "V": dV}


def kept_in_a_dict(p, xs):
    grads, loss = {"W": np.zeros((3, 2)), "b": np.zeros(2)}, 0.0
    for x in xs:
        y = np.sin(x @ p["W"] + p["b"])
        loss += np.sum(y**2)
        d = 2 * y * np.cos(x @ p["W"] + p["b"])
        grads["W"] = np.outer(x, d)  # slip
        grads["b"] += d
    return loss, grads


def leapfrog(p, times):
    """A state of two parts, each of which is read twice in a turn."""
    q, v, loss = p["q"], p["v"], 0.0
    qs, vs = [], []
    for _ in range(times):
        qs.append(q)
        vs.append(v)
        v = v - 0.1 * np.sin(q)
        q = q + 0.1 * v * q
        loss = loss + np.sum(q**2) / 2
    q_last = q
    dq, dv = np.zeros_like(q), np.zeros_like(v)
    for t in reversed(range(times)):
        q_last = qs[t + 1] if t + 1 < times else q_last
        dq = dq + q_last
        v_new = vs[t] - 0.1 * np.sin(qs[t])
        dv = dv + 0.1 * dq * qs[t]
        dq = dq + 0.1 * dq * v_new + 0.1 * dv * np.cos(qs[t])  # slip
    return loss, {"q": dq, "v": dv}


def names_that_say_nothing(p, x):
    a = x @ p["W"]
    h = np.tanh(a)
    y = h @ p["V"]
    loss = np.sum(y**2)
    g = 2 * y
    gV = h.T @ g
    g = g @ p["V"].T
    e = np.zeros_like(a)
    e += g  # slip
    return loss, {"W": x.T @ e, "V": gV}


def scaled_scores(W, x):
    q, k = x @ W[0], x @ W[1]
    scores = (q @ k.T) / np.sqrt(5)
    loss = np.sum(np.tanh(scores))
    dscores = 1 - np.tanh(scores) ** 2  # slip
    dq = dscores @ k
    dk = dscores.T @ q
    return loss, np.stack([x.T @ dq, x.T @ dk])


def numbers_share_a_factor(p, x):
    K = p["a"] ** 2 * x + p["b"] ** 3 * np.eye(3) + np.diag(p["c"])
    loss = np.sum(np.sin(K) ** 2)
    G = np.sin(K) * np.sin(x)  # slip
    db = np.sum(np.diag(G)) * 2 * 3 * p["b"] ** 2
    dc = -2 * np.diag(G)  # slip
    return loss, {"a": np.sum(G * x) * 2 * 2 * p["a"], "b": db, "c": dc}


def computed_again(p, x, t):
    y = x @ p["W"]
    loss = np.sum((y - t) ** 2) / 4
    dy = y - t  # slip
    return loss, {"W": x.T @ dy}


A = np.random.default_rng(0).standard_normal
CASES = [
    (residual, ({"W": A((3, 4)), "V": A((4, 4))}, A((5, 3)))),
    (kept_in_a_dict, ({"W": A((3, 2)), "b": A(2)}, A((4, 3)))),
    (leapfrog, ({"q": A(3), "v": A(3)}, 4)),
    (names_that_say_nothing, ({"W": A((3, 4)), "V": A((4, 2))}, A((5, 3)))),
    (scaled_scores, (A((2, 3, 2)), A((4, 3)))),
    (numbers_share_a_factor, ({"a": np.array(0.7), "b": np.array(0.4), "c": A(3)}, A((3, 3)))),
    (computed_again, ({"W": A((3, 2))}, A((4, 3)), A((4, 2)))),
]


@pytest.mark.parametrize(("function", "arguments"), CASES, ids=[each.__name__ for each, _ in CASES])
def test_the_lines_with_a_slip_are_those_that_are_named(function, arguments):
    slips = [each.strip() for each in inspect.getsource(function).splitlines() if each.endswith("# slip")]
    assert [line.source for line in find_lines(function, *arguments)] == slips
