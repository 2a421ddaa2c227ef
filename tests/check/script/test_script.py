"""The top level of a script or notebook is checked: every variable has a verdict, and the planted lines are named."""

import builtins
import contextlib
import dataclasses
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from command import backprop as run_backprop
from over import part

import backprop
from backprop.check.failures import UserError
from backprop.check.script.examine import examine
from backprop.check.script.result import ScriptCheck
from backprop.check.script.source import Cell, read_cells
from backprop.check.script.variables import gradients_by_name
from backprop.errors import BackpropError

EXERCISE = Path(__file__).parents[3] / "docs" / "tutorial" / "exercise.ipynb"


def check(*sources, loss="loss", seconds=60.0, trace=False):
    """The check of cells, in this process."""
    cells = [each if isinstance(each, Cell) else Cell("mine.py", each) for each in sources]
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        with contextlib.redirect_stdout(None):
            return examine(cells, "mine.py", loss, seconds, lambda: None, trace)
    finally:
        sys.modules["__main__"] = main


def named(found):
    """The lines that are named, as they stand in the source."""
    return [line.source for line in found.lines]


# The exercise of the docs ------------------------------------------------------------------------------------

SLIPS = {
    "dtotal = total**-2 * dinv_total": "dtotal = -(total**-2) * dinv_total",
    "dhpre = dh * (1 - h)": "dhpre = dh * (1 - h**2)",
    "ddiff2 = dvar * np.ones_like(diff2) / n": "ddiff2 = dvar * np.ones_like(diff2) / (n - 1)",
}
"""The wrong lines of the exercise, and what would be right."""


def exercise(*left, **planted):
    """The cells of the exercise, where only the slips `left` are left."""
    cells = read_cells(str(EXERCISE))
    for wrong, right in {**{w: r for w, r in SLIPS.items() if w not in left}, **planted}.items():
        assert sum(each.source.count(wrong) for each in cells) == 1, wrong
        cells = [dataclasses.replace(each, source=each.source.replace(wrong, right)) for each in cells]
    return cells


@pytest.fixture(scope="module")
def solved():
    return check(*exercise())


def test_in_the_solved_exercise_all_26_gradients_are_right_and_no_line_is_named(solved):
    assert solved.verdict == "right"
    assert {each.verdict for each in solved.variables} == {"right"}
    assert len(solved.variables) == 26
    assert (solved.lines, solved.missing, solved.notes) == ((), (), ())
    assert solved.calls <= 400


def test_in_the_exercise_the_three_lines_are_named_and_every_wrong_gradient_is_put_down_to_one():
    found = check(*exercise(*SLIPS))
    assert named(found) == list(SLIPS)
    assert [line.kind for line in found.lines] == ["sign", "activation-derivative-formula", "constant-factor"]
    assert "It is dL/d(h) times 1 - h, where the slope is 1 - h²." in found.lines[1].message
    assert [line.file.rpartition(", ")[2] for line in found.lines] == ["code cell 4"] + 2 * ["code cell 5"]
    assert "total of line 16 of code cell 3" in found.lines[0].message
    because = {each.name: each.because for each in found.variables}
    assert because["logprobs"] is None
    assert [because[name] for name in ("total", "logits", "hpre", "gain", "diff2", "C")] == [0, 0, 1, 1, 2, 2]
    text = str(dataclasses.replace(found, target="exercise.ipynb"))
    assert "3.4e-01  cell 5, line 8\n" in text
    assert max(map(len, text.splitlines())) <= 80


OTHERS = [
    {"dprobs = dlogprobs / probs": "dprobs = dlogprobs * probs"},
    {"dcounts = dprobs * inv_total": "dcounts = dprobs"},  # and += then changes dprobs as well
    {"dshifted = dcounts * counts": "dshifted = dcounts * probs"},
    {"db2 = dlogits.sum(axis=0)": "db2 = dlogits.mean(axis=0)"},
    {"ddiff += ddiff2 * 2 * diff": "pass"},
    {"np.add.at(dC, context, demb)": "dC[context] += demb"},
    {"dh = dlogits @ W2.T": "dh = dlogits @ W2.T / n", "dW1 = x.T @ dpre": "dW1 = x.T @ ddiff"},
    {
        "dinv_total = (dprobs * counts)": "dinv_total = (dprobs * probs)",
        "dnorm = dhpre * gain": "dnorm = dhpre",
    },
    {
        "db2 = dlogits": "db2 = -dlogits",
        "dgain = (dhpre * norm)": "dgain = (dhpre * h)",
        "demb = dx": "demb = -dx",
    },
]
"""One to three slips at once. Where a statement is left out, the one before it has the wrong value."""


