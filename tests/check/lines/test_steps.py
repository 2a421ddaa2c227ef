"""Several slips are found step by step: what an edit mends is mended, and the rest is looked for in that code."""

import ast

import pytest

from backprop.check.lines.expressions import Edit, written
from backprop.check.lines.rewritten import rewritten

RIGHT = '''
"""A layer, with its derivatives step by step."""

from __future__ import annotations

import numpy as np


def step(p, X, y):
    n = len(X)
    z = X @ p["W"] + p["b"]
    h = np.tanh(z)
    r = h @ p["v"] - y
    loss = 0.5 * np.sum(r**2) / n

    err = r / n
    dv = h.T @ err
    back = np.outer(err, p["v"])
    gate = 1 - h**2
    inner = back * gate
    db = inner.sum(axis=0)
    dW = X.T @ inner
    return loss, {"W": dW, "b": db, "v": dv}
'''


@pytest.mark.parametrize(
    "slips",
    [
        {"gate = 1 - h**2": "gate = 1 - h", "dv = h.T @ err": "dv = z.T @ err"},
        {"gate = 1 - h**2": "gate = 1 - z**2", "db = inner.sum(axis=0)": "db = back.sum(axis=0)"},
        {"err = r / n": "err = r / n * 2", "gate = 1 - h**2": "gate = 1 + h**2"},
        {
            "dv = h.T @ err": "dv = z.T @ err",
            "gate = 1 - h**2": "gate = 1 - h",
            "db = inner.sum(axis=0)": "db = inner.sum(axis=0) + 1",
        },
    ],
    ids=lambda slips: " and ".join(slips.values()),
)
def test_every_slip_is_named_though_they_hide_one_another(slips, lines_of):
    source = RIGHT
    for right, wrong in slips.items():
        assert source.count(right) == 1
        source = source.replace(right, wrong)
    lines = lines_of(source)
    assert [line.source for line in lines] == sorted(slips.values(), key=source.index)
    assert not lines.unplaced
    assert not lines.note


def test_a_gradient_that_overflows_is_wrong(lines_of):
    lines = lines_of(RIGHT.replace("return loss", "dW = dW * 1e200\n    return loss"))
    assert lines.wrong == ("W",)


def test_zero_by_chance_is_no_proof(lines_of):
    """The loss does not depend on the bias of a layer whose mean is subtracted."""
    source = RIGHT.replace("h = np.tanh(z)", "z = z - z.mean(axis=0)\n    h = np.tanh(z)")
    source = source.replace(
        "inner = back * gate", "inner = back * gate\n    inner = inner - inner.mean(axis=0)"
    )
    wrong = source.replace("inner - inner.mean(axis=0)", "inner - 2 * inner.mean(axis=0)")
    (line,) = lines_of(wrong)
    assert line.source == "inner = inner - 2 * inner.mean(axis=0)"
    assert line.tensors == ("W", "b")


@pytest.mark.parametrize(
    ("old", "new"),
    [("h[n:]", "h[:n]"), ("h", "z"), ("n:", "[:n]"), ("y = h[n:]", "y += h[n:]")],
)
def test_a_line_keeps_its_number_where_an_edit_is_made_in_it(old, new):
    source = "x = 1\n\ny = h[n:]\nz = y\n"
    nodes = [node for node in ast.walk(ast.parse(source)) if hasattr(node, "lineno") and node.lineno == 3]
    (node,) = (each for each in nodes if written(each) in (old, f"[{old}]"))
    edit = Edit(1, ("mine", 3, 0), (3,), node.lineno, node.col_offset, written(node), new)
    seen = []

    def exchange(instrument):
        seen.append(instrument(ast.parse(source), "mine", source))

    rewritten(exchange, [edit])(lambda tree, path, whole: tree)
    lines = ast.unparse(seen[0]).splitlines()
    assert new.strip("[]") in lines[1]
    assert [each.lineno for each in seen[0].body] == [1, 3, 4]
