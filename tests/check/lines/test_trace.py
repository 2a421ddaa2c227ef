"""The trace marks each line of a backward pass: a derivative, wrong, or none."""

import json

import numpy as np
import pytest

from backprop.check.lines import Trace, trace_lines


def step(params, x, labels):
    W, V = params["W"], params["V"]
    n = float(len(x))
    h = np.tanh(x @ W)
    z = h @ V
    e = np.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), labels]).mean()

    dz = p.copy()
    dz[np.arange(len(x)), labels] -= 1
    dz /= n
    dV = h.T @ dz
    dh = dz @ V.T
    slope = 1 - h**2
    dpre = dh * slope
    dW = x.T @ dpre
    return loss, {"W": dW, "V": dV}


def forgetful(params, x, labels):
    W, V = params["W"], params["V"]
    h = np.tanh(x @ W)
    z = h @ V
    loss = np.sum(z**2) / 2
    dz = z.copy()
    dV = h.T @ dz
    dh = dz @ V.T
    dpre = dh
    dW = x.T @ dpre
    return loss, {"W": dW, "V": dV}


def point_and_data(rng):
    params = {"W": rng.standard_normal((3, 4)), "V": rng.standard_normal((4, 2))}
    return params, rng.standard_normal((5, 3)), rng.integers(0, 2, 5)


@pytest.fixture(scope="module")
def right():
    return trace_lines(step, *point_and_data(np.random.default_rng(0)))


@pytest.fixture(scope="module")
def wrong():
    return trace_lines(forgetful, *point_and_data(np.random.default_rng(0)))


def marks(trace):
    return {each.source: each.mark for each in trace.steps}


def test_right_lines_are_recognised_by_what_they_are(right):
    said = {each.source: each.said for each in right.steps}
    assert marks(right) == {
        "dz[np.arange(len(x)), labels] -= 1": "right",
        "dz /= n": "right",
        "dV = h.T @ dz": "right",
        "dh = dz @ V.T": "right",
        "slope = 1 - h**2": "none",
        "dpre = dh * slope": "right",
        "dW = x.T @ dpre": "right",
    }
    assert said["dz[np.arange(len(x)), labels] -= 1"].startswith("5 · dL/d(z), z of line ")
    assert said["dW = x.T @ dpre"].startswith("dL/d(W)")
    assert right.lines.lines == ()


def test_the_forward_line_stands_beside_its_derivative(right):
    dh = next(each for each in right.steps if each.source.startswith("dh"))
    assert (dh.forward, dh.value[-3:], dh.forward_value[-3:]) == ("h = np.tanh(x @ W)", "5×4", "5×4")
    row = next(row for row in right._repr_html_().split("<tr>") if "dh = dz @ V.T" in row)
    assert "<code>h = np.tanh(x @ W)</code>" in row


def test_what_follows_from_a_wrong_line_is_wrong_too_and_the_rest_is_not(wrong):
    assert marks(wrong) == {
        "dz = z.copy()": "right",
        "dV = h.T @ dz": "right",
        "dh = dz @ V.T": "right",
        "dpre = dh": "wrong",
        "dW = x.T @ dpre": "wrong",
    }
    culprit, follower = wrong.steps[-2:]
    assert (wrong.lines.lines[0].message, f"wrong as line {culprit.line} is") == (culprit.said, follower.said)
    assert "✗" in str(wrong)
    assert "✓" in str(wrong)


def test_a_trace_goes_through_json_and_what_is_none_is_refused(wrong):
    data = json.loads(json.dumps(wrong.to_dict()))
    assert Trace.from_dict(data) == wrong
    for broken in ({}, {**data, "steps": [{}]}, {**data, "lines": {"lines": 3}}):
        with pytest.raises((TypeError, ValueError, KeyError)):
            Trace.from_dict(broken)


def test_a_page_escapes_what_it_shows(wrong):
    page = wrong.page("a < b")
    assert "<h1>a &lt; b</h1>" in page


def test_code_without_a_backward_pass_is_said_to_have_none():
    names = {}
    exec("def step(x):\n    return (x**2).sum(), 3 * x", names)
    trace = trace_lines(names["step"], np.ones(3))
    assert not trace.steps
    assert "The source of step was not found" in str(trace)