@pytest.mark.parametrize("slips", part(OTHERS, 5), ids=lambda slips: "; ".join(slips.values()))
def test_planted_slips_at_the_top_level_are_the_lines_that_are_named(slips):
    found = check(*exercise(**slips))
    wanted = ["ddiff = dnorm * inv_std" if each == "pass" else each for each in slips.values()]
    assert len(found.lines) == len(wanted), str(found)
    for line, each in zip(found.lines, wanted, strict=True):
        assert each in line.source


# What a script may be like -----------------------------------------------------------------------------------

SCRIPT = """import numpy as np
rng = np.random.default_rng(0)
x = rng.standard_normal((4, 3))
W = rng.standard_normal((3, 2))
h = np.tanh(x @ W)
loss = np.sum(h**2)
dh = 2 * h
dW = x.T @ (dh * (1 - h**2))
"""
WRONG = SCRIPT.replace("(1 - h**2)", "(1 - h)")
SINGLE = SCRIPT.replace("(4, 3))", "(4, 3)).astype('f4')").replace("(3, 2))", "(3, 2)).astype('f4')")
LOOP = (
    SCRIPT.replace("\n", "\n    ").replace("\n    h", "\nfor _ in range(3):\n    h").replace("\n    x", "\nx")
)
LOOP = LOOP.replace("\n    rng", "\nrng").replace("\n    W", "\nW") + "W -= 0.1 * dW\n"
TORCH = """import torch
torch.manual_seed(1)
x = torch.randn(5, 3)
W = torch.randn(3, 2, requires_grad=True)
h = torch.tanh(x @ W)
h.retain_grad()
loss = (h**2).sum()
loss.backward()
dh = 2 * h
dW = x.T @ (dh * (1 - h**2))
print(torch.allclose(dW, W.grad))
"""
FUNCTION = SCRIPT.replace(
    "h = np.tanh(x @ W)", "def back(y, dy):\n    return dy * (1 - y**2)\nh = np.tanh(x @ W)"
)
FUNCTION = FUNCTION.replace("(dh * (1 - h**2))", "back(h, dh)")

RIGHT = {
    "as it is": SCRIPT,
    "grad_x": SCRIPT.replace("dh", "grad_h").replace("dW", "grad_W"),
    "d_x": SCRIPT.replace("dh", "d_h").replace("dW", "d_W"),
    "x_grad": SCRIPT.replace("dh", "h_grad").replace("dW", "W_grad"),
    "other capitals": SCRIPT.replace("dW", "dw"),
    "float32": SINGLE,
    "drawn from global generators": SCRIPT.replace(
        "W = rng.standard_normal((3, 2))", "W = np.random.randn(3, 2)"
    ),
    "drawn from Python's generator": "import random\n"
    + SCRIPT.replace("loss = ", "mask = np.array([random.random() for _ in range(2)])\nloss = ")
    .replace("np.sum(h**2)", "np.sum(mask * h**2)")
    .replace("dh = 2 * h", "dh = 2 * mask * h"),
    "a name for two values": SCRIPT.replace("h = np.tanh(x @ W)", "h = x @ W\nh = np.tanh(h)").replace(
        "dW = x.T @ (dh * (1 - h**2))", "dh = dh * (1 - h**2)\ndW = x.T @ dh"
    ),
    "changed in place": SCRIPT.replace("h = np.tanh(x @ W)", "h = x @ W\nnp.tanh(h, out=h)"),
    "training in a loop": LOOP,
    "a function of its own": FUNCTION,
    "comparisons and pictures": SCRIPT + "assert np.allclose(dh, 2 * h)\nprint(dW)\n",
    "gradients in a dict": SCRIPT.replace("dW = ", "grads = {}\ngrads['W'] = "),
    "in a dict that is written out": SCRIPT.replace(
        "dW = x.T @ (dh * (1 - h**2))", "grads = {'dW': x.T @ (dh * (1 - h**2))}"
    ),
    "in a dict that a function gives": SCRIPT.replace(
        "dW = x.T @ (dh * (1 - h**2))",
        "def back(dh):\n    return {'W': x.T @ (dh * (1 - h**2))}\ngrads = back(dh)",
    ),
    "a step after the gradients": SCRIPT + "W -= 0.1 * dW\nh = 0 * h\n",
}


