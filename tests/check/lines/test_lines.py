"""The finder of lines names the planted line, says what is wrong with it, and names none in right code."""

import inspect
import itertools
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from over import part

from backprop.check.lines import find_lines, find_lines_of_gradient, trace_lines

PLANTED = Path(__file__).parents[2] / "planted" / "lines"


def _suite():
    import importlib.util

    spec = importlib.util.spec_from_file_location("planted_lines_suite", PLANTED / "suite.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


suite = _suite()
NUMPY = [name for name in suite.SLIPS if not name.startswith("torch")]


def slip(name, *planted):
    """The case of a pass with the slips whose wrong piece is given."""
    slips = [next(each for each in suite.SLIPS[name] if each[1] == wrong) for wrong in planted]
    return suite.Case(name, tuple(slips))


@pytest.mark.parametrize(("name", "dtype"), part(itertools.product(NUMPY, ("float64", "float32")), 3))
def test_no_line_of_right_code_is_named(name, dtype, tmp_path):
    lines = suite.find(suite.Case(name, ()), tmp_path, dtype)
    assert (lines.wrong, lines.note, list(lines)) == ((), "", [])


def _numbers(tree):
    """All numbers of a gradient, one after another."""
    leaves = list(tree.values()) if isinstance(tree, dict) else tree
    if isinstance(leaves, list | tuple):
        return np.concatenate([_numbers(each) for each in leaves])
    return np.ravel(leaves if hasattr(leaves, "__array__") else _numbers(vars(leaves)))


def _gradient(case, folder):
    path = folder / f"pass_{len(list(folder.iterdir()))}.py"
    path.write_text(case.source, encoding="utf-8")
    module = suite.load(path, path.stem)
    point, data = suite.arguments(module.example, "float64")
    return _numbers(module.step(point, *data)[1])


@pytest.mark.parametrize("name", NUMPY)
def test_every_slip_changes_the_gradient(name, tmp_path):
    with np.errstate(all="ignore"):
        right = _gradient(suite.Case(name, ()), tmp_path)
        for case in (each for each in suite.single() if each.name == name):
            wrong = _gradient(case, tmp_path)
            assert wrong.shape != right.shape or not np.allclose(wrong, right, 1e-9, 1e-12), str(case)


SAVED = next(wrong for right, wrong, *_ in suite.SLIPS["class_with_cache"] if right.startswith("A_prev"))
SAMPLE = [
    slip("two_layers", "dz2[np.arange(n), y] += 1"),
    slip("two_layers", "dz2 /= n - 1"),
    slip("batch_norm", "dcentred += 2 * centred * dvar"),
    slip("batch_norm", "dmean = -dcentred"),
    slip("layer_norm", "gv = gr * 0.5 * r**3"),
    slip("attention", "dk = dscores @ q"),
    slip("class_with_cache", "dZ = dA * (1 - A_prev)"),
    slip("per_sample", "nabla_b[-l] += delta / 2"),
    slip("helpers", "dout, dw, db = affine_backward(dout, caches[i][0])"),
    slip("closures", "return dy"),
    slip("closures", "gz = back_a(gu)"),
    slip("in_place", "D = Y - P"),
    slip("in_place", "E[Z < 0] = 0"),
    slip("embeddings", "dwords = np.repeat(dmean[:, None, :]"),
    slip("comprehensions", "deltas.append(deltas[-1] @ W.T)"),
    slip("dataclass_params", "d_gate = d_mid * gate"),
    slip("sandwich", 'relu_backward(dout, caches["drop"])'),
    slip("sandwich", "pass"),
    slip("heads", "for each in (gk, gq, gv)"),
    slip("tape", "self.grad += 2 * self.data / len(self.data) * out.grad"),
    slip("convolution", "derr = err / n"),
    slip("adjoint", "grad_p = field_p(mids[n], p).T @ dk2"),
    slip("adjoint", "grad_p += field_p(us[n + 1], p).T @ dk1"),
    slip("adjoint", "lam = lam + field_u(us[n], p).T @ dk1"),
    slip("kalman", "S_bar = K @ P_bar @ K"),
    slip("kalman", "h_bar += S_bar * Pp @ h"),
    slip("kalman", "Pp_bar = np.zeros((2, 2))"),
    slip("skip_connections", "return dxp[:, 2:], dw, db"),
    slip("skip_connections", "return np.repeat(dy, 2, axis=1)"),
    slip("skip_connections", "gd2 = gsd2"),
    slip("skip_connections", "ge2 = leaky_backward(gs2, gs2)"),
    slip("graph", "dx = g * (1 - t)"),
    slip("graph", "dx = g"),
    slip("graph", "w.grad = w.grad + x.value.T @ g / len(g)"),
    slip("graph", "f.grad = err"),
    slip("transformer_block", "dx /= rstd"),
    slip("transformer_block", "sech2 = 1.0 - tanh_out"),
    slip("transformer_block", "dlogits /= B"),
    slip("transformer_block", "dfch = gelu_backward(dfch_gelu, fch_gelu)"),
    slip("param_objects", "dh_prev = dz[-H_size:, :]"),
    slip("param_objects", "df = dC * C"),
    slip("image_classes", "d_out_d_t = t_exp[i] * t_exp / (S**2)"),
    slip("image_classes", "d_L_d_t = d_out_d_t"),
    slip("image_classes", "gradient[label] = 1 / out[label]"),
]


@pytest.mark.parametrize("case", part(SAMPLE, 4), ids=str)
def test_the_planted_line_is_the_only_one_that_is_named(case, tmp_path):
    lines = suite.find(case, tmp_path)
    assert [line.line for line in lines] == case.planted
    assert lines.unplaced == ()
    assert lines.calls <= 4000


def rnn(W, xs):
    """A recurrence with a slip: the way back leaves the slope out."""
    hs = [np.zeros(2)]
    for x in xs:
        hs.append(np.tanh(hs[-1] @ W + x))
    loss = sum(np.sum(h**2) for h in hs)
    dW, dh_next = np.zeros_like(W), np.zeros(2)
    for t in reversed(range(len(xs))):
        dh = 2 * hs[t + 1] + dh_next
        dz = dh * (1 - hs[t + 1] ** 2)
        dW += np.outer(hs[t], dz)
        dh_next = dh @ W.T
    return loss, dW


def gelu(x):
    """A function and its slope by steps, with a slip: t is not squared."""
    loss = np.sum(np.sin(0.5 * x * (1 + np.tanh(0.8 * (x + 0.04 * x**3)))))
    t = np.tanh(0.8 * (x + 0.04 * x**3))
    sech2 = 1 - t
    slope = 0.5 * (1 + t) + 0.5 * x * sech2 * 0.8 * (1 + 0.12 * x**2)
    return loss, np.cos(0.5 * x * (1 + t)) * slope


def test_a_step_on_the_way_to_a_slope_is_placed():
    (line,) = find_lines(gelu, np.random.default_rng(0).standard_normal(6))
    assert line.source == "sech2 = 1 - t"
    assert line.message == "t should be t ** 2. With that x is right."


def test_a_line_of_a_recurrence_is_repaired_in_all_its_executions():
    rng = np.random.default_rng(0)
    lines = find_lines(rnn, rng.standard_normal((2, 2)), rng.standard_normal((4, 2)))
    assert lines.note == ""
    assert len(lines) == 1, repr(lines)
    (line,) = lines
    assert line.source == "dh_next = dh @ W.T"
    assert line.calls == 4


def layer(W, x):
    """A layer with a slip: the way back leaves the slope out."""
    h = np.tanh(x @ W)
    loss = np.sum(h**2)
    dh = 2 * h
    dz = dh
    dW = x.T @ dz
    return loss, dW


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_the_line_is_named_in_whatever_unit_a_tensor_is(unit):
    rng = np.random.default_rng(0)
    (line,) = find_lines(layer, unit * rng.standard_normal((3, 2)), rng.standard_normal((4, 3)) / unit)
    assert line.source == "dz = dh"


def thrice(W, x):
    """A layer with a slip: δ is multiplied by 3 in place."""
    h = np.tanh(x @ W)
    loss = np.sum(h**2)
    dz = 2 * h * (1 - h**2)
    dz *= 3
    return loss, x.T @ dz


def test_a_line_that_changes_a_variable_in_place_is_named_as_a_whole():
    rng = np.random.default_rng(0)
    (line,) = find_lines(thrice, rng.standard_normal((3, 2)), rng.standard_normal((4, 3)))
    assert (line.source, line.text, line.kind) == ("dz *= 3", "dz *= 3", "constant-factor")


def test_two_slips_are_named_in_the_order_in_which_they_run(tmp_path):
    case = slip("two_layers", "dW2 += 0.05 * W2", "dz1 = da1")
    lines = suite.find(case, tmp_path)
    assert [line.line for line in lines] == case.planted


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            slip("one_liners", 'duv = np.einsum("nc,rc->nr", p, s)'),
            "p should be g. With that A and B are right.",
        ),
        (
            slip("modules", "inner = grad.sum(axis=1, keepdims=True)"),
            "inner should be a value with which W1 and b1 are right.",
        ),
    ],
    ids=str,
)
def test_a_value_that_is_no_variables_derivative_is_mended_or_solved_for(case, said, tmp_path):
    (line,) = suite.find(case, tmp_path)
    assert [line.line] == case.planted
    assert line.message.startswith(said)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            slip("mlp_lists", "slope = self.act(self.zs[i - 1])"),
            "slope should be d(z / (1 + np.exp(-z)))/d(z)",
        ),
        (
            slip("mlp_lists", "slope = self.act_prime(self.inputs[i])"),
            "self.inputs[i] should be z of line 26.",
        ),
        (slip("gaussian_process", "dK = amplitude**2 * E * sq"), "dK should be d(K)/d(theta['length'])"),
        (slip("class_with_cache", SAVED), "A_prev should be A of line 15."),
    ],
    ids=str,
)
def test_a_value_that_derivatives_are_multiplied_by_is_had_from_the_forward_pass(case, said, tmp_path):
    (line,) = suite.find(case, tmp_path)
    assert [line.line] == case.planted
    assert line.message.startswith(said)


