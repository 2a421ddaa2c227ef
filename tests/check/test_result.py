"""A check prints so that it can be read: verdicts first, then where, what, and how sure."""

import numpy as np
import pytest

import backprop
from backprop.check.entry import Entry
from backprop.check.kinds import Finding
from backprop.check.result import GradientCheck, Kink, StepCurve, TensorCheck

WRONG = GradientCheck(
    verdict="wrong",
    tensors=(
        TensorCheck("W1", (2, 3), "wrong", 0.5, 1e-9, 6, (Entry((1, 2), 4.0, 2.0, 1e-12),)),
        TensorCheck("<b>", (3,), "right", 1e-12, 1e-9, 3),
        TensorCheck("c", (), "right", 0.0, 1e-9, 0),
    ),
    findings=(Finding("sign", "<b>", "got < 0 & wrong.", "certain", "Reverse it."),),
    method="complex step in float64, every entry",
    kinks=tuple(Kink("W1", (0, k), "both sides differ") for k in range(12)),
    step_curve=StepCurve((0.1, 0.01), (1e-3, 1e-5)),
    taylor_slope=1.98,
    calls=12,
    gradient_calls=7,
    notes=("one note",),
)


def test_the_verdict_of_every_tensor_comes_first():
    lines = str(WRONG).splitlines()
    assert lines[0] == "The gradient is wrong."
    assert lines[2].split() == ["tensor", "shape", "verdict", "error", "tolerance", "compared"]
    assert lines[3].split()[:5] == ["W1", "2", "×", "3", "wrong"]


@pytest.mark.parametrize(
    "said",
    [
        "W1[1, 2]  4    2         1e-12",
        "<b>: sign (certain)",
        "→ Reverse it.",
        "W1[0, 0], [0, 1]",
        "(12 in all): both sides differ",
        "falls to 1.0e-05 at the step 1.0e-02",
        "h^1.98",
        "Note: one note",
        "12 calls of the function, 7 of the gradient",
    ],
)
def test_what_was_found_is_all_there(said):
    assert said in " ".join(line.strip() for line in str(WRONG).splitlines())


def test_no_line_is_long():
    check = backprop.check_gradient(lambda x: np.sum(x**2), lambda x: x**2, np.arange(1.0, 9.0))
    assert max(map(len, str(check).splitlines())) <= 100


def test_in_a_notebook_what_comes_from_the_user_is_escaped():
    html = WRONG._repr_html_()
    assert "&lt;b&gt;" in html
    assert "got &lt; 0 &amp; wrong." in html
    assert "<b>:" not in html
    assert html.count("<table>") == html.count("</table>") == 2


def test_a_right_check_is_short():
    check = backprop.check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, np.arange(1.0, 4.0))
    text = str(check)
    assert text.startswith("The gradient is right.")
    assert "Worst entries" not in text
    assert "Findings" not in text