@pytest.mark.parametrize("source", RIGHT.values(), ids=RIGHT)
def test_a_right_script_is_right_whatever_its_style(source):
    found = check(source)
    assert found.verdict == "right", str(found)
    assert {each.name for each in found.variables} == {"h", "W"}
    assert found.lines == ()


WRONG_ONES = {
    "as it is": (WRONG, "dW = x.T @ (dh * (1 - h))"),
    "float32": (SINGLE.replace("(1 - h**2)", "(1 - h)"), "dW = x.T @ (dh * (1 - h))"),
    "of another shape": (SCRIPT.replace("dh = 2 * h", "dh = 2 * h[0]"), "dh = 2 * h[0]"),
    "inside a function": (FUNCTION.replace("(1 - y**2)", "(1 + y**2)"), "return dy * (1 + y**2)"),
    "in an entry of a dict": (
        SCRIPT.replace("dW = ", "grads = {'h': dh}\ngrads['W'] = 2 * "),
        "grads['W'] = 2 * x.T @ (dh * (1 - h**2))",
    ),
    "a sum over all axes": (
        SCRIPT.replace("x @ W)", "x @ W + b)").replace("h = ", "b = np.zeros(2)\nh = ", 1)
        + "db = (dh * (1 - h**2)).sum()\n",
        "db = (dh * (1 - h**2)).sum()",
    ),
    "in a change": (SCRIPT.replace("dh = 2 * h", "dh = 2 * h\ndh *= 2"), "dh *= 2"),
}


def test_an_edit_that_makes_a_script_right_is_said():
    (line,) = check(FUNCTION.replace("(1 - y**2)", "(1 - y)"), "print(dW)").lines
    assert line.message == "y should be y ** 2. With that W is right."


@pytest.mark.parametrize(("source", "line"), WRONG_ONES.values(), ids=WRONG_ONES)
def test_a_wrong_script_is_told_with_its_line(source, line):
    found = check(source)
    assert found.verdict == "wrong"
    assert named(found) == [line]


MEANT = {
    "a factor that follows later": (
        SCRIPT.replace("np.sum(h**2)", "np.sum(h**2) / 4").replace("dW = x.T @ ", "dW = x.T / 4 @ "),
        "dh is 4 · dL/d(h)",
    ),
    "a mask in place": (
        SCRIPT.replace("np.tanh(x @ W)", "np.maximum(x @ W, 0)")
        .replace("dh = 2 * h", "dh = 2 * h + 1\ndh[h <= 0] = 0")
        .replace("(h**2)", "(h**2 + h)")
        .replace("(dh * (1 - h**2))", "dh"),
        "dh is not dL/d(h)",
    ),
}
"""What is no derivative by its name, and the start of what is said of it."""


@pytest.mark.parametrize(("source", "said"), MEANT.values(), ids=MEANT)
def test_what_right_gradients_are_computed_from_may_have_a_meaning_of_its_own(source, said):
    found = check(source)
    assert found.ok
    assert found.notes[0].startswith(said)
    assert [each.name for each in found.variables] == ["W"]


RECURRENCE = """import numpy as np
rng = np.random.default_rng(0)
x, W, h = rng.standard_normal((3, 2)), rng.standard_normal((2, 2)), np.zeros(2)
hs = [h]
for t in range(3):
    h = np.tanh(x[t] + W @ h)
    hs.append(h)
loss = np.sum(h**2)
dh, dW = 2 * h, np.zeros((2, 2))
for t in (2, 1, 0):
    dz = dh * (1 - hs[t + 1] ** 2)
    dW += np.outer(dz, hs[t])
    dh = W.T @ dz
"""


