"""`backprop derive` as a user calls it."""

from pathlib import Path

import pytest
from command import backprop
from outside import layers

from backprop.explain.symbolic import derive, render_html, render_latex, render_text
from backprop.layers import Tanh


def test_softmax_and_cross_entropy_are_derived_as_text(tmp_path):
    done = backprop("derive", "softmax-cross-entropy", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == render_text(derive("softmax-cross-entropy", 3), 80)


@pytest.mark.parametrize(("name", "render"), [("latex", render_latex), ("html", render_html)])
def test_a_file_is_written_in_each_format(tmp_path, name, render):
    done = backprop("derive", "gelu", "--size", "2", "--format", name, "--out", "page", cwd=tmp_path)
    assert (done.code, done.out) == (0, "page\n")
    assert (tmp_path / "page").read_text(encoding="utf-8") == render(derive("gelu", 2))


def test_a_network_is_derived(tmp_path):
    done = backprop("derive", "--network", "2-2-1", "--loss", "mean-squared-error", cwd=tmp_path)
    assert done.code == 0
    assert "The network 2-2-1 relu mean-squared-error, 1 sample" in done.out
    assert "✓ ∂L/∂W₁ of short-form\n" in done.out


def test_a_wrong_formula_ends_with_exit_code_1(tmp_path, monkeypatch):
    monkeypatch.setattr(Tanh, "derivative", lambda self, x, y: 1 - y)
    done = backprop("derive", "tanh", cwd=tmp_path)
    assert done.code == 1
    assert "REFUTED" in done.out


OUTSIDE = Path(layers.__file__)


def test_a_layer_of_a_file_is_derived(tmp_path):
    done = backprop("derive", f"{OUTSIDE}:LeakyReLU", "--size", "2", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "REFUTED" not in done.out
    done = backprop("derive", f"{OUTSIDE}:Nothing", cwd=tmp_path)
    assert done.code == 2
    assert "Nothing" in done.error_sentence


MISTAKES = {
    "unknown layer": (["relo"], "did you mean 'relu'"),
    "far from any": (["everything"], "softmax-cross-entropy"),
    "format": (["relu", "--format", "pdf"], "format 'pdf'"),
    "sizes of a layer": (["relu", "--network", "3-4"], "NAME was given"),
    "no inputs": (["relu", "--size", "0"], "inputs is 0"),
    "no samples": (["--network", "2-2", "--batch", "0"], "samples is 0"),
    "no network": (["--network", "3-x"], "'3-x'"),
    "no time": (["relu", "--timeout", "0"], "The timeout is '0'"),
    "too little time": (
        ["--network", "9-9-9", "--batch", "4", "--timeout", "0.5"],
        "not finished within 0.5 s",
    ),
    "no folder": (["relu", "--out", "nowhere/page"], "'nowhere/page'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(name, tmp_path):
    options, named = MISTAKES[name]
    done = backprop("derive", *options, cwd=tmp_path)
    assert named in done.error_sentence
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_wide_matrix_is_folded_unless_it_goes_into_a_file(tmp_path):
    folded = backprop("derive", "softmax", cwd=tmp_path).out
    assert max(map(len, folded.splitlines())) <= 80
    assert backprop("derive", "softmax", "--out", "page.txt", cwd=tmp_path).code == 0
    whole = (tmp_path / "page.txt").read_text(encoding="utf-8")
    assert max(map(len, whole.splitlines())) > 100
