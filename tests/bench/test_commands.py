"""What scripts and terminals get: JSON with its keys, text without control codes, and `--help` at once."""

import re

import msgspec
import pytest
from command import backprop, run_pytest, run_python
from over import over
from rows import record, write_journal

from backprop import installed_strategies
from backprop.bench.commands.app import app
from backprop.bench.journal import Journal
from backprop.bench.machine import Limits
from backprop.bench.record import Agreement, Record
from backprop.bench.report import pictures
from backprop.bench.suites import find_suite, known_scenarios
from backprop.layers import LAYERS
from backprop.losses import LOSSES

QUICK = ["--scenario", "toy", "--strategy", "short-form", "--strategy", "layerwise-vjp"]


def test_an_interrupt_right_after_a_group_was_written_says_that_it_is_kept(tmp_path, monkeypatch):
    write = Journal.add_group

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add_group", interrupted)
    monkeypatch.setattr("backprop.bench.places.measure_limits", lambda dtype: Limits(1e9, 1e8))
    done = backprop("run", "--predict", *QUICK, "--scenario", "small", "--out", "run", cwd=tmp_path)
    assert done.code == 130
    assert "Interrupted; what was measured is kept." in done.err.splitlines()
    assert "2 cells predicted" in done.out


def test_list_names_everything_as_json(tmp_path):
    done = backprop("list", "--json", cwd=tmp_path)
    listed = done.json
    assert done.code == 0
    assert {"strategies", "layers", "losses", "scenarios", "peers"} <= set(listed)
    names = {kind: [row["name"] for row in rows] for kind, rows in listed.items() if kind != "peers"}
    assert names["strategies"] == list(installed_strategies())
    assert names["layers"] == list(LAYERS)
    assert names["losses"] == list(LOSSES)
    assert names["scenarios"] == [scenario.id for scenario in known_scenarios()]
    assert all(str(value).strip() for rows in listed.values() for row in rows for value in row.values())


def test_list_is_plain_text_when_piped(tmp_path):
    done = backprop("list", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out)
    for name in (*installed_strategies(), *LAYERS, *LOSSES, *(scenario.id for scenario in known_scenarios())):
        assert re.search(rf"^{re.escape(name)}( |$)", done.out, flags=re.MULTILINE), name
    assert list(tmp_path.iterdir()) == []


def test_verify_is_json_with_its_keys(tmp_path):
    done = backprop("verify", "--json", *QUICK, cwd=tmp_path)
    found = done.json
    assert done.code == 0
    assert {"records", "agreements", "agree", "written", "interrupted"} <= set(found)
    assert (found["agree"], found["written"], found["interrupted"]) == (True, [], False)
    assert [row["strategy"] for row in found["records"]] == ["short-form", "layerwise-vjp"]
    fields = {cls: {"kind", *(f.name for f in msgspec.structs.fields(cls))} for cls in (Record, Agreement)}
    assert {frozenset(row) for row in found["records"]} == {frozenset(fields[Record])}
    assert {frozenset(row) for row in found["agreements"]} == {frozenset(fields[Agreement])}
    assert list(tmp_path.iterdir()) == []


def test_run_is_json_with_its_keys_and_a_budget_leaves_rows(tmp_path):
    done = backprop("run", "--json", *QUICK, "--memory-budget", "1B", "--out", "out", cwd=tmp_path)
    found = done.json
    assert done.code == 0
    assert [row["status"] for row in found["records"]] == ["over-memory-budget"] * 2
    assert all(row["predicted_peak_bytes"] > 1 for row in found["records"])
    page = ["out/report.html"] if pictures.available() else []
    assert found["written"] == ["out/results.csv", "out/report.md", *page]
    assert "**No cell was measured; predicted for the same gradient: " in (
        tmp_path / "out" / "report.md"
    ).read_text(encoding="utf-8")


def test_help_is_shown_without_a_command(tmp_path):
    done = backprop(cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    for command in ("run", "verify", "report", "list"):
        assert re.search(rf"\b{command}\b", done.out)


@over(command=app.registered_commands)
def test_the_help_of_a_command_has_no_blanks_at_ends_of_lines_and_plain_arguments(command):
    done = backprop(command.name, "--help", cwd=".")
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if line.endswith(" ") or "{" in line] == []
    assert "Examples:" in done.out


@pytest.mark.processes
def test_help_needs_no_library_that_is_slow_to_load():
    heavy = ["numpy", "scipy", "pandas", "vl_convert", "pytest", "rich.table"]
    done = run_python(
        f"import sys, backprop.bench.cli; print([name for name in {heavy} if name in sys.modules])"
    )
    assert (done.code, done.out) == (0, "[]\n")


# pytest


def collected(*arguments):
    """The files of the tests that pytest would run."""
    done = run_pytest("--collect-only", "-q", *arguments)
    assert done.code == 0, done.out + done.err
    return {line.partition("::")[0] for line in done.out.splitlines() if "::" in line}


@pytest.mark.processes
def test_pytest_alone_collects_every_test_and_no_benchmark():
    done = run_pytest("--collect-only", "-q", "tests/data", "bench")
    assert {line.partition("/test_")[0] for line in done.out.splitlines() if "::" in line} == {"tests/data"}
    assert "deselected" not in done.out  # whether a file was named, as by `pytest tests/x.py`, or none


@pytest.mark.processes
def test_benchmark_only_collects_benchmarks_and_no_tests():
    files = collected("--benchmark-only", "--scenario", "toy")
    assert "bench/test_gradients.py" in files
    assert all(file.startswith("bench/") for file in files)