def test_the_last_value_of_a_gradient_over_time_belongs_to_the_first_value_of_its_variable():
    assert check(RECURRENCE).ok
    wrong = check(RECURRENCE.replace("dh = W.T", "dh = W"))
    assert named(wrong) == ["dh = W @ dz"]
    assert {each.name for each in wrong.variables} == {"h", "W"}


IN_DICTS = """import numpy as np
rng = np.random.default_rng(0)
x = rng.standard_normal((4, 3))
params = {"W": rng.standard_normal((3, 2)), "V": rng.standard_normal((2, 2))}
params["b"] = rng.standard_normal(2)
h = np.tanh(x @ params["W"] + params["b"])
loss = np.sum((h @ params["V"]) ** 2)
dy = 2 * h @ params["V"]
dz = dy @ params["V"].T * (1 - h**2)
grads = dict(W=x.T @ dz, V=h.T @ dy)
grads["b"] = dz.sum(axis=0)
"""


@pytest.mark.parametrize(
    ("right", "slip"), [("", ""), ("h.T @ dy", "-h.T @ dy"), ("dz.sum(axis=0)", "dy.sum(axis=0)")]
)
def test_parameters_and_gradients_may_be_entries_of_dicts(right, slip):
    found = check(IN_DICTS.replace(right, slip) if slip else IN_DICTS)
    assert {each.name for each in found.variables} == {"params['W']", "params['V']", "params['b']"}
    assert found.ok is (not slip)
    assert [slip in line for line in named(found)] == [True] * bool(slip)


IN_OBJECTS = """import numpy as np
class Layer:
    def __init__(self, i, o, rng):
        self.W = rng.standard_normal((i, o))
    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W)
        return self.y
    def backward(self, dy):
        dz = dy * (1 - self.y**2)
        self.dW = self.x.T @ dz
        return dz @ self.W.T
rng = np.random.default_rng(0)
x = rng.standard_normal((4, 3))
one, two = Layer(3, 3, rng), Layer(3, 2, rng)
for epoch in range(3):
    loss = np.sum(two.forward(one.forward(x)) ** 2)
    one.backward(two.backward(2 * two.y))
    for layer in (one, two):
        layer.W -= 0.1 * layer.dW
"""
IN_LISTS = """import numpy as np
rng = np.random.default_rng(0)
x, weights = rng.standard_normal((4, 3)), [rng.standard_normal((3, 3)) for _ in range(2)]
hs = [x]
for W in weights:
    hs.append(np.tanh(hs[-1] @ W))
loss = np.sum(hs[-1] ** 2)
grad_weights, dh = [None, None], 2 * hs[-1]
for k in (1, 0):
    dz = dh * (1 - hs[k + 1] ** 2)
    grad_weights[k] = hs[k].T @ dz
    dh = dz @ weights[k].T
"""
COMPUTED = IN_LISTS.replace(
    "[rng.standard_normal((3, 3)) for _ in range(2)]",
    "{}\nfor k in range(2):\n    weights['W' + str(k)] = rng.standard_normal((3, 3))",
)
COMPUTED = (
    COMPUTED.replace("weights:", "weights.values():")
    .replace("weights[k]", "weights['W' + str(k)]")
    .replace("grad_weights['W'", "grad_weights['dW'")
    .replace("[None, None]", "{}")
)
PARTS = {
    "of objects": (IN_OBJECTS, {"one.W", "two.W"}, "dz = dy * (1 - self.y**2)"),
    "of lists": (IN_LISTS, {"weights[0]", "weights[1]"}, "dz = dh * (1 - hs[k + 1] ** 2)"),
    "of dicts with computed keys": (
        COMPUTED,
        {"weights['W0']", "weights['W1']"},
        "dz = dh * (1 - hs[k + 1] ** 2)",
    ),
}


@pytest.mark.parametrize(("source", "names", "line"), PARTS.values(), ids=PARTS)
def test_parts_are_variables(source, names, line):
    right, wrong = check(source), check(source.replace(line, line.replace("1 - ", "")))
    assert right.ok
    assert {each.name for each in right.variables} == names
    assert named(wrong) == [line.replace("1 - ", "")]


