"""Pieces as people write them, from courses and gists: the right one passes as it stands, a slip is named."""

import math

import numpy as np
import pytest
from over import part
from planted.models import MODELS

import backprop

RNG = np.random.default_rng(11)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def affine(slip):
    """A course's layer for samples of any shape, with a cache."""

    def forward(x, w, b):
        return x.reshape(len(x), -1) @ w + b, (x, w, b)

    def backward(dout, cache):
        x, w, _ = cache
        rows = x.transpose(0, 2, 1) if slip == "axes" else x
        db = dout.mean(axis=0) if slip == "mean" else dout.sum(axis=0)
        return (dout @ w.T).reshape(x.shape), rows.reshape(len(x), -1).T @ dout, db

    return backprop.check_vjp(
        forward, backward, (RNG.normal(size=(4, 2, 3)), RNG.normal(size=(6, 2)), RNG.normal(size=2))
    )


def logistic_regression(slip):
    """Samples in columns; the gradients come first, the cost after them."""
    x, y = RNG.normal(size=(3, 9)), RNG.integers(0, 2, (1, 9))

    def propagate(w, b):
        m = x.shape[1]
        a = logistic(w.T @ x + b)
        cost = -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)) / m
        k = 1 if slip == "sum" else m
        return {"dw": x @ (a - y).T / k, "db": np.sum(a - y) / k}, cost

    return backprop.check_step(propagate, {"w": RNG.normal(size=(3, 1)), "b": 0.3})


def digits(slip):
    """A notebook's network: parameters one by one, samples in columns, gradients in order."""

    def backward(W1, b1, W2, b2, X, Y):
        m = Y.size
        z1 = W1 @ X + b1
        a1 = np.maximum(z1, 0)
        z2 = W2 @ a1 + b2
        e = np.exp(z2 - z2.max(0))
        d2 = e / e.sum(0) - np.eye(3)[Y].T
        d1 = W2.T @ d2 * (1 if slip == "slope" else z1 > 0)
        dW2 = d2 @ (z1 if slip == "z1" else a1).T / m
        db1, db2 = (d.sum(1, keepdims=True) / m for d in (d1, d2))
        if slip == "no axis":
            db1, db2 = np.sum(d1) / m, np.sum(d2) / m
        return d1 @ X.T / m, db1, dW2, db2

    return backprop.check_network(backward, backprop.Network.mlp(6, 4, 3))


def characters(slip):
    """A recurrent net over characters: the state by step in dicts, parameters as arguments, the state returned."""
    inputs, targets = [0, 1, 2, 3], [1, 2, 3, 0]

    def loss(Wxh, Whh, Why, bh, by):
        hs, ps, total = {-1: np.zeros((3, 1))}, {}, 0
        for t, k in enumerate(inputs):
            hs[t] = np.tanh(Wxh[:, k : k + 1] + Whh @ hs[t - 1] + bh)
            e = np.exp(Why @ hs[t] + by)
            ps[t] = e / e.sum()
            total -= np.log(ps[t][targets[t], 0])
        dWxh, dWhh, dWhy, dbh, dby = (np.zeros_like(each) for each in (Wxh, Whh, Why, bh, by))
        dnext = np.zeros_like(hs[0])
        for t in reversed(range(4)):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            draw = (1 - hs[t] ** 2) * (Why.T @ dy + (0 if slip == "next" else dnext))
            dWhy, dby, dbh = dWhy + dy @ hs[t].T, dby + dy, dbh + draw
            dWxh[:, inputs[t]] += draw[:, 0]
            dWhh, dnext = dWhh + draw @ hs[t - 1].T, Whh.T @ draw
        return total, dWxh, dWhh, dWhy, dbh, dby, hs[3]

    shapes = {"Wxh": (3, 4), "Whh": (3, 3), "Why": (4, 3), "bh": (3, 1), "by": (4, 1)}
    return backprop.check_step(loss, {name: RNG.normal(size=shape) for name, shape in shapes.items()})


def lstm(slip):
    """One step of an LSTM: two outputs before the cache, an upstream gradient for each."""

    def forward(x, h, c, W, V, b):
        i, f, o, g = np.split(x @ W + h @ V + b, 4, axis=1)
        i, f, o, g = logistic(i), logistic(f), logistic(o), np.tanh(g)
        new = f * c + i * g
        return o * np.tanh(new), new, (x, h, c, W, V, i, f, o, g, new)

    def backward(dh, dc, cache):
        x, h, c, W, V, i, f, o, g, new = cache
        dnew = (0 if slip == "cell" else dc) + dh * o * (1 - np.tanh(new) ** 2)
        gates = dnew * g * i * (1 - i), dnew * c * f * (1 - f), dh * np.tanh(new) * o * (1 - o)
        dz = np.hstack([*gates, dnew * i * (1 - g**2)])
        return dz @ W.T, dz @ V.T, dnew if slip == "gate" else dnew * f, x.T @ dz, h.T @ dz, dz.sum(0)

    shapes = (2, 3), (2, 2), (2, 2), (3, 8), (2, 8), (8,)
    return backprop.check_vjp(forward, backward, tuple(RNG.normal(size=shape) for shape in shapes))


