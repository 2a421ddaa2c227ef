"""Every door names the line that is wrong, of its own accord; of a right gradient no line is looked for."""

import ast
import linecache
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import backprop
from backprop.check.lines import Lines, find
from backprop.testing import assert_gradient, assert_step, assert_vjp

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 2)), RNG.standard_normal(2)
POINT = {"W": W, "b": B}
NETWORK = backprop.Network.parse("6-4-3")


def loss(p):
    return 0.5 * np.sum(np.tanh(X @ p["W"] + p["b"]) ** 2)


def gradient(p):
    h = np.tanh(X @ p["W"] + p["b"])
    dz = h * (1 - h)  # a slip
    return {"W": X.T @ dz, "b": dz.sum(axis=0)}


def step(p):
    z = X @ p["W"] + p["b"]
    h = np.tanh(z)
    dz = h * (1 - h)  # a slip
    return 0.5 * np.sum(h**2), {"W": X.T @ dz, "b": dz.sum(axis=0)}


def forward(x, w):
    z = x @ w
    return np.tanh(z), (x, w, np.tanh(z))


def backward(dy, cache):
    x, w, y = cache
    dz = dy * (1 - y)  # a slip
    return dz @ w.T, x.T @ dz


def passes(params, inputs, labels):
    """The gradients of a network, and no loss, with a slip."""
    a0 = inputs
    z1 = a0 @ params["W1"] + params["b1"]
    a1 = np.maximum(z1, 0)
    e = np.exp(a1 @ params["W2"] + params["b2"])
    p = e / e.sum(axis=1, keepdims=True)
    d2 = p.copy()
    d2[np.arange(len(p)), labels] -= 1
    d2 /= len(p)
    d1 = d2 @ params["W2"].T  # a slip
    return {"W1": a0.T @ d1, "b1": d1.sum(axis=0), "W2": a1.T @ d2, "b2": d2.sum(axis=0)}