def test_the_trace_tells_what_each_line_of_a_script_is():
    found = check(WRONG, trace=True)
    assert [(step.source, step.mark) for step in found.steps] == [
        ("dh = 2 * h", "right"),
        ("dW = x.T @ (dh * (1 - h))", "wrong"),
    ]
    assert found.steps[0].forward == "h = np.tanh(x @ W)"
    assert "✓    7  dh = 2 * h" in str(found)
    assert "<td><code>dh = 2 * h</code></td>" in found._repr_html_()
    assert ScriptCheck.from_dict(json.loads(json.dumps(found.to_dict()))) == found


LARGE = """import numpy as np
rng = np.random.default_rng(0)
x, W1, W2 = rng.standard_normal((30, 3)), rng.standard_normal((3, 20)), rng.standard_normal((20, 2))
z = x @ W1
h = np.tanh(z)
loss = np.sum((h @ W2) ** 2) / 30
dh = 2 * h @ W2 @ W2.T / 30
dz = dh * (1 - h)
dW1 = x.T @ dz * 2
"""


def test_after_a_wrong_value_of_many_entries_later_lines_are_found_as_well():
    found = check(LARGE)
    assert named(found) == ["dz = dh * (1 - h)", "dW1 = x.T @ dz * 2"]
    assert found.lines[1].kind == "constant-factor"
    assert any("for the values that the wrong lines before it have given" in note for note in found.notes)
    assert check(LARGE.replace("(1 - h)", "(1 - h**2)").replace(" * 2\n", "\n")).ok


@pytest.mark.parametrize(("slip", "lines"), [("h**2", []), ("h", ["dW = x.T @ (dh * (1 - h))"])])
def test_tensors_of_pytorch_are_checked_beside_autograd(slip, lines):
    pytest.importorskip("torch", reason="the extra peers brings it")
    assert named(check(TORCH.replace("(1 - h**2)", f"(1 - {slip})"))) == lines


def test_what_has_no_gradient_yet_is_listed_and_what_the_loss_does_not_depend_on_is_said():
    found = check(SCRIPT.replace("dh = 2 * h\n", "z = h + 1\ndz = 2 * z\n").replace("(dh", "(2 * h"))
    assert found.verdict == "right"
    assert [each.name for each in found.variables] == ["W"]
    assert found.missing == ("h",)
    assert found.notes == ("dz is not compared: loss depends on no value of z.",)


TRAINING = {
    "a loop": (LOOP, 5),
    "two loops": (LOOP.replace("for _ in range(3):", "for _ in range(3):\n  for _ in range(2):"), 6),
    "a loop that is left": (LOOP + "    if loss < 0:\n        continue\n", 5),
    "while": (LOOP.replace("for _ in range(3):", "k = 0\nwhile k < 3:\n    k += 1"), 6),
}
"""Scripts that train, and the line of their loop."""


@pytest.mark.parametrize(("source", "line"), TRAINING.values(), ids=TRAINING)
def test_of_a_loop_that_trains_the_first_turn_is_checked_and_that_is_said(source, line):
    right, wrong = check(source), check(source.replace("(1 - h**2)", "(1 - h)"))
    assert right.ok
    assert named(wrong) == ["dW = x.T @ (dh * (1 - h))"]
    assert right.loss == wrong.loss == pytest.approx(check(SCRIPT).loss)
    assert f"line {line}" in right.notes[0]
    assert "first turn" in right.notes[0]


SAMPLES = """import numpy as np
rng = np.random.default_rng(0)
x, W = rng.standard_normal((4, 3)), rng.standard_normal(3)
loss, dW = 0.0, np.zeros(3)
for each in x:
    h = np.tanh(each @ W)
    loss += h**2 / 2
    dh = h
    dW += dh * (1 - h**2) * each
"""


def test_a_loop_that_sums_over_samples_is_no_training():
    assert check(SAMPLES).notes == ()
    assert check(SAMPLES).ok
    assert named(check(SAMPLES.replace("(1 - h**2)", "(1 - h)"))) == ["dW += dh * (1 - h) * each"]