def engine(slip):
    """A value that knows its children, as in a small engine: the gradients are left in its leaves."""

    class Value:
        def __init__(self, data, children=()):
            self.data, self.grad, self.children = data, 0.0, children

        def __add__(self, other):
            return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

        def __mul__(self, other):
            return Value(self.data * other.data, ((self, other.data), (other, self.data)))

        def tanh(self):
            t = math.tanh(self.data)
            return Value(t, ((self, 1 - t * t),))

    def run(x):
        leaves = [Value(float(each)) for each in x]
        a, b, c = leaves
        h = (a * b + c).tanh()
        return leaves, h * h + h * a

    def visit(node, order):
        if node not in order:
            for child, _ in node.children:
                visit(child, order)
            order.append(node)
        return order

    def gradient(x):
        leaves, out = run(x)
        out.grad = 1.0
        for node in reversed(visit(out, [])):
            for child, slope in node.children:
                child.grad = node.grad * slope + (0 if slip == "overwritten" else child.grad)
        return [leaf.grad for leaf in leaves]

    return backprop.check_gradient(lambda x: run(x)[1].data, gradient, np.array([0.5, -0.3, 0.8]))


def gaussian_process(slip):
    """The negative log marginal likelihood by length and scale."""
    x, y = RNG.normal(size=6), RNG.normal(size=6)
    apart = (x[:, None] - x) ** 2

    def likelihood(theta):
        kernel = theta[1] ** 2 * np.exp(-apart / 2 / theta[0] ** 2) + 0.1 * np.eye(6)
        return y @ np.linalg.solve(kernel, y) / 2 + np.linalg.slogdet(kernel)[1] / 2

    def gradient(theta):
        kernel = theta[1] ** 2 * np.exp(-apart / 2 / theta[0] ** 2)
        inverse = np.linalg.inv(kernel + 0.1 * np.eye(6))
        a = inverse @ y
        by = kernel * apart / theta[0] ** 3, 2 * kernel / theta[1]
        g = np.array([np.sum((inverse - np.outer(a, a)) * each) / 2 for each in by])
        return g * theta if slip == "log" else 2 * g if slip == "half" else g

    return backprop.check_gradient(likelihood, gradient, np.array([0.8, 1.3]))


PIECES = {
    affine: {"axes": {"reordered"}, "mean": {"constant-factor"}},
    logistic_regression: {"sum": {"constant-factor"}},
    digits: {
        "slope": {"activation-derivative-missing"},
        "z1": {"wrong-layer-input"},
        "no axis": {"bias-not-summed"},
    },
    characters: {"next": {"unknown"}},  # the line is named
    lstm: {"cell": {"upstream-ignored"}, "gate": {"local-derivative"}},
    engine: {"overwritten": {"unknown"}},  # what is changed for a trial is the condition of the slip itself
    gaussian_process: {"log": {"log-parameter"}, "half": {"constant-factor"}},
    **MODELS,
}


BY_LINE = {"unknown", "steps-not-summed", "layer-term-missing", "activation-derivative-formula"}
"""The kinds for which the wrong line is looked for: it says what the mistake is."""


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.__name__)
def test_a_right_piece_passes_as_it_stands(piece):
    check = piece(None)
    assert check.ok, check
    assert check.findings == ()


@pytest.mark.parametrize(
    ("piece", "slip"),
    part([(piece, slip) for piece, slips in PIECES.items() for slip in slips], 2),
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_slip_in_a_piece_is_found_and_called_what_it_is(piece, slip, request):
    if PIECES[piece][slip].isdisjoint(BY_LINE):
        request.getfixturevalue("without_lines")
    check = piece(slip)
    assert check.verdict == "wrong"
    assert {finding.kind for finding in check.findings} == PIECES[piece][slip], check
    tensors = [finding.tensor for finding in check.findings]
    assert len(set(tensors)) == len(tensors)
    if PIECES[piece][slip] == {"unknown"} and piece is not engine:
        assert [line.line for line in check.lines.lines]
