"""What commands show on terminals of 40, 80 and 120 columns: every name whole, and the most important figures."""

import re

import numpy as np
import pytest
from command import backprop, terminal
from rich.cells import cell_len
from rows import RUN, agreement, left_out, record, write_journal, wrong

from backprop import Network, installed_strategies
from backprop.bench.accuracy import ErrorRow
from backprop.bench.check.job import Job
from backprop.bench.check.judge import Answers
from backprop.bench.check.show import show, show_kinds
from backprop.bench.commands.list import print_listing
from backprop.bench.console import finish_run, make_console
from backprop.bench.forecast import Budget
from backprop.bench.machine import Limits
from backprop.bench.prediction import predictions, print_predictions
from backprop.bench.record import Results
from backprop.bench.report.accuracy import accuracy_frame, print_accuracy
from backprop.bench.training.compare import Learnt
from backprop.bench.training.reports import print_comparison, print_metrics
from backprop.check import KINDS
from backprop.registry import known_peers
from backprop.training import Point, measure

STRATEGIES = tuple(installed_strategies())
LONGEST = sorted(STRATEGIES, key=len)[-2:]

every_width = pytest.mark.parametrize("width", [40, 80, 120])


def capture(width, show):
    """What `show` prints on a terminal of this width, none of whose lines is wider."""
    with terminal(width) as text:
        show()
        return fitting(text(), width)


def fitting(text, width):
    """The text, after a check that no line is wider than the terminal or ends in a blank, and nothing is cut."""
    assert "…" not in text
    assert [line for line in text.splitlines() if line.endswith(" ")] == []
    assert [line for line in text.splitlines() if cell_len(line) > width] == []
    return text


def one_line(text):
    """The text without its line breaks, which a sentence has anywhere."""
    return " ".join(text.split())


def rows_of(text, names):
    """The line of every name in a table, which begins with it or, after a rank, has it next; whole."""
    found = {
        name: re.search(rf"^(?: *[\d-]+ +| +)?{re.escape(name)}(?: .*)?$", text, re.MULTILINE)
        for name in names
    }
    assert all(found.values()), [name for name, line in found.items() if not line]
    return {name: line.group() for name, line in found.items()}


# run, verify ------------------------------------------------------------------------------------------


@pytest.fixture
def results():
    """A run of every strategy: most are right, one is wrong, one did not fit, and one is unstable."""
    right = [
        record(name, 1e-3 * (k + 1), rank_best=k, rank_worst=k + 1) for k, name in enumerate(STRATEGIES[:-3])
    ]
    right[0].unstable = "start 2 differs by 30% from the others"
    outs = left_out(STRATEGIES[-2], predicted_time_s=473.0, predicted_peak_bytes=3 * 10**9)
    pairs = [agreement(*LONGEST), agreement(*LONGEST[::-1], agrees=False)]
    return Results([*right, wrong(STRATEGIES[-3]), outs, left_out(STRATEGIES[-1], "unsupported")], pairs)


@every_width
def test_run_shows_every_strategy_with_its_time(width, results, tmp_path):
    def finish():
        with pytest.raises(SystemExit, match="1"):  # the code of a run with a wrong gradient
            finish_run(results, False, [tmp_path / "results.csv"], interrupted=False)

    with terminal(width) as read:
        finish()
        text = (
            read().partition("gradients and")[0].rstrip()
        )  # the paths of files below are as long as they are
    lines = rows_of(fitting(text, width), STRATEGIES)
    assert re.search(r"\b2 ms\b", lines[STRATEGIES[1]])
    said = one_line(text)
    assert "status: disagrees" in said or "disagrees" in lines[STRATEGIES[-3]]
    assert "over-memory-budget" in said
    assert "unstable" in said
    assert "start 2 differs by 30% from the others" in said
    assert ("All are in results.csv." in said) == ("left out at this width" in said)
    if width >= 80:
        assert {"1.0e-16", "9.3", "kB"} <= set(lines[STRATEGIES[1]].split())
        assert "2.00x" in lines[STRATEGIES[1]]


@every_width
def test_verify_shows_both_names_of_every_pair_and_the_verdict(width, results):
    def finish():
        with pytest.raises(SystemExit, match="1"):
            finish_run(results, False, [], interrupted=False)

    text = capture(width, finish)
    pairs = text.partition("toy, float64: 4-3-2")[0]
    assert all(pairs.count(name) == 2 for name in LONGEST)
    assert len(re.findall(r"\bagree\b", pairs)) == 1
    assert len(re.findall(r"\bDISAGREE\b", pairs)) == 1
    assert ("1.0e-16" in pairs) == (width >= 80)


@every_width
def test_the_command_verify_fits_its_terminal(width, tmp_path):
    names = [f"--strategy={name}" for name in ("short-form", "local-finite-differences")]
    done = backprop("verify", "--scenario", "toy", *names, cwd=tmp_path, columns=width)
    assert done.code == 0
    text = fitting(done.out, width)
    assert "local-finite-differences" in text
    assert "2 gradients and 1 pair compared, 0 cells left out: all agree." in one_line(text)


# predict, list, check ---------------------------------------------------------------------------------


def print_predicted():
    """What `backprop predict` prints of the network of README, of which not everything fits."""
    network, budget = Network.parse("784-512-10"), Budget(1e9, 60.0)
    rows = predictions(
        network, 32, "float64", list(installed_strategies().values()), budget, Limits(1e11, 1e10)
    )
    print_predictions(make_console(), network, 32, "float64", budget, rows)


