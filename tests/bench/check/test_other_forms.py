"""`backprop check` of classes, notebooks, other layouts and other networks than those of the examples."""

import json

import pytest
from command import backprop

SMALL = ("--network", "49-16-10", "--batch", "8", "--json")

COURSE = '''
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

class Net:
    """W (o, i), samples in columns, a sigmoid at the output, the squared error of one sample halved."""

    def __init__(self, sizes):
        self.W1, self.b1 = np.zeros((sizes[1], sizes[0])), np.zeros((sizes[1], 1))
        self.W2, self.b2 = np.zeros((sizes[2], sizes[1])), np.zeros((sizes[2], 1))
        print("made of", sizes)

    @staticmethod
    def by_itself(params, X, Y):
        net = Net([49, 16, 10])
        net.W1, net.b1, net.W2, net.b2 = params.values()
        return net.gradients(X, Y)

    def gradients(self, X, Y):
        m = X.shape[1]
        A1 = np.tanh(self.W1 @ X + self.b1)
        A2 = sigmoid(self.W2 @ A1 + self.b2)
        d2 = (A2 - Y) * A2 * (1 - A2) / m
        d1 = self.W2.T @ d2 * (1 - A1**2)
        return {"dW1": d1 @ X.T, "db1": d1.sum(1, keepdims=True), "dW2": d2 @ A1.T, "db2": d2.sum(1, keepdims=True)}

ready = Net([49, 16, 10])

def twice(params, X, Y):
    net = Net([len(params["W1"][0]), len(params["W1"]), 10])
    net.W1, net.b1, net.W2, net.b2 = params.values()
    return {name: 2 * each for name, each in net.gradients(X, Y).items()}
'''
OPTIONS = ("--activation", "tanh", "--output", "sigmoid", "--loss", "half-squared-error")


def check(target, *options, cwd):
    done = backprop("check", target, *SMALL, *options, cwd=cwd)
    return json.loads(done.out) if done.out else done.error_sentence


def notebook(*cells):
    return json.dumps(
        {"nbformat": 4, "cells": [{"cell_type": kind, "source": source} for kind, source in cells]}
    )


@pytest.fixture
def course(tmp_path):
    (tmp_path / "course.py").write_text(COURSE)
    return tmp_path


@pytest.mark.parametrize("name", ["Net.gradients", "ready.gradients"])
def test_a_method_of_a_class_or_of_an_object_in_a_file_is_checked(here, course, name):
    found = check(f"course.py:{name}", *OPTIONS, cwd=course)
    assert (found["verdict"], found["findings"]) == ("right", [])
    assert found["notes"][0] == "It was called as gradients(X, Y) of Net, which holds the parameters."
    assert found["notes"][1].startswith(
        "The function was read as W (o, i), samples in columns, biases (o, 1)"
    )
    assert {row["name"] for row in found["costs"]} >= {f"{name}", "short-form"}


def test_a_static_method_needs_no_object(here, course):
    found = check("course.py:Net.by_itself", *OPTIONS, cwd=course)
    assert found["verdict"] == "right"
    assert found["notes"][0].startswith("The function was read as W (o, i)")


def test_a_mistake_in_another_layout_is_named_in_the_shapes_of_its_author(here, course):
    found = check("course.py:twice", *OPTIONS, cwd=course)
    assert [finding["kind"] for finding in found["findings"]] == ["constant-factor"]
    assert [tensor["shape"] for tensor in found["tensors"]] == [[16, 49], [16, 1], [10, 16], [10, 1]]


def test_a_class_that_cannot_be_made_of_the_sizes_is_refused(here, course):
    (course / "odd.py").write_text(
        "class Odd:\n    def __init__(self, a, b):\n        pass\n    def f(self, x, y): pass\n"
    )
    assert "The class Odd takes (a, b); expected the 3 sizes of the network" in check(
        "odd.py:Odd.f", cwd=course
    )


def test_a_notebook_is_run_cell_by_cell_in_its_folder(course):
    (course / "scale.txt").write_text("1.0")
    cells = [
        ("markdown", "# A notebook"),
        ("code", ["%matplotlib inline\n", "!ls\n", "scale = float(open('scale.txt').read())"]),
        ("code", "%%bash\nexit 3"),
        ("code", COURSE.splitlines(keepends=True)),
        (
            "code",
            "%%time\ndef gradient(params, X, Y):\n    net = Net([49, 16, 10])\n"
            "    net.W1, net.b1, net.W2, net.b2 = params.values()\n"
            "    display('called')\n"
            "    return {k: scale * v for k, v in net.gradients(X, Y).items()}",
        ),
    ]
    (course / "nb.ipynb").write_text(notebook(*cells))
    found = check(f"{course / 'nb.ipynb'}:gradient", *OPTIONS, cwd=course)
    assert found["verdict"] == "right"
    assert "called" in found["printed"]


NOTEBOOKS = {
    "a cell that fails": (
        notebook(("code", "x = 1"), ("code", "1 / 0")),
        "could not be run at nb.ipynb, code cell 2",
    ),
    "no function": (notebook(("code", "def other(a, b, c): pass")), "did you mean 'other'"),
    "no notebook": ("{}", "is no notebook"),
    "no JSON": ("print(1)", "is no notebook"),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_that_cannot_be_used_is_refused_in_a_sentence(here, tmp_path, name):
    content, said = NOTEBOOKS[name]
    (tmp_path / "nb.ipynb").write_text(content)
    done = backprop("check", "nb.ipynb:another", *SMALL, cwd=tmp_path)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]


def test_a_network_without_biases_and_with_an_activation_for_each_layer_is_checked(here, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def gradient(params, x, y):\n"
        "    W1, W2, W3 = params.values()\n"
        "    a = np.tanh(x @ W1)\n"
        "    z = a @ W2\n"
        "    h = np.maximum(z, 0)\n"
        "    e = np.exp(h @ W3)\n"
        "    d3 = (e / e.sum(1, keepdims=True) - np.eye(10)[y]) / len(y)\n"
        "    d2 = d3 @ W3.T * (z > 0)\n"
        "    d1 = d2 @ W2.T * (1 - a * a)\n"
        "    return x.T @ d1, a.T @ d2, h.T @ d3\n"
    )
    done = backprop(
        "check", "mine.py:gradient", "--network", "49-16:tanh-12:relu-10", "--no-bias", "--json", cwd=tmp_path
    )
    found = json.loads(done.out)
    assert found["verdict"] == "right"
    assert found["network"] == "49-16-12-10 tanh relu cross-entropy without biases"
    assert "gradients without names as the order of the parameters" in found["notes"][0]