def test_lines_for_ipython_alone_are_left_out_and_told(tmp_path):
    cells = ["%matplotlib inline\n!ls\nx = 1\nx?", "%%bash\nexit 3", "y = (8\n     % 3)"]
    notebook = {"cells": [{"cell_type": "code", "source": each} for each in cells]}
    (tmp_path / "nb.ipynb").write_text(json.dumps(notebook))
    read = read_cells(str(tmp_path / "nb.ipynb"))
    assert [each.source.split("\n")[:3] for each in read[::2]] == [
        ["pass", "pass", "x = 1"],
        ["y = (8", "     % 3)"],
    ]
    assert [each.left_out for each in read] == [(1, 2, 4), (1, 2), ()]
    assert any("nb.ipynb, code cell 1, line 1, 2, 4" in note for note in check(*read, SCRIPT).notes)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("x dx y dy", {"x": "dx", "y": "dy"}),
        ("X x dX dx", {"X": "dX", "x": "dx"}),
        ("W dw", {"W": "dw"}),
        ("x y dx dy grad_x", {"x": "dx", "y": "dy"}),
        ("gain data n", {}),
        ("dlogprobs logprobs", {"logprobs": "dlogprobs"}),
        ("p p['W'] grads grads['W']", {"p['W']": "grads['W']"}),
        ("W p p['W'] dW", {"W": "dW"}),
        ("W g g['dW'] cache cache['W']", {"W": "g['dW']"}),
        ("W grads grads['W'] data data['W']", {"W": "grads['W']"}),
    ],
)
def test_a_gradient_is_known_by_its_name(names, expected):
    assert (
        gradients_by_name(
            {each for each in names.split() if "[" not in each}, dict.fromkeys(names.split(), 1.0)
        )
        == expected
    )


RANDOM = SCRIPT.replace("dh = ", "dh = (1 + (calls.append(1) or len(calls) > 9 and len(calls))) * ")


def test_a_gradient_that_differs_between_equal_runs_is_told(monkeypatch):
    monkeypatch.setattr(builtins, "calls", [], raising=False)
    found = check(RANDOM)
    assert found.verdict == "wrong"
    assert any("equal calls" in note.lower() for note in found.notes)


# What cannot be checked --------------------------------------------------------------------------------------

