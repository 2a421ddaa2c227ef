"""The network door takes a gradient in the layout of its author, says which, and never guesses where two fit."""

import itertools

import numpy as np
import pytest
from tables import sentence

import backprop
from backprop import Network
from backprop.check.network.layouts import Layout, roles
from backprop.check.network.returned import orders
from backprop.check.trees import ends_of
from backprop.errors import CheckError, UnknownNameError

pytestmark = pytest.mark.usefixtures("without_lines")

NETWORK = Network.mlp(9, 7, 5)


def softmax(z, axis):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def columns(params, x, y):
    """W (o, i), samples in columns, biases (o, 1), one-hot labels (c, n); names and extras as a course has them."""
    m = x.shape[1]
    z1 = params["W1"] @ x + params["b1"]
    a1 = np.maximum(z1, 0)
    dz2 = softmax(params["W2"] @ a1 + params["b2"], 0) - y
    dz1 = (params["W2"].T @ dz2) * (z1 > 0)
    return {
        "dZ2": dz2,
        "dW2": dz2 @ a1.T / m,
        "db2": dz2.sum(axis=1, keepdims=True) / m,
        "dZ1": dz1,
        "dW1": dz1 @ x.T / m,
        "db1": dz1.sum(axis=1, keepdims=True) / m,
    }


def rows(params, x, y):
    """W (o, i), samples in rows, class numbers, as PyTorch has it."""
    n = len(x)
    z1 = x @ params["W1"].T + params["b1"]
    a1 = np.maximum(z1, 0)
    p = softmax(a1 @ params["W2"].T + params["b2"], 1)
    d2 = p.copy()
    d2[np.arange(n), y] -= 1
    d2 /= n
    d1 = d2 @ params["W2"] * (z1 > 0)
    loss = -np.log(p[np.arange(n), y]).mean()
    return loss, {"W1": d1.T @ x, "b1": d1.sum(axis=0), "W2": d2.T @ a1, "b2": d2.sum(axis=0)}


def one_hot(params, x, y):
    """Everything as in this package, but for one-hot labels (n, c) and biases (1, o)."""
    z1 = x @ params["W1"] + params["b1"].reshape(1, -1)
    a1 = np.maximum(z1, 0)
    d2 = (softmax(a1 @ params["W2"] + params["b2"], 1) - y) / y.shape[0]
    d1 = d2 @ params["W2"].T * (z1 > 0)
    sums = [d.sum(axis=0, keepdims=True) for d in (d1, d2)]
    return {"grad_W1": x.T @ d1, "grad_b1": sums[0], "grad_W2": a1.T @ d2, "grad_b2": sums[1]}


def arrays(gradient, *names):
    return [gradient[f"d{name}"] for name in names]


def as_list(params, x, y):
    weights_1, bias_1, weights_2, bias_2 = params
    named = {"W1": weights_1, "b1": bias_1, "W2": weights_2, "b2": bias_2}
    return tuple(arrays(columns(named, x, y), "W2", "b2", "W1", "b1"))


def as_pairs(params, x, y):
    named = {
        f"{local}{k}": each
        for k, pair in enumerate(params, 1)
        for local, each in zip("Wb", pair, strict=True)
    }
    g = columns(named, x, y)
    return [arrays(g, "W1", "b1"), arrays(g, "W2", "b2")]


def as_lists(params, x, y):
    weights, biases = params
    named = {"W1": weights[0], "W2": weights[1], "b1": biases[0], "b2": biases[1]}
    g = columns(named, x, y)
    return arrays(g, "b1", "b2"), arrays(g, "W1", "W2")


