"""The comparison of checkers counts what was found, missed and falsely alarmed."""

import csv
from pathlib import Path

import numpy as np
import pytest
from planted.functions import comparison
from planted.functions.cases import CASES, MISTAKES, planted

EASY = next(case for case in CASES if case.name == "least squares")


@pytest.mark.parametrize("name", list(comparison.TOOLS))
def test_a_tool_tells_an_easy_right_gradient_from_a_wrong_one(name):
    tool, package = comparison.TOOLS[name]
    pytest.importorskip(package)
    verdict, calls, _ = comparison.ask(tool, EASY, EASY.gradient)
    assert verdict == "right"
    assert calls > 0
    assert comparison.ask(tool, EASY, planted(EASY, MISTAKES[0]))[0] == "wrong"


def test_every_planted_gradient_differs_from_the_right_one():
    for case in CASES:
        for mistake in MISTAKES:
            wrong = planted(case, mistake)
            if wrong is not None:
                assert not np.array_equal(wrong(case.point), case.gradient(case.point))


def test_a_tool_that_raises_or_takes_too_long_leaves_it_open():
    def raises(function, gradient, point):
        raise RuntimeError

    def endless(function, gradient, point):
        while True:
            function(point)

    assert comparison.ask(raises, EASY, EASY.gradient)[0] == "failed"
    verdict, calls, _ = comparison.ask(endless, EASY, EASY.gradient)
    assert verdict == "gave up"
    assert calls == comparison.MOST_CALLS + 1


def test_the_summary_counts_what_each_tool_said(tmp_path, monkeypatch, capsys):
    tools = {f"always {said}": (lambda *_, said=said: said, "numpy") for said in ("right", "wrong")}
    monkeypatch.setattr(comparison, "TOOLS", tools)
    comparison.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == printed
    every = list(comparison.gradients())
    wrong = sum(name != "none" for _, name, _ in every)
    right = len(every) - wrong
    assert f"| always right | 0 of {wrong} | {wrong} | 0 of {right} | 0 |" in printed
    assert f"| always wrong | {wrong} of {wrong} | 0 | {right} of {right} | 0 |" in printed
    with (tmp_path / "comparison.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2 * len(every)


ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_run_has_every_case_and_mistake():
    with (ROOT / "results/reference/check/comparison.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seen = {(row["case"], row["mistake"]) for row in rows if row["tool"] == "check_gradient"}
    assert seen == {(case.name, name) for case, name, _ in comparison.gradients()}
