"""`backprop check` names the wrong line, prints it for editors and workflows, and traces the whole backward pass."""

import json

import pytest
from command import backprop
from examples import EXAMPLES
from over import part

SMALL = ("--network", "49-16-10", "--batch", "8")

pytestmark = pytest.mark.usefixtures("here", "without_costs")


def check(name, *options, cwd):
    return backprop("check", f"{EXAMPLES / name}.py:gradient", *SMALL, *options, cwd=cwd)


LINES = {
    "right": [],
    "bias_averaged": [22, 24],
    "bias_of_one_sample": [22],
    "forgotten_mean": [18],
    "forgotten_relu": [19],
    "labels_of_the_neighbour": [18],
    "last_sample_only": [22, 23, 24, 25],
    "relu_of_the_wrong_side": [19],
    "reshaped_weights": [19],
    "softmax_like_a_sigmoid": [19],
    "squared_error": [18],
    "two_mistakes": [19, 24],
    "weight_decay": [21, 23],
}


@pytest.mark.parametrize("name", part(LINES, 2))
def test_the_wrong_lines_of_an_example_are_named_for_editors(name, tmp_path):
    done = check(name, "--format", "concise", cwd=tmp_path)
    assert [int(row.split(":")[1]) for row in done.out.splitlines()] == LINES[name]
    assert done.code == (1 if LINES[name] else 0)


def test_the_line_stands_in_text_json_and_annotations(tmp_path):
    said = "d1 should be dL/d(z1), z1 of line 9. It equals dL/d(a1), a1 of line 10"
    text = check("forgotten_relu", cwd=tmp_path).out
    assert "    19  d1 = d2 @ params" in text
    assert said in " ".join(text.split())
    (line,) = json.loads(check("forgotten_relu", "--json", cwd=tmp_path).out)["lines"]["lines"]
    assert (line["line"], line["tensors"], line["should_be"]) == (19, ["W1", "b1"], "dL/d(z1)")
    row = check("forgotten_relu", "--format", "github", cwd=tmp_path).out
    assert row.startswith("::error file=")
    assert f"forgotten_relu.py,line=19,col=10,title=activation-derivative-missing::{said}" in row


def test_what_has_no_wrong_line_is_annotated_at_the_file(tmp_path):
    done = check("changes_its_inputs", "--format", "concise", cwd=tmp_path)
    assert done.out.strip().endswith("changes_its_inputs.py:gradient is wrong.")
    assert ":1:1: " in done.out
    assert check("changes_its_inputs", "--format", "github", cwd=tmp_path).out.startswith("::error file=")


def test_the_trace_marks_every_line_of_the_backward_pass(tmp_path):
    done = check("forgotten_relu", "--trace", cwd=tmp_path)
    marks = {row.split()[1]: row[0] for row in done.out.splitlines() if row[:1] in "✓✗·" and row}
    assert marks == {"18": "✓", "19": "✗", "21": "✗", "22": "✗", "23": "✓", "24": "✓"}
    assert "wrong as line 19 is" in done.out
    assert set(json.loads(check("right", "--trace", "--json", cwd=tmp_path).out)["trace"][0]) >= {
        "mark",
        "said",
        "value",
        "of",
        "forward",
        "forward_value",
    }


def test_the_page_shows_the_forward_line_beside_its_derivative(tmp_path):
    page = check("right", "--format", "html", cwd=tmp_path).out
    assert page.startswith("<!doctype html>")
    row = next(row for row in page.split("<tr>") if "d1 = (d2 @" in row)
    assert "dL/d(z1), z1 of line 9" in row
    assert "<code>z1 = inputs @" in row
    assert row.count("8×16") == 2  # both values


def test_an_unknown_format_is_one_sentence(tmp_path):
    done = check("right", "--format", "sarif", cwd=tmp_path)
    assert done.code == 2
    assert "format" in done.err
    assert "concise" in done.err