def field_step(p, u, target):
    """A step of an equation, whose Jacobian is a matrix with a wrong entry."""
    v = np.array([p[0] * u[0] - p[1] * u[0] * u[1], p[2] * u[0] * u[1]])
    f = np.array([p[0] * v[0] - p[1] * v[0] * v[1], p[2] * v[0] * v[1]])
    w = v + f
    jacobian = np.array([[p[0] - p[1] * v[1], p[1] * v[0]], [p[2] * v[1], p[2] * v[0]]])
    dw = w - target
    dv = dw + jacobian.T @ dw
    last = np.array([[v[0], -v[0] * v[1], 0], [0, 0, v[0] * v[1]]])
    first = np.array([[u[0], -u[0] * u[1], 0], [0, 0, u[0] * u[1]]])
    return 0.5 * np.sum((w - target) ** 2), last.T @ dw + first.T @ dv


def test_a_wrong_jacobian_is_named_and_not_the_line_that_uses_it():
    rng = np.random.default_rng(0)
    (line,) = find_lines(field_step, 1 + rng.random(3), 1 + rng.random(2), rng.random(2))
    assert line.source.startswith("jacobian = ")


def test_the_last_turn_of_a_recurrence_may_go_with_what_was_before_the_first(tmp_path):
    case = slip("gru", "dh = dh * (1 - z) + drh + daz")
    assert [line.line for line in suite.find(case, tmp_path)] == case.planted


