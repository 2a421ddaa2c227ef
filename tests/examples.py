"""Gradients of i-h-c with relu, softmax and cross-entropy, as users write them: one right, others with a mistake.

A mistake is the pieces of the right source that it changes, each with what stands in its place.
"""

import atexit
import tempfile
from pathlib import Path

RIGHT = """\
# 784-512-10, as one writes it on paper.

import numpy as np


def gradient(params, inputs, labels):
    n = len(inputs)

    z1 = inputs @ params["W1"] + params["b1"]
    a1 = np.maximum(z1, 0)
    z2 = a1 @ params["W2"] + params["b2"]
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), labels]).mean()

    y = np.zeros_like(p)
    y[np.arange(n), labels] = 1
    d2 = (p - y) / n
    d1 = (d2 @ params["W2"].T) * (z1 > 0)
    return loss, {
        "W1": inputs.T @ d1,
        "b1": d1.sum(axis=0),
        "W2": a1.T @ d2,
        "b2": d2.sum(axis=0),
    }
"""

_RETURNED = """\
    return loss, {
        "W1": inputs.T @ d1,
        "b1": d1.sum(axis=0),
        "W2": a1.T @ d2,
        "b2": d2.sum(axis=0),
    }
"""

MISTAKES = {
    "bias_averaged": [("d1.sum(axis=0)", "d1.mean(axis=0)"), ("d2.sum(axis=0)", "d2.mean(axis=0)")],
    "bias_of_one_sample": [("d1.sum(axis=0)", "d1[0]")],
    "changes_its_inputs": [
        (
            "    return loss, {",
            "    dw1 = inputs.T @ d1\n    inputs -= inputs.mean(axis=0)\n    return loss, {",
        ),
        ('"W1": inputs.T @ d1', '"W1": dw1'),
    ],
    "forgotten_mean": [("(p - y) / n", "p - y")],
    "forgotten_relu": [('(d2 @ params["W2"].T) * (z1 > 0)', 'd2 @ params["W2"].T')],
    "gradients_pile_up": [
        (
            _RETURNED,
            """\
    new = {"W1": inputs.T @ d1, "b1": d1.sum(axis=0), "W2": a1.T @ d2, "b2": d2.sum(axis=0)}
    for name, value in new.items():
        GRADS[name] = GRADS.get(name, 0) + value
    return loss, dict(GRADS)


GRADS = {}
""",
        )
    ],
    "labels_of_the_neighbour": [("y[np.arange(n), labels]", "y[np.arange(n), np.roll(labels, 1)]")],
    "last_sample_only": [
        (
            _RETURNED,
            """\
    grads = {}
    for k in range(n):
        grads["W1"] = np.outer(inputs[k], d1[k])
        grads["b1"] = d1[k]
        grads["W2"] = np.outer(a1[k], d2[k])
        grads["b2"] = d2[k]
    return loss, grads
""",
        )
    ],
    "relu_of_the_wrong_side": [("(z1 > 0)", "(z1 <= 0)")],
    "reshaped_weights": [('params["W2"].T', 'params["W2"].reshape(-1, len(a1[0]))')],
    "single_precision": [
        ("(p - y) / n", "((p - y) / n).astype(np.float32)\n    d2 = d2.astype(p.dtype)"),
    ],
    "softmax_like_a_sigmoid": [("d2 = (p - y) / n", "dp = -y / p / n\n    d2 = dp * p * (1 - p)")],
    "softmax_twice": [
        ("d2 = (p - y) / n", "d = (p - y) / n\n    d2 = p * (d - (p * d).sum(axis=1, keepdims=True))")
    ],
    "squared_error": [
        (
            "d2 = (p - y) / n",
            "d = 2 * (p - y) / p.size\n    d2 = p * (d - (p * d).sum(axis=1, keepdims=True))",
        )
    ],
    "two_mistakes": [
        ('(d2 @ params["W2"].T) * (z1 > 0)', 'd2 @ params["W2"].T'),
        ("d2.sum(axis=0)", "d2.mean(axis=0)"),
    ],
    "weight_decay": [
        ("inputs.T @ d1", 'inputs.T @ d1 + 1e-3 * params["W1"]'),
        ("a1.T @ d2", 'a1.T @ d2 + 1e-3 * params["W2"]'),
    ],
}


def source(name):
    """The source of a function: "right", or one with that mistake."""
    text = RIGHT
    for right, wrong in MISTAKES.get(name, ()):
        assert text.count(right) == 1, (name, right)
        text = text.replace(right, wrong)
    return text


def _written():
    """The folder with a file of each."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    for name in ("right", *MISTAKES):
        (Path(folder.name) / f"{name}.py").write_text(source(name), encoding="utf-8")
    return Path(folder.name)


EXAMPLES = _written()
"""A file of each: right.py, bias_averaged.py, …"""
