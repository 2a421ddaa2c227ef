"""Two runs, cell by cell: what may be said of them, and the Markdown that says it."""

import json
import math
import re

import numpy as np
import pytest
from command import backprop
from rows import RUN, left_out, record, write_journal
from tables import sentence

from backprop.bench.comparison import ComparisonError, compare_runs
from backprop.bench.report.comparison import render
from backprop.errors import RecordError

CPU = {"cpu": "Fast 9000", "cores": 2}


def turns(median, spread=0.01, starts=10, each=8, seed=0):
    rng = np.random.default_rng(seed)
    level = np.exp(spread * rng.standard_normal(starts))[:, None]
    return (median * level * np.exp(spread * rng.standard_normal((starts, each)))).tolist()


def timed(strategy, median, floor=1.02, seed=0, **changes):
    samples = turns(median, seed=seed)
    middle = float(np.median([np.median(start) for start in samples]))
    return record(strategy, middle, samples_s=samples, noise_floor=floor, **changes)


def run(folder, *rows, machine=CPU):
    return write_journal(folder, *rows, run=RUN | {"machine": machine})


@pytest.fixture
def pair(tmp_path):
    """Two runs with one cell of every kind."""
    old = run(
        tmp_path / "old",
        timed("steady", 1e-3),
        timed("slow-now", 1e-3),
        timed("fast-now", 1e-3),
        timed("noisy", 1e-3, floor=1.3),
        timed("gone-now", 1e-3),
        left_out("dense"),
        timed("crashed-now", 1e-3),
    )
    new = run(
        tmp_path / "new",
        timed("steady", 1e-3, seed=1),
        timed("slow-now", 1.3e-3, seed=2),
        timed("fast-now", 0.8e-3, seed=3),
        timed("noisy", 1.2e-3, seed=4),
        timed("new-now", 1e-3),
        left_out("dense"),
        left_out("crashed-now", status="crashed", reason="SIGSEGV"),
    )
    return old, new


def compared(first, second, across=False):
    return compare_runs(first, second, across)


def test_every_cell_has_its_verdict(pair):
    verdicts = {cell.strategy: cell.verdict for cell in compared(*pair).cells}
    assert verdicts == {
        "steady": "same within noise",
        "slow-now": "slower",
        "fast-now": "faster",
        "noisy": "same within noise",
        "gone-now": "gone",
        "new-now": "new",
        "dense": "not measured",
        "crashed-now": "ok, now crashed",
    }


def test_the_ratio_is_second_over_first_within_its_interval(pair):
    cells = {cell.strategy: cell for cell in compared(*pair).cells}
    ratio = cells["slow-now"].ratio
    assert ratio.value == pytest.approx(1.3, rel=0.03)
    assert 1 < ratio.low <= ratio.value <= ratio.high < 1.4
    assert cells["noisy"].noise_floor == 1.3
    assert cells["new-now"].ratio is cells["gone-now"].ratio is cells["dense"].ratio is None


def test_a_run_is_the_same_as_itself(pair):
    comparison = compared(pair[0], pair[0])
    assert {cell.verdict for cell in comparison.cells} == {"same within noise", "not measured"}
    assert comparison.geometric_mean == pytest.approx(1)
    assert comparison.worst() == 1


def test_the_geometric_mean_is_of_what_both_runs_measured(pair):
    comparison = compared(*pair)
    ratios = [cell.ratio.value for cell in comparison.cells if cell.ratio]
    assert len(ratios) == 4
    assert comparison.geometric_mean == pytest.approx(math.prod(ratios) ** 0.25)
    back = compared(*pair[::-1])
    assert back.geometric_mean == pytest.approx(1 / comparison.geometric_mean)


def test_cells_of_other_threads_dtypes_and_batches_are_other_cells(tmp_path):
    old = run(
        tmp_path / "old", timed("a", 1e-3), timed("a", 1e-3, threads=2), timed("a", 1e-3, dtype="float32")
    )
    new = run(tmp_path / "new", timed("a", 1e-3, batch_size=9))
    assert [cell.verdict for cell in compared(old, new).cells] == ["gone", "gone", "gone", "new"]


def test_samples_that_vary_more_than_they_differ_are_no_evidence(tmp_path):
    wide = record("a", 1.08e-3, samples_s=turns(1.08e-3, spread=0.3), noise_floor=1.0)
    old, new = run(tmp_path / "old", timed("a", 1e-3)), run(tmp_path / "new", wide)
    assert compared(old, new).cells[0].verdict == "same within noise"