def test_figures_are_told_by_pass_and_written_in_parts(tmp_path):
    rows = [
        {
            "pass": name,
            "dtype": "float64",
            "slips": "",
            "planted": planted,
            "named": named,
            "calls": 2,
            "seconds": 1,
        }
        for name, planted, named in (("a", "3", "3"), ("a", "3 5", "5 4"), ("a", "", ""), ("b", "7", ""))
    ]
    suite.written(rows[:3], tmp_path)
    suite.written(rows[3:], tmp_path)
    assert (tmp_path / "lines.md").read_text(encoding="utf-8").splitlines()[2:4] == [
        "| a | 2 of 2 (100.0%) | 2 of 3 (66.7%) | 2 of 3 | 0 of 1 | 2 | 1.00 |",
        "| b | 0 of 1 (0.0%) | 0 of 0 (0.0%) | 0 of 1 | 0 of 0 | 2 | 1.00 |",
    ]


def test_a_missing_slope_is_said_with_the_line_it_belongs_to(tmp_path):
    (line,) = suite.find(slip("two_layers", "dz1 = da1"), tmp_path)
    assert line.kind == "activation-derivative-missing"
    assert "dz1 should be dL/d(z1), z1 of line 9. It equals dL/d(a1), a1 of line 10" in line.message


def test_a_mask_of_the_wrong_side_is_said(tmp_path):
    (line,) = suite.find(slip("two_layers", "dz1 = da1 * (z1 < 0)"), tmp_path)
    assert (line.kind, line.line) == ("activation-boundary", 24)
    assert "the mask is reversed" in line.message


def decays(p):
    x = np.arange(1.0, 4.0)
    h = np.tanh(p["W"] @ x)
    dz = 2 * h * (1 - h**2)
    return np.sum(h**2), {"W": np.outer(dz, x) + 0.01 * p["W"]}


