"""A line whose value is the derivative by nothing is found by an edit of its code that makes the gradient right."""

import ast

import numpy as np
import pytest

from backprop.check.lines import find_lines
from backprop.check.lines.explain import line_of_edit
from backprop.check.lines.expressions import Edit, written

RIGHT = """
import numpy as np


def squash(a):
    return a / (1 + np.abs(a))


def mean_of(rows, turn):
    kept = rows
    while kept.ndim > 1:
        kept = kept.mean(axis=0)
    return kept if turn else 2 * kept


def step(p, X, y):
    n, m = X.shape
    z = X @ p["W"] + p["b"]
    h = np.tanh(z)
    r = h @ p["v"] - y
    loss = 0.5 * np.sum(r**2) / n + 0.1 * np.sum(p["W"] ** 2)

    count = n
    gate = 1 - h**2
    shift = 0.0
    for k in range(n):
        shift = shift + r[k]
    dh = np.outer(r, p["v"]) / count
    dz = dh * gate
    dW = X.T @ dz
    dW = dW + 0.2 * p["W"]
    return loss, {"W": dW, "b": dz.sum(axis=0), "v": h.T @ r / count}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("count = n", "count = m", "m should be n. With that W, b and v are right."),
        ("gate = 1 - h**2", "gate = 1 - h", "h should be h ** 2. With that W and b are right."),
        ("gate = 1 - h**2", "gate = 1 - z**2", "z should be h. With that W and b are right."),
        (
            "gate = 1 - h**2",
            "gate = 1 + h**2",
            "1 + h ** 2 should be 1 - h ** 2. With that W and b are right.",
        ),
    ],
)
def test_a_value_that_is_no_derivative_is_named_with_what_it_should_be(right, wrong, said, lines_of):
    assert RIGHT.count(right) == 1
    (line,) = lines_of(RIGHT.replace(right, wrong))
    assert (line.source, line.message) == (wrong, said)
    assert line.should_be in said


def test_right_code_is_not_edited(lines_of):
    lines = lines_of(RIGHT)
    assert not lines
    assert not lines.wrong


def test_an_edit_that_makes_a_loop_endless_is_left(lines_of):
    """`kept.mean(axis=0, keepdims=True)` never has one axis only."""
    source = RIGHT.replace("dz.sum(axis=0)", "mean_of(dz, True)")
    lines = lines_of(source)
    assert lines.wrong == ("b",)


def test_what_the_code_holds_is_not_changed_by_an_edit():
    """The data of a closure are seen by every run."""
    data = np.arange(1.0, 4.0)
    before = data.copy()

    def step(w):
        kept = data
        kept = kept * w
        dw = np.cos(kept) * kept
        return float(np.sin(kept).sum()), dw

    (line,) = find_lines(step, np.array([0.3, 0.5, 0.7]))
    assert line.source == "dw = np.cos(kept) * kept"
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize(
    ("code", "said"), [("slice(n, None, None)", "[n:]"), ("slice(None, None, -1)", "[::-1]"), ("h.T", "h.T")]
)
def test_an_edit_is_written_as_code_is(code, said):
    assert written(ast.parse(code, mode="eval").body) == said


def test_a_statement_too_many_should_be_left_out():
    edit = Edit(0, ("mine.py", 3, 4), (3,), 3, 4, "dw += w", "pass")
    assert line_of_edit(edit, ("w",)).message == "dw += w should be left out. With that w is right."
