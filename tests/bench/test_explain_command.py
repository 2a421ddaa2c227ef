"""`backprop explain` as a user calls it."""

import os
import sys

import pytest
from command import backprop

from backprop.explain import render_html, render_markdown, render_text

EXAMPLE = ("--network", "3-4-2", "--batch", "2", "--strategy", "full-jacobian,short-form")


def expected():
    from explain.explained import explained

    return explained()


def test_without_options_it_prints_the_example_as_text(tmp_path):
    done = backprop("explain", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == render_text(expected(), 80)
    assert done.out == backprop("explain", *EXAMPLE, "--format", "text", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("options", "render"),
    [
        (["--format", "markdown", "--out", "page"], render_markdown),
        (["--out", "page.md"], render_markdown),
        (["--out", "page.html"], render_html),
        (["--out", "page.html", "--format", "text"], render_text),
    ],
)
def test_a_file_is_written_in_the_format_asked_for_or_that_of_its_name(tmp_path, options, render):
    done = backprop("explain", *EXAMPLE, *options, cwd=tmp_path)
    (written,) = tmp_path.iterdir()
    assert (done.code, done.out) == (0, f"{written.name}\n")
    assert written.read_text(encoding="utf-8") == render(expected())


def test_a_workbook_is_written(tmp_path):
    done = backprop("explain", "--out", "w.xlsx", cwd=tmp_path)
    assert (done.code, done.out) == (0, "w.xlsx\n")
    assert (tmp_path / "w.xlsx").read_bytes().startswith(b"PK")


def test_another_seed_gives_other_numbers(tmp_path):
    assert backprop("explain", "--seed", "3", cwd=tmp_path).out != backprop("explain", cwd=tmp_path).out


MISTAKES = {
    "too large": (["--network", "784-512-10"], "at most 4,096 to print"),
    "too large a batch": (["--batch", "100"], "4,800 numbers"),
    "format": (["--format", "htlm"], "did you mean 'html'"),
    "strategy": (["--strategy", "shortform"], "did you mean 'short-form'"),
    "three strategies": (["--strategy", "short-form,layerwise-vjp,full-jacobian"], "one or two"),
    "the same twice": (["--strategy", "short-form,short-form"], "different"),
    "no strategy": (["--strategy", ""], "strategy ''"),
    "no chain rule": (["--strategy", "finite-differences"], "cannot be explained"),
    "no samples": (["--batch", "0"], "The number of samples is 0"),
    "network": (["--network", "3-x"], "'3-x'"),
    "activation": (["--activation", "rely"], "did you mean 'relu'"),
    "loss": (["--loss", "entropy"], "did you mean 'cross-entropy'"),
    "no folder": (["--out", "nowhere/page.md"], "cannot be written to 'nowhere/page.md'"),
    "a folder": (["--out", ".", "--format", "html"], "cannot be written to '.'"),
    "workbook without a file": (["--format", "xlsx"], "expected --out"),
    "workbook over a folder": (["--out", ".", "--format", "xlsx"], "a folder; expected the name of a file"),
    "workbook of others": (["--out", "w.xlsx", "--strategy", "short-form"], "full-jacobian,short-form"),
    "seed": (["--seed", "-1"], "--seed"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(name, tmp_path):
    options, named = MISTAKES[name]
    done = backprop("explain", *options, cwd=tmp_path)
    assert named in done.error_sentence
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write to anything")
def test_a_file_that_must_not_be_written_is_said(tmp_path):
    (tmp_path / "page.md").touch(mode=0o400)
    done = backprop("explain", "--out", "page.md", "--fresh", cwd=tmp_path)
    assert "Permission denied" in done.err


@pytest.mark.parametrize("width", [40, 80, 120])
def test_on_a_terminal_no_line_is_longer_than_it(width, tmp_path):
    done = backprop("explain", cwd=tmp_path, columns=width)
    assert max(map(len, done.out.splitlines())) <= width
    assert done.out.startswith("353 numbers against 67: full-jacobian")