def in_columns(params, X, Y):
    """The same with weights (o, i) and samples in columns, one-hot, beside another loss: the sum."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    E = np.exp(W2 @ A1 + b2)
    P = E / E.sum(axis=0)
    dZ2 = (P - Y) / X.shape[1]
    dZ1 = W2.T @ dZ2  # a slip
    gradients = {
        "W1": dZ1 @ X.T,
        "b1": dZ1.sum(axis=1, keepdims=True),
        "W2": dZ2 @ A1.T,
        "b2": dZ2.sum(axis=1, keepdims=True),
    }
    return -np.sum(Y * np.log(P)), gradients


class Net:
    """The same as an object that holds its parameters."""

    def __init__(self):
        self.W1, self.b1, self.W2, self.b2 = (np.zeros(shape) for shape in ((6, 4), 4, (4, 3), 3))

    def loss(self, X, y):
        return passes({name: getattr(self, name) for name in ("W1", "b1", "W2", "b2")}, X, y)


def turned(x, omega):
    """The retraction of a unit vector in the plane."""
    angle = np.arctan2(x[1], x[0]) + omega[0]
    return np.array([np.cos(angle), np.sin(angle)])


def height(x):
    return x[1] ** 3


def slope_of_height(x):
    dx = np.array([0.0, 2 * x[1] ** 2])  # a slip
    return np.array([dx @ np.array([-x[1], x[0]])])


DOORS = {
    "bounds": (
        lambda: backprop.check_gradient(loss, gradient, POINT, bounds=(-9, 9)),
        "dz = h * (1 - h)  # a slip",
    ),
    "retract": (
        lambda: backprop.check_gradient(height, slope_of_height, np.array([0.6, 0.8]), retract=turned),
        "dx = np.array([0.0, 2 * x[1] ** 2])  # a slip",
    ),
    "check_gradient": (lambda: backprop.check_gradient(loss, gradient, POINT), "dz = h * (1 - h)  # a slip"),
    "check_step": (lambda: backprop.check_step(step, POINT), "dz = h * (1 - h)  # a slip"),
    "check_vjp": (lambda: backprop.check_vjp(forward, backward, (X, W)), "dz = dy * (1 - y)  # a slip"),
    "check_network": (
        lambda: backprop.check_network(passes, NETWORK),
        'd1 = d2 @ params["W2"].T  # a slip',
    ),
    "in columns": (
        lambda: backprop.check_network(in_columns, NETWORK),
        "dZ1 = W2.T @ dZ2  # a slip",
    ),
    "a method": (
        lambda: backprop.check_network(Net().loss, NETWORK),
        'd1 = d2 @ params["W2"].T  # a slip',
    ),
}


@pytest.mark.parametrize("name", DOORS)
def test_every_door_names_the_line(name):
    door, source = DOORS[name]
    check = door()
    (line,) = check.lines
    assert (check.verdict, line.source, check.lines.unplaced) == ("wrong", source, ())
    assert source in str(check)
    assert line.message in check.lines.annotations


def test_of_several_lambdas_in_one_line_each_is_searched_by_itself():
    first, last, cube = lambda x: 2 * x, lambda x: np.sum(x**3), lambda x: x**2  # a slip, twice
    for gradient in (first, cube):
        (line,) = backprop.check_gradient(last, gradient, X).lines
        assert line.text == ("2 * x" if gradient is first else "x ** 2")


ASSERTS = {
    "assert_gradient": lambda: assert_gradient(loss, gradient, POINT),
    "assert_step": lambda: assert_step(step, POINT),
    "assert_vjp": lambda: assert_vjp(forward, backward, (X, W)),
}


@pytest.mark.parametrize("name", ASSERTS)
def test_the_line_stands_in_the_message_of_a_failing_test(name):
    with pytest.raises(AssertionError, match=r"test_doors.py is wrong in [\s\S]*# a slip"):
        ASSERTS[name]()


WITHOUT = {
    "a pushforward": (
        lambda: backprop.check_jvp(lambda x: x**2, lambda x, dx: x * dx, (X,)),
        "a pushforward is checked without them",
    ),
    "a Jacobian": (
        lambda: backprop.check_gradient(lambda x: x**2, point=B, jacobian=lambda x: np.diag(x)),
        "a Jacobian is checked without them",
    ),
    "an edge": (
        lambda: backprop.check_gradient(lambda x: x @ x, lambda x: x, B, bounds=(B, B + 1)),
        "expected room on both sides, to look for the wrong line",
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_where_no_line_is_looked_for_a_sentence_says_so_and_the_verdict_stands(name):
    door, said = WITHOUT[name]
    check = door()
    assert check.verdict == "wrong"
    assert (len(check.lines), said in check.lines.note) == (0, True)


def double(p):
    return {"W": 2 * p["W"], "b": 2 * p["b"]}


RIGHT = {
    "check_gradient": lambda: backprop.check_gradient(
        lambda p: np.sum(p["W"] ** 2) + p["b"] @ p["b"], double, POINT
    ),
    "check_vjp": lambda: backprop.check_vjp(lambda x: 2 * x, lambda dy: 2 * dy, (X,)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_costs_nothing_more(name, monkeypatch):
    monkeypatch.setattr(find, "search", None)
    check = RIGHT[name]()
    assert (check.verdict, check.lines) == ("right", None)


def forgets_a_bias(params, inputs, labels):
    a1 = np.maximum(inputs @ params["W1"], 0)
    e = np.exp(a1 @ params["W2"] + params["b2"])
    p = e / e.sum(axis=1, keepdims=True)
    d2 = (p - np.eye(3)[labels]) / len(p)
    d1 = (d2 @ params["W2"].T) * (a1 > 0)
    return {"W1": inputs.T @ d1, "b1": d1.sum(axis=0), "W2": a1.T @ d2, "b2": d2.sum(axis=0)}


def test_another_forward_pass_is_said_to_be_one():
    check = backprop.check_network(forgets_a_bias, NETWORK)
    assert check.verdict == "wrong"
    assert not check.lines
    assert "No value of the code is that of the network's first layer" in check.lines.note
    assert check.lines.note in str(check).replace("\n  ", " ")


def test_code_that_cannot_be_searched_leaves_the_rest_of_the_check():
    names = {"np": np}
    exec("def wrong(x):\n    return 3 * x", names)
    check = backprop.check_gradient(lambda x: x @ x, names["wrong"], np.arange(1.0, 4.0))
    assert check.verdict == "wrong"
    assert "The source of wrong was not found" in str(check)
    assert (
        backprop.check_gradient(lambda x: x @ x, 3 * np.arange(1.0, 4.0), np.arange(1.0, 4.0)).lines is None
    )


def test_compiled_code_is_said_to_be_so():
    jax = pytest.importorskip("jax")
    compiled = jax.jit(lambda x: 3 * x)
    check = backprop.check_gradient(lambda x: (x**2).sum(), compiled, jax.numpy.arange(1.0, 4.0))
    assert check.verdict == "wrong"
    assert "the code may be compiled" in str(check)


def test_an_assertion_that_pytest_has_written_anew_hides_no_line():
    def gradient(x):
        d = 3 * x
        assert d.shape == x.shape
        return d

    (line,) = backprop.check_gradient(lambda x: x @ x, gradient, np.arange(1.0, 4.0)).lines
    assert line.source == "d = 3 * x"


def test_a_helper_that_returns_nothing_hides_no_line():
    def note(seen, value):
        if value.size > 10:
            return
        seen.append(value)

    def gradient(x):
        d = 3 * x
        note([], d)
        return d

    (line,) = backprop.check_gradient(lambda x: x @ x, gradient, np.arange(1.0, 4.0)).lines
    assert line.source == "d = 3 * x"


def test_a_complex_point_is_refused_in_a_sentence():
    check = backprop.check_gradient(
        lambda z: np.sum(np.abs(z) ** 2), lambda z: 3 * z, np.array([1 + 2j, 3 - 1j])
    )
    assert "complex numbers" in check.lines.note


def test_no_more_calls_are_made_than_allowed():
    calls = 0

    def counted(p):
        nonlocal calls
        calls += 1
        return gradient(p)

    check = backprop.check_gradient(loss, counted, POINT, max_calls=200)
    assert check.verdict == "wrong"
    assert calls <= 200


def scaled(p):
    return np.sum(np.tanh(p["c"] * np.arange(1.0, 3) / p["l"] ** 2))


def of_scaled(p):
    x = np.arange(1.0, 3) / p["l"] ** 2
    d = 1 - np.tanh(p["c"] * x) ** 2
    return {"c": np.sum(d * x), "l": np.array([-2 * p["c"] * d[k] * x[k] / p["l"][k] for k in range(2)])}


def by_logarithms(p):
    return {name: value * p[name] for name, value in of_scaled(p).items()}


def test_a_gradient_that_is_right_is_not_blamed_for_what_a_later_line_does_to_it():
    point = {"c": 0.37, "l": np.array([0.8, 1.9])}
    assert backprop.check_gradient(scaled, of_scaled, point).ok
    (line,) = backprop.check_gradient(scaled, by_logarithms, point).lines
    assert (line.text, line.kind, line.tensors) == ("value * p[name]", "log-parameter", ("c", "l"))
    assert line.message == "value * p[name] should be value. With that c and l are right."


AT = np.random.default_rng(7).normal(size=(5, 3)), np.random.default_rng(8).normal(size=5)


def weighted(p):
    r = AT[0] @ p
    return np.sum(AT[1] * np.where(np.abs(r) <= 1, 0.5 * r * r, np.abs(r) - 0.5))


def without_weights(p):
    r = AT[0] @ p
    d = np.where(np.abs(r) <= 1, r, np.sign(r))
    return AT[0].T @ d


def squares_of_tanh(p):
    return np.sum(np.tanh(AT[0] @ p) ** 2)


def without_slope(p):
    h = np.tanh(AT[0] @ p)
    d = 2 * h
    return AT[0].T @ d


def with_another_slope(p):
    h = np.tanh(AT[0] @ p)
    d = 2 * h * (1 - h)
    return AT[0].T @ d


@pytest.mark.parametrize(
    ("function", "gradient", "source", "kind", "said"),
    [
        (weighted, without_weights, "d = np.where", "factor-along-axis", "The factor AT[1] of line"),
        (squares_of_tanh, without_slope, "d = 2 * h", "activation-derivative-missing", "the slope 1 - y² of the"),
        (squares_of_tanh, with_another_slope, "d = 2 * h *", "activation-derivative-formula", "times 1 - y, where"),
    ],
    ids=["weights left out", "slope left out", "another slope"],
)  # fmt: skip
def test_a_line_says_which_factor_it_lacks_and_gives_its_tensor_its_name(
    function, gradient, source, kind, said
):
    check = backprop.check_gradient(function, gradient, np.array([0.3, -0.7, 1.1]))
    (line,) = check.lines
    assert line.source.startswith(source)
    assert (line.kind, said in line.message) == (kind, True), line.message
    assert [finding.kind for finding in check.findings] == [kind]


def forgetful(W, b):
    z = W @ np.arange(1.0, 4.0) + b
    h = np.tanh(z)
    loss = np.sum(h * h)
    dh = 2 * h
    dz = dh
    return loss, np.outer(dz, np.arange(1.0, 4.0)), dz


def test_the_line_of_a_wrong_step_is_named_and_of_a_right_one_none_is_looked_for():
    point = {"W": np.random.default_rng(0).standard_normal((2, 3)) / 4, "b": np.zeros(2)}
    check = backprop.check_step(forgetful, point)
    assert check.verdict == "wrong"
    (line,) = check.lines
    assert (line.source, line.kind) == ("dz = dh", "activation-derivative-missing")
    assert "dz = dh" in str(check)
    right = backprop.check_step(lambda W, b: (np.sum(W * W) + b @ b, 2 * W, 2 * b), point)
    assert (right.verdict, right.lines) == ("right", None)


def test_a_step_without_source_keeps_its_verdict():
    names = {"np": np}
    exec("def step(w):\n    d = 3 * w\n    return np.sum(w * w), d", names)
    check = backprop.check_step(names["step"], np.arange(1.0, 4.0))
    assert check.verdict == "wrong"
    assert not check.lines
    assert check.lines.note


CELL = """import numpy as np
def step(x):
    y = np.tanh(x)
    loss = np.sum(y**2)
    dy = 2 * y
    dx = dy * (1 - y)
    return loss, dx