COURSE = "W (o, i), samples in columns, biases (o, 1), one-hot labels (c, n)"
LAYOUTS = {
    "as a course": (columns, COURSE),
    "as PyTorch": (rows, "W (o, i), samples in rows"),
    "one-hot labels": (one_hot, "W (i, o), samples in rows, one-hot labels (n, c)"),
    "a list, back to front": (as_list, f"{COURSE}, parameters in a list, W1, b1, W2, …"),
    "pairs": (as_pairs, f"{COURSE}, parameters in a list of pairs (W, b)"),
    "weights and biases": (as_lists, f"{COURSE}, parameters in a list of weights and one of biases"),
    "a loss that comes last": (lambda *given: rows(*given)[::-1], "W (o, i), samples in rows"),
    "a loss before all gradients": (
        lambda *given: (rows(*given)[0], *rows(*given)[1].values()),
        "W (o, i), samples in rows",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_right_gradient_is_right_in_the_layout_of_its_author_and_that_is_said(name):
    function, words = LAYOUTS[name]
    check = backprop.check_network(function, NETWORK)
    assert (check.verdict, check.findings) == ("right", ())
    assert any(note.startswith(f"The function was read as {words}") for note in check.notes)


def spoilt(name, change):
    """The course's gradient with one tensor changed."""

    def gradient(params, x, y):
        g = columns(params, x, y)
        return {**g, f"d{name}": change(g[f"d{name}"], g, x, y)}

    return gradient


MISTAKES = {
    "sum for mean": (spoilt("W1", lambda d, *_: d * 16), {("W1", "sum-instead-of-mean")}),
    "sign": (spoilt("b2", lambda d, *_: -d), {("b2", "sign")}),
    "transposed": (spoilt("W1", lambda d, *_: d.T), {("W1", "transposed")}),
    "a bias of every sample": (spoilt("b1", lambda d, g, x, y: g["dZ1"]), {("b1", "bias-not-summed")}),
    "a bias without an axis": (
        spoilt("b1", lambda d, g, x, y: np.sum(g["dZ1"]) / x.shape[1]),
        {("b1", "bias-not-summed")},
    ),
    "another input": (
        spoilt("W2", lambda d, g, x, y: g["dZ2"] @ np.ones((x.shape[1], 7)) / x.shape[1]),
        {("W2", "layer-term-missing")},
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_named_in_another_layout_as_in_the_plain_one(name):
    function, expected = MISTAKES[name]
    check = backprop.check_network(function, NETWORK)
    assert check.verdict == "wrong"
    assert {(finding.tensor, finding.kind) for finding in check.findings} == expected


def test_shapes_and_indices_are_those_of_the_author():
    def gradient(params, x, y):
        g = columns(params, x, y)
        g["dW1"][6, 2] += 1
        g["db2"][3, 0] += 1
        return g

    check = backprop.check_network(gradient, NETWORK)
    tensors = {tensor.name: tensor for tensor in check.tensors}
    assert (tensors["W1"].shape, tensors["W1"].worst[0].index) == ((7, 9), (6, 2))
    assert (tensors["b2"].shape, tensors["b2"].worst[0].index) == ((5, 1), (3, 0))


@pytest.mark.parametrize("changed", ["params W1", "inputs", "labels"])
def test_an_argument_that_is_changed_in_another_layout_is_told(changed):
    def gradient(params, x, y):
        g = columns(params, x, y)
        array = {"params W1": params["W1"], "inputs": x, "labels": y}[changed]
        array *= 2
        return g

    check = backprop.check_network(gradient, NETWORK)
    assert [(finding.kind, finding.evidence) for finding in check.findings] == [
        ("modifies-arguments", f"The gradient changed {changed} in place.")
    ]


@pytest.mark.parametrize("function", [columns, rows], ids=["columns", "rows"])
@pytest.mark.parametrize("n", [8, 16])
def test_a_right_gradient_is_refused_where_square_layers_leave_two_layouts(function, n):
    square = Network.mlp(8, 8, 8)
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((n, 8)), rng.integers(0, 8, n)
    with pytest.raises(CheckError) as caught:
        backprop.check_network(function, square, None, *samples)
    said = sentence(caught.value)
    assert "(--layout), or a batch and sizes of the network that all differ" in said
    layout = "oi-columns" if function is columns else "oi-rows"
    assert layout in said
    assert backprop.check_network(function, square, None, *samples, layout=layout).ok
    with pytest.raises((CheckError, ValueError)):  # or what the function raises
        backprop.check_network(function, NETWORK, layout="io-rows" if function is rows else "io-columns")


def test_another_layout_than_those_that_are_known_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="oi-columns"):
        backprop.check_network(rows, NETWORK, layout="oi")


def test_a_right_gradient_in_the_layout_of_this_package_is_right_whatever_the_sizes():
    def gradient(params, x, y):
        wanted = {name: each.T if name[0] == "W" else each for name, each in params.items()}
        loss, g = rows(wanted, x, y)
        return loss, {name: each.T if name[0] == "W" else each for name, each in g.items()}

    check = backprop.check_network(gradient, Network.mlp(8, 8, 8))
    assert (check.verdict, check.notes) == ("right", ())


def test_labels_that_are_broadcast_where_n_is_c_are_not_taken_for_class_numbers():
    rng = np.random.default_rng(0)
    with pytest.raises(CheckError) as caught:
        backprop.check_network(one_hot, NETWORK, None, rng.standard_normal((5, 9)), rng.integers(0, 5, 5))
    assert "one-hot labels" in sentence(caught.value)


def test_an_error_that_no_layout_explains_is_the_one_of_the_first_call():
    calls = []

    def gradient(params, inputs, labels):
        calls.append(type(params).__name__)
        raise ValueError(f"call {len(calls)}")

    with pytest.raises(ValueError, match="call 1"):
        backprop.check_network(gradient, NETWORK)
    assert set(calls) == {"dict", "list"}


def test_an_error_that_speaks_of_no_layout_ends_the_check_at_once():
    calls = []

    def gradient(params, inputs, labels):
        calls.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        backprop.check_network(gradient, NETWORK)
    assert len(calls) == 1


def test_orders_that_look_alike_are_both_said():
    def gradient(params, x, y):
        return tuple(params[name] for name in params)

    check = backprop.check_network(gradient, Network.mlp(6, 6, 6))
    assert check.verdict == "wrong"
    assert (
        "the order of the parameters (by their shapes also the order of the backward pass" in check.notes[0]
    )


def test_a_layout_and_back_is_the_same():
    params = NETWORK.init(np.random.default_rng(0))
    for layout in (
        Layout("oi", "columns", "o1", "targets", kind) for kind in ("dict", "flat", "pairs", "lists")
    ):
        given = layout.arguments(NETWORK, params, np.zeros((3, 9)), np.array([0, 1, 4]))
        kinds = roles(NETWORK)
        names = [name for _, name in ends_of(layout.contain({name: name for name in kinds}, kinds))]
        tensors = [each for _, each in ends_of(given[0])]
        back = {name: layout.out_of(kinds[name], each) for name, each in zip(names, tensors, strict=True)}
        assert set(back) == set(params)
        assert all(np.array_equal(back[name], params[name]) for name in params)
        assert given[1].shape == (9, 3)
        assert given[2].argmax(axis=0).tolist() == [0, 1, 4]


def test_every_order_holds_every_parameter_once():
    for names in orders(NETWORK).values():
        assert sorted(names) == sorted(roles(NETWORK))


# Methods, and arguments in other orders


class Params:
    """Holds a dict of parameters and returns the loss and gradients, as a course has its students write it."""

    def __init__(self, *sizes):
        rng = np.random.default_rng(0)
        self.params = {}
        for k, (i, o) in enumerate(itertools.pairwise(sizes), 1):
            self.params |= {f"W{k}": rng.standard_normal((i, o)), f"b{k}": np.zeros(o)}

    def loss(self, X, y=None, reg=0.0):
        turned = {name: each.T if name[0] == "W" else each for name, each in self.params.items()}
        loss, g = rows(turned, X, y)
        return loss, {name: each.T if name[0] == "W" else each for name, each in g.items()}


class Attributes:
    """Holds W1, b1, …, keeps the forward pass, and leaves the gradients in dW1, db1, …."""

    def __init__(self):
        self.W1, self.b1, self.W2, self.b2 = (
            np.zeros((7, 9)),
            np.zeros((7, 1)),
            np.zeros((5, 7)),
            np.zeros((5, 1)),
        )

    def forward(self, X):
        self.X = X
        self.A = np.maximum(self.W1 @ X + self.b1, 0)
        return softmax(self.W2 @ self.A + self.b2, 0)

    def backward(self, X, Y, output):
        g = columns({"W1": self.W1, "b1": self.b1, "W2": self.W2, "b2": self.b2}, self.X, Y)
        self.dW1, self.db1, self.dW2, self.db2 = arrays(g, "W1", "b1", "W2", "b2")


class Lists:
    """Holds a list of weights and one of biases, and returns two lists, as a well-known book has it."""

    def __init__(self, sizes):
        self.biases = [np.zeros((o, 1)) for o in sizes[1:]]
        self.weights = [np.zeros((o, i)) for i, o in itertools.pairwise(sizes)]

    def backprop(self, x, y):
        return as_lists([self.weights, self.biases], x, y)


class Layers:
    """A list of layers, each with its own W and b and their gradients."""

    class Layer:
        def __init__(self, i, o):
            self.W, self.b = np.zeros((i, o)), np.zeros(o)

    def __init__(self):
        self.layers = [self.Layer(9, 7), self.Layer(7, 5)]

    def gradient(self, x, labels):
        first, second = self.layers
        turned = {"W1": first.W.T, "b1": first.b, "W2": second.W.T, "b2": second.b}
        loss, g = rows(turned, x, labels)
        first.dW, first.db, second.dW, second.db = g["W1"].T, g["b1"], g["W2"].T, g["b2"]
        return loss


class DictOfEach:
    """A list of layers that keep w and b in a dict, and their gradients in another, as a small library has it."""

    class Layer:
        def __init__(self, i, o):
            self.params, self.grads = {"w": np.zeros((i, o)), "b": np.zeros(o)}, {}

    def __init__(self):
        self.layers = [self.Layer(9, 7), object(), self.Layer(7, 5)]

    def gradient(self, x, labels):
        first, _, second = self.layers
        turned = {"W1": first.params["w"].T, "b1": first.params["b"]}
        turned |= {"W2": second.params["w"].T, "b2": second.params["b"]}
        loss, g = rows(turned, x, labels)
        first.grads, second.grads = {"w": g["W1"].T, "b": g["b1"]}, {"w": g["W2"].T, "b": g["b2"]}
        return loss


METHODS = {
    "a dict": Params(9, 7, 5).loss,
    "attributes": Attributes().backward,
    "lists": Lists([9, 7, 5]).backprop,
    "layers": Layers().gradient,
    "a dict of each layer": DictOfEach().gradient,
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_an_object_that_holds_the_parameters_is_checked(name):
    check = backprop.check_network(METHODS[name], NETWORK)
    assert (check.verdict, check.findings) == ("right", ())
    assert "which holds the parameters" in check.notes[0]


def test_a_function_of_one_sample_is_told_to_be_checked_with_one():
    def of_one(params, x, y):
        z = params["W1"] @ x + params["b1"]
        p = np.exp(z - z.max(axis=0)) / np.exp(z - z.max(axis=0)).sum(axis=0)
        return {"W1": (p - y) @ x.T, "b1": p - y}

    network = backprop.Network.mlp(6, 4)
    wrong = backprop.check_network(of_one, network)
    assert wrong.verdict == "wrong"
    assert sum("is checked with one: --batch 1" in note for note in wrong.notes) == 1
    one = backprop.check_network(of_one, network, inputs=np.arange(6.0)[None], labels=[1])
    assert one.ok
    assert not any("--batch 1" in note for note in one.notes)


def test_a_method_that_takes_the_parameters_is_called_with_them():
    class Both(Params):
        def gradient(self, params, X, y):
            self.params = params
            return self.loss(X, y)

    assert backprop.check_network(Both(9, 7, 5).gradient, NETWORK).verdict == "right"


@pytest.mark.parametrize(
    "answer", ["gradients", "biases first", "loss beside", "loss and a pair", "a bias too few"]
)
def test_a_list_of_weights_and_one_of_biases_are_taken_and_given_back(answer):
    def backprop_by_hand(weights, biases, x, y):
        named = dict(zip(("W1", "W2", "b1", "b2"), (*weights, *biases), strict=True))
        loss, g = rows({name: each.T if each.ndim == 2 else each for name, each in named.items()}, x, y)
        dW, db = [g["W1"].T, g["W2"].T], [g["b1"], g["b2"]]
        return {
            "gradients": (dW, db),
            "biases first": (db, dW),
            "loss beside": (dW, db, loss),
            "loss and a pair": (loss, (dW, db)),
            "a bias too few": (dW, db[:1]),
        }[answer]

    if answer == "a bias too few":
        with pytest.raises(CheckError):
            backprop.check_network(backprop_by_hand, NETWORK)
        return
    check = backprop.check_network(backprop_by_hand, NETWORK)
    assert check.ok
    assert "called as backprop_by_hand(weights, biases, x, y)" in check.notes[0]


def test_an_object_that_holds_no_parameters_is_refused():
    class Empty:
        def loss(self, X, y):
            return None

    with pytest.raises(CheckError) as caught:
        backprop.check_network(Empty().loss, NETWORK)
    assert "The object of Empty holds no W1, b1, W2, b2; expected them in a dict" in sentence(caught.value)


def test_a_method_that_takes_something_else_is_refused():
    class Odd(Params):
        def step(self, rate):
            return None

    with pytest.raises(CheckError) as caught:
        backprop.check_network(Odd(9, 7, 5).step, NETWORK)
    assert "takes (rate)" in sentence(caught.value)


def test_parameters_one_by_one_and_samples_in_any_order_are_called_by_their_names():
    def one_by_one(X, Y, W1, b1, W2, b2):
        return columns({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, X, Y)

    def turned(X, Y, parameters):
        return columns(parameters, X, Y)

    for function in (one_by_one, turned):
        check = backprop.check_network(function, NETWORK)
        assert check.verdict == "right"
        assert check.notes[0].startswith(f"It was called as {function.__name__}(X, Y")


def test_a_single_layer_needs_no_number_in_its_names():
    def propagate(
        w, b, X, Y
    ):  # logistic regression as a course has it: w (i, 1), samples in columns, b one number
        m = X.shape[1]
        A = sigmoid(w.T @ X + b)
        cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
        return {"dw": X @ (A - Y).T / m, "db": np.sum(A - Y) / m}, cost

    check = backprop.check_network(propagate, Network.mlp(9, 1, loss="binary-cross-entropy"))
    assert (check.verdict, check.findings) == ("right", ())
    assert check.notes[0] == "It was called as propagate(w, b, X, Y)."
    assert "W (i, o), samples in columns, biases (o, 1), labels (1, n)." in check.notes[1]


def test_a_function_of_two_arguments_is_refused():
    with pytest.raises(CheckError) as caught:
        backprop.check_network(lambda params, inputs: params, NETWORK)
    assert "takes (params, inputs); expected three arguments" in sentence(caught.value)


def test_inputs_without_labels_are_refused():
    with pytest.raises(CheckError) as caught:
        backprop.check_network(rows, NETWORK, inputs=np.zeros((2, 9)))
    assert "There are no labels" in sentence(caught.value)


# Networks that people write


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def squared(params, x, y):
    """A sigmoid at the output and half of the squared error."""
    a = sigmoid(x @ params["W1"] + params["b1"])
    out = sigmoid(a @ params["W2"] + params["b2"])
    d2 = (out - np.eye(5)[y]) / len(y) * out * (1 - out)
    d1 = d2 @ params["W2"].T * a * (1 - a)
    return {"W1": x.T @ d1, "b1": d1.sum(0), "W2": a.T @ d2, "b2": d2.sum(0)}


def logistic(params, x, y):
    """Logistic regression of one output, samples in columns."""
    d = (sigmoid(params["W1"] @ x + params["b1"]) - y) / x.shape[1]
    return d @ x.T, d.sum(axis=1, keepdims=True)


def hinge(params, x, y):
    """The multi-class hinge loss of scores without biases."""
    n, scores = len(y), x @ params["W1"]
    gaps = scores - scores[np.arange(n), y][:, None] + 1
    gaps[np.arange(n), y] = 0
    d = (gaps > 0) * 1.0
    d[np.arange(n), y] = -d.sum(axis=1)
    return np.maximum(gaps, 0).sum() / n, {"W1": x.T @ d / n}


SIGMOIDS = {"activation": "sigmoid", "output": "sigmoid", "loss": "half-squared-error"}
PEOPLE = {
    "sigmoid and squares": (squared, Network.mlp(9, 7, 5, **SIGMOIDS)),
    "one output": (logistic, Network.mlp(9, 1, loss="binary-cross-entropy")),
    "hinge without biases": (hinge, Network.mlp(9, 5, loss="hinge", bias=False)),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_a_network_as_people_write_it_is_right(name):
    function, network = PEOPLE[name]
    check = backprop.check_network(function, network)
    assert (check.verdict, check.findings) == ("right", ())


def test_another_convention_of_the_loss_is_told_with_its_constant():
    check = backprop.check_network(squared, Network.mlp(9, 7, 5, **SIGMOIDS | {"loss": "mean-squared-error"}))
    (finding,) = check.findings
    assert finding.kind == "constant-factor"
    assert "c/2 · expected, c = 5 classes" in finding.evidence

    def averaged(params, x, y):
        return {"W1": hinge(params, x, y)[1]["W1"] / 5}

    (finding,) = backprop.check_network(averaged, PEOPLE["hinge without biases"][1]).findings
    assert "expected / c, c = 5 classes, as with a mean over the outputs in the loss" in finding.evidence


def test_slips_at_a_sigmoid_output_are_named():
    def changed(factor):
        def gradient(params, x, y):
            a = sigmoid(x @ params["W1"] + params["b1"])
            out = sigmoid(a @ params["W2"] + params["b2"])
            d2 = (out - np.eye(5)[y]) / len(y) * factor(out)
            d1 = d2 @ params["W2"].T * a * (1 - a)
            return {"W1": x.T @ d1, "b1": d1.sum(0), "W2": a.T @ d2, "b2": d2.sum(0)}

        return gradient

    factors = {
        "other-loss": lambda out: 1.0,  # as of the binary cross-entropy
        "activation-derivative-formula": lambda out: out,
    }
    for kind, factor in factors.items():
        check = backprop.check_network(changed(factor), PEOPLE["sigmoid and squares"][1])
        assert [finding.kind for finding in check.findings] in ([kind], ["activation-derivative-missing"])


# Slips of real hand-written networks


def plain(params, x, y, *, back=None, bias=None, epsilon=0.0):
    """A gradient in this package's layout with a slip in it."""
    n = len(y)
    z1 = x @ params["W1"] + params["b1"]
    a1 = np.maximum(z1, 0)
    z2 = a1 @ params["W2"] + params["b2"]
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    d2 = e / (e.sum(axis=1, keepdims=True) + epsilon)
    d2[np.arange(n), y] -= 1
    d2 /= n
    dy = d2 @ params["W2"].T
    d1 = dy * (z1 > 0) if back is None else back(dy, z1)
    g = {"W1": x.T @ d1, "b1": d1.sum(0), "W2": a1.T @ d2, "b2": d2.sum(0)}
    return g if bias is None else {**g, "b1": bias(g, d1), "b2": bias({"W1": g["W2"]}, d2)}


SLIPS = {
    "relu of δ": (
        {"back": lambda dy, z: np.maximum(dy, 0)},
        "activation-derivative-misplaced",
        "applied to the gradient",
    ),
    "slope for δ": ({"back": lambda dy, z: (z > 0) * 1.0}, "layer-term-missing", "overwritten"),
    "b from dW": ({"bias": lambda g, d: g["W1"].sum(0)}, "bias-not-summed", "dW summed over the inputs"),
    "ε in the softmax": ({"epsilon": 1e-12}, "other-loss", "ε = 1e-12"),
    "a large ε": ({"epsilon": 1e-3}, "other-loss", "ε = 0.001"),
    "a bias without an axis": ({"bias": lambda g, d: np.sum(d)}, "bias-not-summed", "over all of it"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_of_a_real_network_has_a_name(name):
    changes, kind, words = SLIPS[name]
    check = backprop.check_network(lambda *given: plain(*given, **changes), NETWORK)
    assert {finding.kind for finding in check.findings} == {kind}
    assert all(words in finding.evidence for finding in check.findings)
    tensors = [finding.tensor for finding in check.findings]
    assert len(set(tensors)) == len(tensors)


def test_a_wrong_derivative_of_the_silu_is_named():
    def gradient(params, x, y):
        z = x @ params["W1"] + params["b1"]
        s = sigmoid(z)
        p = softmax((z * s) @ params["W2"] + params["b2"], 1)
        d2 = (p - np.eye(5)[y]) / len(y)
        d1 = d2 @ params["W2"].T * s
        return {"W1": x.T @ d1, "b1": d1.sum(0), "W2": (z * s).T @ d2, "b2": d2.sum(0)}

    (finding,) = backprop.check_network(gradient, Network.parse("9-7:silu-5")).findings
    assert finding.kind == "activation-derivative-formula"
    assert "silu'(z1) is taken for σ(z1)" in finding.evidence


def test_got_over_expected_that_is_one_number_a_row_is_said():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal(6), rng.random(4)
    point = {"W": rng.standard_normal((4, 6)), "b": rng.standard_normal(4)}

    def output(p):
        return sigmoid(p["W"] @ x + p["b"])

    def gradient(p):
        delta = output(p) - t  # y (1 - y) is left out
        return {"W": np.outer(delta, x), "b": delta}

    check = backprop.check_gradient(lambda p: 0.5 * np.sum((output(p) - t) ** 2), gradient, point)
    (evidence,) = [finding.evidence for finding in check.findings if finding.tensor == "W"]
    assert "got / expected is one number in each row" in evidence