@pytest.mark.processes
def test_benchmark_only_measures_the_quick_suite_and_says_so_first():
    done = run_pytest("--benchmark-only", "--collect-only")
    quick = find_suite("quick")
    cells = sum(len(quick.strategies_of(scenario)) for scenario in quick.scenarios)
    assert f"backprop: {cells} cells in one process" in done.out
    assert f"{cells}/" in done.out  # of those that were collected
    assert "test_training.py" not in done.out


@pytest.mark.processes
def test_the_step_of_a_training_is_measured_where_its_file_is_named():
    done = run_pytest("--benchmark-only", "--collect-only", "-q", "bench/test_training.py")
    assert "bench/test_training.py::test_step" in done.out


@pytest.mark.processes
def test_the_strategies_and_the_scenario_that_are_named_are_all_that_is_measured():
    names = ["--scenario", "toy", "--strategy", "short-form,layerwise-vjp", "--strategy=short-form-dense"]
    done = run_pytest("--benchmark-only", "--collect-only", "-q", *names)
    tests = {line for line in done.out.splitlines() if "::" in line}
    assert tests == {
        f"bench/test_gradients.py::test_gradient[toy/float64-{name}]"
        for name in ("short-form", "layerwise-vjp", "short-form-dense")
    }


@pytest.mark.processes
def test_a_warning_of_another_library_fails_no_benchmark_and_one_of_ours_does(tmp_path):
    asked = ["--benchmark-only", "--scenario", "toy", f"--out={tmp_path / 'out'}"]
    for name, module in (("theirs", "pyparsing.core"), ("ours", "backprop.arrays")):
        (tmp_path / f"{name}.py").write_text(NOISY.format(name, module), encoding="utf-8")
        asked.append(f"--strategy={tmp_path / name}.py:Noisy")
    done = run_pytest(*asked)
    assert done.code == 1
    assert re.search(r"\b1 failed, 1 passed\b", done.out), done.out
    assert re.search(r"^FAILED bench/test_gradients\.py::test_gradient\[\S*ours\]", done.out, re.MULTILINE), (
        done.out
    )


NOISY = """
import warnings
from backprop.strategies.layerwise_vjp import STRATEGIES

(vjp,) = [one for one in STRATEGIES if one.name == "layerwise-vjp"]


class Noisy(type(vjp).__mro__[1]):
    name, accuracy, summary = "{0}", vjp.accuracy, vjp.summary

    def unsupported(self, *arguments):
        return None

    def cost(self, *arguments):
        return vjp.cost(*arguments)

    def prepare(self, *arguments):
        return vjp.prepare(*arguments)

    def value_and_gradient(self, *arguments):
        warnings.warn_explicit("old", DeprecationWarning, "file.py", 1, "{1}", registry={{}})
        return vjp.value_and_gradient(*arguments)
"""


def test_report_makes_the_page_or_prints_the_markdown_alone(tmp_path):
    folder = write_journal(tmp_path / "run", record(), record("vjp", 40e-3))
    done = backprop("report", "run", "--markdown", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("### The same gradient: 1x, 40x the time\n")
    assert [path.name for path in folder.iterdir()] == ["records.jsonl"]
    if pictures.available():
        done = backprop("report", "run", "--html", cwd=tmp_path)
        assert (done.code, done.out, done.err) == (0, "run/report.html\n", "")
        assert {path.name for path in folder.iterdir()} == {"records.jsonl", "report.html"}


@pytest.mark.processes
def test_without_the_extra_a_report_says_in_one_line_how_to_get_the_page(tmp_path):
    write_journal(tmp_path / "run", record())
    code = (
        "import sys; sys.modules['vl_convert'] = None; import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'vl_convert' else find(name)\n"
        "from backprop.bench.cli import main; sys.argv = ['backprop', 'report', *ARGUMENTS]; main()"
    )
    done = run_python(code.replace("*ARGUMENTS", "'run'"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == pictures.MISSING
    done = run_python(code.replace("*ARGUMENTS", "'run', '--html'"), cwd=tmp_path)
    assert done.code == 2
    assert "pip install" in done.error_sentence


def test_verify_takes_a_network_in_both_dtypes_and_a_suite(tmp_path):
    two = ["-s", "short-form,batched-jacobian", "--json"]
    network = ["--network", "4x4 patches2 tokenwise2 mean-tokens 3", "--batch", "2"]
    found = backprop("verify", *two, *network, cwd=tmp_path).json
    assert found["agree"]
    assert [(row["strategy"], row["dtype"], row["status"]) for row in found["records"]] == [
        (strategy, dtype, "ok")
        for dtype in ("float32", "float64")
        for strategy in ("short-form", "batched-jacobian")
    ]
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'networks = ["5 embedding9x2 mean-tokens 3"]\nstrategies = ["short-form", "layerwise-vjp"]\n'
    )
    found = backprop("verify", "--suite", "mine.toml", "--json", cwd=tmp_path).json
    assert [(row["strategy"], row["status"]) for row in found["records"]] == [
        ("short-form", "ok"),
        ("layerwise-vjp", "ok"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--network", "4-3-2", "--scenario", "toy"], "beside --suite or --scenario"),
        (["--network", "4-3-2", "--suite", "quick"], "beside --suite or --scenario"),
        (["--batch", "3"], "without --network"),
        (["--network", "4-3-2", "--batch", "0"], "The number of samples is 0"),
        (["--network", "784 fold 3"], "Unknown layer 'fold'"),
    ],
)
def test_verify_refuses_what_says_nothing_together(arguments, said, tmp_path):
    assert said in backprop("verify", *arguments, cwd=tmp_path).error_sentence