BAD = {
    "no loss": (
        SCRIPT.replace("loss", "cost"),
        "no variable loss; expected the name of the loss",
        "such as cost",
    ),
    "a loss that is an array": (SCRIPT.replace("np.sum(h**2)", "h**2"), "loss is an array of shape (4, 2)"),
    "a loss that is None": (SCRIPT + "loss = None\n", "loss is None; expected the name of the loss"),
    "a loss that is not finite": (SCRIPT + "loss = loss * np.nan\n", "loss is nan; expected a finite number"),
    "no gradient": (
        SCRIPT.replace("dh", "a").replace("dW", "b"),
        "computes nothing that is called a gradient",
    ),
    "a loss that is a constant": (
        SCRIPT.replace("np.sum(h**2)", "1.5"),
        "depends on no variable",
        "expected one of",
    ),
    "a generator without a seed": (
        SCRIPT.replace("rng(0)", "rng()"),
        "mine.py is random: loss was",
        "with a seed",
    ),
    "an exception": (SCRIPT + "1 / 0\n", "could not be run at mine.py: ZeroDivisionError"),
    "an exit": (SCRIPT + "raise SystemExit(3)\n", "called exit(3)"),
    "no Python": ("x = (1\n", "SyntaxError: '(' was never closed"),
    "nothing": ("", "There is no variable loss"),
    "a second run that fails": (
        "import builtins\nW = builtins.W_once.pop()\n" + SCRIPT.replace("W = ", "V = "),
        "could not be run a second time: IndexError",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_cannot_be_checked_is_refused_in_a_sentence(bad, monkeypatch):
    source, *said = bad
    monkeypatch.setattr(builtins, "W_once", [np.ones((3, 2))], raising=False)
    with pytest.raises(BackpropError) as raised:
        check(source)
    sentence = str(raised.value)
    assert all(each in sentence for each in said), sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_script_that_is_too_slow_for_some_hundred_runs_is_refused():
    slow = SCRIPT.replace("h = np.tanh(x @ W)", "h = np.tanh(x @ W + sum(range(10**5)) * 0)")
    with pytest.raises(BackpropError, match="a check takes some hundred"):
        check(slow, seconds=0.2)


# The process, and the command --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "numbers.txt").write_text("1.0")
    (tmp_path / "other.txt").write_text("kept")
    (tmp_path / "beside.py").write_text("factor = 1.0")
    lines = "from beside import factor\nfactor *= float(open('numbers.txt').read())\n"
    lines += "open('other.txt', 'w').write('gone')\nopen('new.txt', 'w')\nprint('seen')\n"
    (tmp_path / "wrong.py").write_text(lines + WRONG.replace("x @ W", "factor * x @ W"))
    (tmp_path / "cost.py").write_text(SCRIPT.replace("loss", "cost"))
    (tmp_path / "endless.py").write_text("import time\nwhile True: time.sleep(0.01)")
    (tmp_path / "lethal.py").write_text("import os\nos._exit(7)")
    (tmp_path / "raises.py").write_text("print('said')\n1 / 0")
    return tmp_path


def test_a_script_reads_what_lies_beside_it_and_leaves_its_folder_as_it_was(folder):
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    found = backprop.check_script(folder / "wrong.py")
    assert named(found) == ["dW = x.T @ (dh * (1 - h))"]
    assert found.printed == "seen\n"
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
    assert ScriptCheck.from_dict(json.loads(json.dumps(found.to_dict()))) == found


REFUSED = {
    "endless.py": "was not checked within 1 s; expected a shorter script, or a longer time limit.",
    "lethal.py": "ended with code 7",
    "nowhere.py": "There is no file",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_script_that_gives_no_answer_is_refused_in_a_sentence(folder, name):
    with pytest.raises(BackpropError) as raised:
        backprop.check_script(folder / name, timeout_s=1 if name == "endless.py" else 60)
    assert REFUSED[name] in str(raised.value)


def test_what_a_script_raises_is_told_with_its_lines(folder):
    with pytest.raises(UserError) as raised:
        backprop.check_script(folder / "raises.py")
    assert raised.value.lines.startswith("said\nTraceback")
    assert "raises.py" in raised.value.lines


def test_of_a_folder_that_is_too_large_the_files_nearest_to_the_script_are_copied_and_that_is_said(folder):
    with (folder / "large.bin").open("wb") as file:
        file.truncate(600_000_000)
    found = backprop.check_script(folder / "wrong.py")
    assert found.verdict == "wrong"
    assert "copy of its folder" in found.notes[0]


def test_the_command_prints_text_json_and_html_and_ends_with_the_verdict(folder, monkeypatch):
    text = run_backprop("check", "wrong.py", cwd=folder)
    assert text.code == 1
    assert text.out.startswith(
        "wrong.py is wrong in 1 of 2 gradients, by 1 line.\n\nwrong.py\n\n    13  dW = "
    )
    assert "| seen" in text.out
    found, check_script = [], backprop.check_script

    def check_once(*arguments, **options):
        found.extend([] if found else [check_script(*arguments, **options)])
        return found[0]

    monkeypatch.setattr(
        "backprop.check.script.door.check_script", check_once
    )  # the other forms are of one run
    plain = run_backprop("check", "wrong.py", "--json", cwd=folder)
    assert json.loads(plain.out)["lines"][0]["line"] == 13
    concise = run_backprop("check", "wrong.py", "--format", "concise", cwd=folder)
    assert concise.out.startswith("wrong.py:13:")
    html = run_backprop("check", "wrong.py", "--format", "html", cwd=folder)
    assert html.out.startswith('<div><p><b style="color: #cf222e">wrong.py is wrong')
    assert "wrong.py, line 13: <code>dW = x.T @ (dh * (1 - h))</code>" in html.out
    assert html.out.isascii()


def test_the_command_takes_the_name_of_the_loss(folder):
    assert "such as cost" in run_backprop("check", "cost.py", cwd=folder).error_sentence
    found = run_backprop("check", "cost.py", "--loss", "cost", cwd=folder)
    assert (found.code, found.out.split("\n")[0]) == (0, "cost.py is right in all 2 gradients.")
    assert run_backprop("check", "cost.py", "--loss", "cost", "--format", "concise", cwd=folder).out == ""