@pytest.mark.parametrize("other", [{"cpu": "Slow 1", "cores": 2}, {"cpu": "Fast 9000", "cores": 64}, {}])
def test_different_machines_are_compared_only_when_asked_and_the_page_says_so(tmp_path, other):
    old, new = run(tmp_path / "old", timed("a", 1e-3)), run(tmp_path / "new", timed("a", 1e-3), machine=other)
    with pytest.raises(ComparisonError, match="different machines") as caught:
        compared(old, new)
    sentence(caught.value)
    page = render(compared(old, new, across=True), "old", "new")
    assert "> **Different machines**, Fast 9000, 2 cores before and" in page
    assert "Different machines" not in render(compared(old, old), "old", "old")


def test_the_page_is_markdown_with_what_changed_first(pair):
    page = render(compared(*pair), "runs/o_l_d", "runs/new")
    assert page.startswith("### `runs/new` against `runs/o_l_d`\n")
    assert re.search(r"\*\*Geometric mean of the ratios: \d\.\d{3} \(.*1 slower.*1 gone.*\)\.\*\*", page)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[1] == "| :-- | :-- | --: | --: | --: | --: | --: | :-- |"
    assert "slow-now" in table[2]
    assert all("same within noise" in line for line in table[-2:])
    assert "| slow-now | toy/float64 | " in table[2]


def test_cells_without_a_ratio_or_with_too_few_starts_are_not_tested(pair, tmp_path):
    assert compared(*pair).tested == 4
    few = run(tmp_path / "few", record("a", 1e-3, samples_s=turns(1e-3, starts=5)), timed("b", 1e-3))
    assert compared(few, few).tested == 1


def test_the_page_counts_the_cells_that_were_tested(tmp_path):
    one, two = (
        [timed(name, 1e-3) for name in names] for names in (["short-form"], ["short-form", "layerwise-vjp"])
    )
    for number, records in enumerate((one, two), 1):
        old = run(tmp_path / f"old-{number}", *records)
        said = "1 cell tested" if number == 1 else "2 cells tested"
        assert f"\n{said}, claims held at 5% together" in render(compared(old, old), "old", "old")


def test_names_that_are_markup_stay_names(tmp_path):
    old = run(tmp_path / "old", timed("a|b<i>*", 1e-3))
    page = render(compared(old, old), "old", "old")
    assert "a\\|b&lt;i&gt;\\*" in page


def test_nothing_in_common_has_no_mean(tmp_path):
    old, new = run(tmp_path / "old", timed("a", 1e-3)), run(tmp_path / "new", timed("b", 1e-3))
    assert "No cell was measured in both runs." in render(compared(old, new), "old", "new")


# pytest-benchmark


def benchmark_file(path, median, data=None, brand="Fast 9000", **changes):
    stats = {"median": median, "q1": 0.95 * median, "q3": 1.05 * median, "rounds": 5}
    one = {"fullname": "test_a.py::test_a", "group": None, "stats": stats | ({"data": data} if data else {})}
    values = {"machine_info": {"cpu": {"brand_raw": brand, "count": 2}}, "benchmarks": [one]} | changes
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_pytest_benchmarks_own_files_can_be_compared(tmp_path):
    rounds = turns(1.0, starts=1, each=30)[0]
    old = benchmark_file(tmp_path / "old.json", 1.0, rounds)
    new = benchmark_file(tmp_path / "new.json", 1.5, [1.5 * t for t in rounds])
    (cell,) = compared(old, new).cells
    assert (cell.strategy, cell.scenario) == ("test_a.py::test_a", "")
    assert cell.ratio.value == pytest.approx(1.5)


def test_rounds_of_one_process_have_a_ratio_and_neither_interval_nor_verdict(tmp_path):
    old, new = benchmark_file(tmp_path / "old.json", 1.0), benchmark_file(tmp_path / "new.json", 1.5)
    comparison = compared(old, new)
    (cell,) = comparison.cells
    assert cell.verdict == "no claim: 1 start, expected at least 6"
    assert not cell.ratio.has_interval
    assert "| 1.500 | - |" in render(comparison, "old", "new")


def test_a_limit_is_refused_where_there_are_too_few_starts_to_hold_it(tmp_path):
    benchmark_file(tmp_path / "old.json", 1.0)
    benchmark_file(tmp_path / "new.json", 1.5)
    done = backprop("compare", "old.json", "new.json", "--fail-above", "1.2", cwd=tmp_path)
    assert done.code == 2
    assert "took 1.50 times as long, and nothing can be claimed (no claim: 1 start" in done.error_sentence
    assert backprop("compare", "old.json", "new.json", "--fail-above", "1.6", cwd=tmp_path).code == 0
    values = json.loads(backprop("compare", "old.json", "new.json", "--json", cwd=tmp_path).out)
    assert values["cells"][0]["ratio"] == {"value": pytest.approx(1.5), "low": None, "high": None}