"""


def test_a_cell_that_is_compiled_statement_by_statement_has_source(monkeypatch):
    """As notebooks compile it: its imports then give other code to the functions that use them."""
    monkeypatch.setitem(linecache.cache, "cell.py", (len(CELL), None, CELL.splitlines(True), "cell.py"))
    names = {}
    for statement in ast.parse(CELL).body:
        exec(compile(ast.Module([statement], []), "cell.py", "exec"), names)
    whole = {}
    exec(compile(CELL, "cell.py", "exec"), whole)
    assert names["step"].__code__.co_code != whole["step"].__code__.co_code
    for step in (names["step"], whole["step"]):
        (line,) = backprop.check_step(step, np.linspace(-1, 1, 5)).lines
        assert line.source == "dx = dy * (1 - y)"


def test_a_cell_is_called_by_its_number(monkeypatch):
    """A running notebook knows the number of a cell; of a notebook that is read, the name of the file says it."""
    line = replace(backprop.check_step(step, POINT).lines.lines[0], message="Wrong.")
    compiler = SimpleNamespace(format_code_name={"/tmp/k/1.py": ("Cell", "In[3]")}.get)
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(compile=compiler))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    live, read = replace(line, file="/tmp/k/1.py"), replace(line, file="a.ipynb, code cell 2")
    assert str(Lines((live,), ("W",))).startswith("In[3] is wrong in W")
    where = f"{line.line}:{line.column + 1}: Wrong. [{line.kind}]"
    assert (str(live), str(read)) == (f"In[3]:{where}", f"a.ipynb:cell 2:{where}")
    assert read.github == f"::error file=a.ipynb,title={line.kind}::code cell 2, line {line.line}: Wrong."