def test_a_term_that_the_loss_does_not_have_is_said():
    (line,) = find_lines(decays, {"W": np.random.default_rng(0).standard_normal((2, 3)) / 4})
    assert (line.text, line.should_be, line.kind) == ("0.01 * p['W']", "0", "weight-decay-extra")
    assert "It equals 0.01 · W; the loss has no such term." in line.message


def test_a_constant_term_is_no_decay_where_all_weights_are_equal():
    (line,) = find_lines(decays, {"W": np.full((2, 3), 0.5)})
    assert (line.text, line.kind) == ("0.01 * p['W']", "unknown")


def test_an_axis_that_is_not_summed_is_said(tmp_path):
    (line,) = suite.find(slip("batch_norm", "dmean = -dcentred"), tmp_path)
    assert line.kind == "wrong-shape"
    assert "Its sum over axis 0 is right" in line.message


def test_an_operation_inside_a_line_is_named_with_its_column(tmp_path):
    (line,) = suite.find(slip("atomic_softmax", "dbndiff += bndiff * dbndiff2"), tmp_path)
    assert line.source[line.column - 4 :] == "bndiff * dbndiff2"
    assert line.kind == "constant-factor"


def test_a_line_is_printed_as_editors_read_it_and_as_json(tmp_path):
    lines = suite.find(slip("two_layers", "dz1 = da1"), tmp_path)
    assert len(lines) == 1, repr(lines)
    (line,) = lines
    assert lines.annotations.startswith(f"{line.file}:24:11: dz1 should be")
    assert json.loads(json.dumps(lines.to_dict()))["lines"][0]["line"] == 24
    assert "is wrong in W1 and b1." in str(lines)
    assert "<td>24</td><td><code>dz1 = da1</code></td>" in lines._repr_html_()


def test_the_functions_are_as_before_after_the_search():
    module = suite.load(PLANTED / "passes" / "batch_norm.py", "planted_as_before")
    before = {name: value.__code__ for name, value in vars(module).items() if hasattr(value, "__code__")}
    point, data = module.example(np.random.default_rng(0))
    find_lines(module.step, point, *data)
    assert all(getattr(module, name).__code__ is code for name, code in before.items())


def hidden(x):
    return np.tanh(x["W"] @ np.arange(1.0, 4.0))


def loss_of(x):
    return float(np.sum(hidden(x) ** 2))


def gradient_of(x):
    h = hidden(x)
    dh = 2 * h
    dz = dh * (1 - h)
    return {"W": np.outer(dz, np.arange(1.0, 4.0))}


def value_and_gradient_of(x):
    return loss_of(x), gradient_of(x)


@pytest.mark.parametrize("gradient", [gradient_of, value_and_gradient_of])
def test_a_function_and_its_gradient_are_one_program(gradient):
    point = {"W": np.random.default_rng(0).standard_normal((2, 3))}
    (line,) = find_lines_of_gradient(loss_of, gradient, point)
    assert line.source == "dz = dh * (1 - h)"


def test_a_function_without_source_is_refused_in_a_sentence():
    space = {}
    exec("def step(x):\n    return (x**2).sum(), 3 * x", space)
    lines = find_lines(space["step"], np.ones(3))
    assert "The source of step was not found" in lines.note
    assert not lines


def test_a_compiled_function_is_refused_in_a_sentence():
    assert "is compiled" in find_lines(np.linalg.norm.__call__, np.ones(3)).note


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            lambda x: 1 / 0,
            "The function raised ZeroDivisionError: division by zero; expected (loss, gradients)",
        ),
        (lambda x: sys.exit(3), "The function raised SystemExit: 3; expected"),
        (lambda x: None, "The step gave None; expected (loss, gradients)"),
        (lambda x: (x, x), "The loss is an array of shape (3,) and dtype float64; expected"),
        (lambda x: (np.nan * x.sum(), x), "The loss is nan; expected"),
        (lambda x: (x.sum(), "ones"), "The gradient is a str; expected"),
    ],
)
def test_a_step_that_cannot_be_searched_is_told_what_it_did(step, said):
    assert find_lines(step, np.ones(3)).note.startswith(said)


def test_a_loss_that_no_parameter_moves_is_refused_in_a_sentence():
    def step(x):
        loss = np.sum(np.sign(x))
        dx = 2 * x
        return loss, dx

    assert "No parameter moves the loss; expected one that does" in find_lines(step, np.ones(3)).note


def in_parts(W, c):
    """A slip in a step that takes the parts of its point, and gives the gradients one by one."""
    z = np.tanh(W @ c)
    loss = np.sum(z**2)
    dz = 2 * z
    da = dz * (1 - z)
    return loss, np.outer(da, c), W.T @ da