def test_a_run_of_the_same_machine_can_be_compared_with_pytest_benchmarks_file(tmp_path):
    old = run(tmp_path / "old", timed("a", 1e-3))
    verdicts = [cell.verdict for cell in compared(old, benchmark_file(tmp_path / "new.json", 1.0)).cells]
    assert verdicts == ["gone", "new"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"machine_info": 3}', '{"machine_info": {"cpu": {}}, "benchmarks": [{}]}']
)
def test_a_json_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content, encoding="utf-8")
    with pytest.raises(RecordError, match="expected what pytest --benchmark-json writes") as caught:
        compared(tmp_path / "other.json", tmp_path / "other.json")
    assert "\n" not in str(caught.value)


# The command


def test_the_command_prints_markdown_and_fails_above_a_factor(pair, tmp_path):
    for limit, code in (("1.2", 1), ("1.4", 0)):
        done = backprop("compare", *pair, "--fail-above", limit, "--out", "page.md", "--fresh", cwd=tmp_path)
        assert done.code == code, done.err
        assert (tmp_path / "page.md").read_text(encoding="utf-8") == done.out
    assert "| slow-now | toy/float64 |" in done.out


def test_the_command_prints_json(pair, tmp_path):
    done = backprop("compare", *pair, "--json", cwd=tmp_path)
    values = json.loads(done.out)
    assert done.code == 0
    assert {cell["verdict"] for cell in values["cells"]} >= {"slower", "faster", "new", "gone"}
    assert values["geometric_mean"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "old"], "There are no records in 'nowhere'"),
        (["old", "other"], "expected the same, or --across-machines"),
        (["old", "old", "--fail-above", "0.5"], "--fail-above is 0.5; expected a factor of at least 1"),
        (["old", "newer"], "a newer version wrote it"),
        (["old", "old", "--out", "no/where.md"], "cannot be written to 'no/where.md'"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, arguments, said):
    run(tmp_path / "old", timed("a", 1e-3))
    run(tmp_path / "other", timed("a", 1e-3), machine={"cpu": "Slow 1"})
    write_journal(tmp_path / "newer", run=RUN | {"format": 99})
    done = backprop("compare", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence


def on_hosts(folder, *cells):
    """A run of two hosts, with a processor each."""
    hosts = {"host-b": {"cpu": "Slow 1000", "cores": 8}, "host-a": CPU}
    return write_journal(folder, *cells, run=RUN | {"machine": CPU, "hosts": hosts})


def test_a_cell_that_another_processor_measured_has_no_ratio(tmp_path):
    old = on_hosts(
        tmp_path / "old",
        timed("stayed", 1e-3, cpu="Fast 9000"),
        timed("moved", 1e-3, cpu="Fast 9000"),
        timed("unknown", 1e-3),
        left_out("dense", cpu="Fast 9000"),
    )
    new = on_hosts(
        tmp_path / "new",
        timed("stayed", 1e-3, cpu="Fast 9000", seed=1),
        timed("moved", 9e-3, cpu="Slow 1000"),
        timed("unknown", 1e-3, cpu="Slow 1000", seed=2),
        left_out("dense", cpu="Slow 1000"),
    )
    comparison = compare_runs(old, new)
    assert comparison.machines == ("Fast 9000, 2 cores and Slow 1000, 8 cores",) * 2
    assert {cell.strategy: (cell.verdict, cell.ratio is None) for cell in comparison.cells} == {
        "stayed": ("same within noise", False),
        "moved": ("measured on another processor", True),
        "unknown": ("same within noise", False),
        "dense": ("not measured", True),
    }
    assert comparison.geometric_mean == pytest.approx(1, rel=0.05)
    assert comparison.worst() == 1
    asked = compare_runs(old, new, across_machines=True)
    assert {cell.strategy: cell.verdict for cell in asked.cells}["moved"] == "slower"


def test_runs_of_other_sets_of_processors_are_of_different_machines(tmp_path):
    old, new = run(tmp_path / "old", timed("a", 1e-3)), on_hosts(tmp_path / "new", timed("a", 1e-3))
    with pytest.raises(ComparisonError, match="'Fast 9000, 2 cores' and 'Fast 9000, 2 cores and Slow 1000"):
        compare_runs(old, new)