@every_width
def test_predict_shows_every_strategy_with_its_time_and_why_it_does_not_fit(width):
    text = capture(width, print_predicted)
    lines = rows_of(text, STRATEGIES)
    assert all(re.search(r"\d (µs|ms|s|min|h|days)|-", line) for line in lines.values())
    assert "the budget is 1 GB" in one_line(text)
    if width >= 80:
        assert re.search(r"[kM]B", lines["short-form"])


@every_width
def test_list_has_every_name(width):
    text = capture(width, lambda: print_listing(make_console()))
    rows_of(text, [*STRATEGIES, *known_peers(), "mean-squared-error", "mnist-128/float32"])
    assert "∂z/∂W" in text


CHECKED = Answers(
    check={
        "verdict": "wrong",
        "tensors": [
            {
                "name": name,
                "shape": [784, 512],
                "verdict": verdict,
                "error": 3e-2,
                "tolerance": 1e-14,
                "worst": worst,
            }
            for name, verdict, worst in (
                ("W1", "wrong", [{"index": [783, 511], "got": -1.23456e-9, "expected": 6.54321e-10}]),
                ("b1", "right", []),
                ("W2", "undecided", []),
            )
        ],
        "findings": [],
        "kinks": [],
        "notes": [],
    },
    costs=[
        {
            "name": name,
            "time_s": 1e-3,
            "ratio": 1.0,
            "peak_bytes": 4e6,
            "predicted_peak_bytes": None,
            "reason": reason,
        }
        for name, reason in (("gradient", None), ("layerwise-vjp", "skipped, to keep this fast"))
    ],
    network="784-512-10 relu cross-entropy",
)


@every_width
def test_check_shows_tensor_verdict_and_error(width):
    job = Job("g.py:gradient", "784-512-10", "relu", "cross-entropy", 16, "float64", 0, 0.0, 1, None)
    text = capture(width, lambda: show(job, CHECKED))
    lines = rows_of(text, ["W1", "b1", "W2", "W1[783, 511]", "gradient", "layerwise-vjp"])
    for tensor, verdict in (("W1", "wrong"), ("b1", "right"), ("W2", "undecided")):
        assert verdict in lines[tensor]
        assert "3.0e-02" in lines[tensor]
    assert {"-1.23456e-09", "6.54321e-10"} <= set(lines["W1[783, 511]"].split())
    assert "1 ms" in lines["layerwise-vjp"]


@every_width
def test_every_kind_of_mistake_has_its_three_texts(width):
    text = one_line(capture(width, lambda: show_kinds(as_json=False)))
    for kind in KINDS.values():
        assert kind.name in text
        assert f"what to do: {one_line(kind.fix)}" in text


# compare, accuracy, train --------------------------------------------------------------------


@pytest.fixture
def two_runs(tmp_path):
    for folder, factor in (("old", 1.0), ("new", 2.0)):
        rows = [record(name, factor * 1e-3, samples_s=[[factor * 1e-3]] * 6) for name in STRATEGIES]
        write_journal(tmp_path / folder, *rows, run=RUN)
    return tmp_path


@every_width
def test_compare_is_a_table_on_a_terminal_with_every_ratio(width, two_runs):
    text = fitting(backprop("compare", "old", "new", cwd=two_runs, columns=width).out, width)
    assert "|" not in text
    assert "**" not in text
    for line in rows_of(text, STRATEGIES).values():
        assert "2.000" in line
    assert "Geometric mean of the ratios: 2.000" in one_line(text)


def test_compare_is_markdown_in_a_pipe_and_in_a_file(two_runs):
    piped = backprop("compare", "old", "new", cwd=two_runs)
    assert "| short-form | toy/float64 |" in piped.out
    backprop("compare", "old", "new", "--out", "it.md", cwd=two_runs)
    assert (two_runs / "it.md").read_text(encoding="utf-8") == piped.out


@pytest.mark.parametrize("arguments", [["derive"], ["explain"]])
def test_formulas_fold_at_80_columns_in_a_pipe(tmp_path, arguments):
    done = backprop(*arguments, cwd=tmp_path)
    assert done.code == 0
    fitting(done.out, 80)


@every_width
def test_accuracy_is_a_table_on_a_terminal(width):
    rows = [
        ErrorRow("grid", name, "49-8-10 tanh cross-entropy", 490, 8, dtype, None, None, 1e-16, 1e-15)
        for name in STRATEGIES
        for dtype in ("float32", "float64")
    ]
    text = capture(width, lambda: print_accuracy(make_console(), accuracy_frame(rows)))
    assert "|" not in text
    for line in rows_of(text, STRATEGIES).values():
        assert "float32" in line
    assert "every one within its model" in one_line(text)


@every_width
def test_train_shows_accuracy_and_every_class(width):
    outputs, labels = np.eye(10)[np.arange(40) % 10], np.arange(40) % 10
    text = capture(width, lambda: print_metrics(make_console(), measure(outputs, labels, 0.5), "784-512-10"))
    rows_of(text, ["accuracy", *map(str, range(10)), "weighted mean"])
    assert "100.00%" in text


@every_width
def test_train_compared_shows_what_every_strategy_has_learnt(width):
    points = [Point(4, 0.04, 1.0, 1.0, 0.9818)]
    learnt = [Learnt(name, "ok", "", 4, 0.04, 512, 1000, points) for name in STRATEGIES[:-1]]
    learnt.append(Learnt(STRATEGIES[-1], "over-memory-budget", "needs 2 GB; the budget is 1 GB"))
    text = capture(width, lambda: print_comparison(make_console(), learnt, 10, "784-512-10"))
    lines = rows_of(text, STRATEGIES)
    assert width == 40 or "98.18% ± 0.83%" in lines["short-form"]
    assert "over-memory-budget" in text
    assert "needs 2 GB" in one_line(text)