@pytest.mark.parametrize("form", [dict, lambda point: tuple(point.values())])
def test_a_point_is_handed_over_as_the_check_does(form):
    rng = np.random.default_rng(0)
    point = form({"W": rng.standard_normal((2, 3)), "c": rng.standard_normal(3)})
    (line,) = find_lines(in_parts, point)
    assert line.source == "da = dz * (1 - z)"
    assert [step.mark for step in trace_lines(in_parts, point).steps] == ["right", "wrong"]


def test_a_random_loss_is_refused_in_a_sentence():
    rng = np.random.default_rng(0)

    def step(x):
        return float(rng.random() * np.sum(x)), x

    assert "expected one loss" in find_lines(step, np.ones(3)).note


def test_what_is_drawn_from_the_global_generator_is_the_same_in_every_run_and_it_is_left_as_it_was():
    def step(x):
        keep = np.random.rand(*x.shape) > 0.3  # noqa: NPY002
        y = x * keep
        loss = np.sum(y**2)
        dy = 2 * y
        dx = dy
        dx = dx * 3 * keep
        return loss, dx

    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    (line,) = find_lines(step, np.arange(1.0, 9.0))
    assert line.source.startswith("dx = dx * 3")
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_a_search_that_runs_out_of_calls_says_so(tmp_path):
    case = slip("lstm", "dh_next = -dz @ Wh.T")
    path = tmp_path / "few.py"
    path.write_text(case.source, encoding="utf-8")
    module = suite.load(path, "few")
    point, data = module.example(np.random.default_rng(0))
    lines = find_lines(module.step, point, *data, max_calls=100)
    assert "calls of max_calls, 100, are used" in lines.note
    assert lines.wrong == ("Wx", "Wh", "b")


def sample_by_sample(w, X, y):
    """Numbers alone: one sample in each turn of the loop."""
    loss, dw = 0.0, np.zeros_like(w)
    for row, target in zip(X, y, strict=True):
        z = row @ w
        p = 1 / (1 + np.exp(-z))
        loss += (p - target) ** 2
        dp = 2 * (p - target)
        dz = dp * p * (1 - p)
        dw += dz * row
    return loss, dw


@pytest.mark.parametrize(
    ("right", "wrong", "kind", "said"),
    [
        ("2 * (p - target)", "(p - target)", "constant-factor", "got = 1/2 · expected, to"),
        ("2 * (p - target)", "2 * (target - p)", "sign", "got = -expected, in 5 values."),
        (
            "dp * p * (1 - p)",
            "dp * p",
            "activation-derivative-formula",
            "times p, where the slope is p (1 - p)",
        ),
    ],
)
def test_what_is_wrong_with_numbers_shows_over_all_executions(right, wrong, kind, said, tmp_path):
    path = tmp_path / "numbers.py"
    source = inspect.getsource(sample_by_sample)
    path.write_text("import numpy as np\n\n" + source.replace(right, wrong), encoding="utf-8")
    rng = np.random.default_rng(0)
    (line,) = find_lines(
        suite.load(path, "numbers").sample_by_sample, rng.random(3), rng.random((5, 3)), rng.random(5)
    )
    assert wrong in line.source
    assert (line.kind, said in line.message) == (kind, True)


def test_a_reshaped_value_is_not_said_to_have_the_wrong_shape():
    def step(w):
        y = (w**2).reshape(2, 2)
        loss = np.sum(np.sin(y))
        dy = np.cos(y)
        dw = (-2 * w * dy.reshape(4)).reshape(1, 4)
        return loss, dw.reshape(4)

    (line,) = find_lines(step, np.arange(1.0, 5.0))
    assert (line.source[:2], line.kind) == ("dw", "sign")


SUMMED = """import numpy as np
x, y = np.random.default_rng(0).standard_normal((2, 9))
def step(p):
    a, b = p["a"], p["b"]
    r = a * x + b - y
    dr = 2 * r
    da = dr * x
    da = da.sum()
    return np.sum(r**2), {"a": da, "b": dr.sum()}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("da = dr * x", "da = dr * y", "It is summed later; its sum over axis 0 is wrong."),
        ("da = da.sum()", "da = da.mean()", "It is wrong."),
    ],
)
def test_a_derivative_of_each_observation_that_is_summed_later_has_no_wrong_shape(
    right, wrong, said, tmp_path
):
    path = tmp_path / "summed.py"
    path.write_text(SUMMED.replace(right, wrong))
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    (line,) = find_lines(names["step"], {"a": 0.7, "b": -0.2})
    assert (line.source, line.evidence) == (wrong, said)
