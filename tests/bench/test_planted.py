"""A wrong strategy is marked in all that the real commands print and write, and a right one beside it is not."""

import csv
import json
import re

import pytest
from command import BACKPROP, backprop, finish, start, start_pytest
from planted import failing, wrong

pytestmark = pytest.mark.processes

RIGHT = ("short-form",)
WRONG = {"MissingMean": "missing-mean", "TransposedWeight": "transposed-weight"}
WRONG["WrongOffDiagonal"] = "wrong-off-diagonal"


def options(*names):
    """`--strategy` for installed names and for classes of the planted files."""
    chosen = []
    for name in names:
        module = next((module for module in (wrong, failing) if hasattr(module, name)), None)
        chosen += ["--strategy", f"{module.__file__}:{name}" if module else name]
    return ["--scenario", "toy", *chosen]


def lines_of(folder):
    """The journal as JSON without NaN."""
    text = (folder / "records.jsonl").read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def table_line(text, *words):
    """The one line of a terminal's table that holds these words as cells."""
    found = [
        line
        for line in text.splitlines()
        if set(words) <= {cell.removesuffix(", unstable") for cell in re.split(r" {2,}", line.strip())}
    ]
    assert len(found) == 1, (words, found)
    return found[0]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """`backprop run`, `backprop verify` and `pytest --benchmark-only`, all at once: none is here to be quick."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "verify").mkdir()
    quick = ["--starts", "6", "--turns", "1", "--out", folder / "run"]
    more = ["layerwise-vjp", "OddName"]
    pytest_only = ["--benchmark-only", f"--out={folder / 'quick_look'}", "bench/test_gradients.py"]
    return folder, {
        "run": start([BACKPROP, "run", *options(*RIGHT, *WRONG, "Raises"), *quick], folder),
        "verify": start([BACKPROP, "verify", *options(*more, *RIGHT, *WRONG, "Raises")], folder / "verify"),
        "quick_look": start_pytest(*pytest_only, *options(*RIGHT, "MissingMean", "Raises", "Unsupported")),
    }


@pytest.fixture(scope="module")
def run(started):
    """`backprop run` of right, wrong and crashing strategies, and its folder."""
    return finish(started[1]["run"]), started[0] / "run"


@pytest.fixture(scope="module")
def verify(started):
    """`backprop verify` of the same and two more right ones, and the folder where it ran."""
    return finish(started[1]["verify"]), started[0] / "verify"


@pytest.fixture(scope="module")
def quick_look(started):
    """`pytest --benchmark-only` of a right, a wrong, a crashing and an unsupported one, and its folder."""
    return finish(started[1]["quick_look"]), started[0] / "quick_look"


@pytest.fixture(scope="module", params=["run", "quick_look"])
def measured(request):
    """Either way of measuring: what it printed and the folder that it wrote."""
    return request.getfixturevalue(request.param)


def wrong_in(folder):
    """The wrong strategies that were part of this run."""
    return [name for name in WRONG.values() if name in (folder / "records.jsonl").read_text()]


# Exit codes and what is printed


def test_run_verify_and_pytest_fail(run, verify, quick_look):
    assert (run[0].code, verify[0].code, quick_look[0].code) == (1, 1, 1)


def test_neither_says_anything_on_stderr_about_a_bug(run, verify, quick_look):
    for done, _ in (run, verify, quick_look):
        assert "Traceback" not in done.err + done.out


def test_the_terminal_marks_wrong_ones_and_only_them(run, verify):
    for done, _ in (run, verify):
        for name in WRONG.values():
            assert table_line(done.out, name, "disagrees")
        assert table_line(done.out, "short-form", "ok")
        assert table_line(done.out, "raises", "crashed")
        last = next(line for line in done.out.splitlines() if "DISAGREE: " in line)
        assert last.endswith("DISAGREE: missing-mean, transposed-weight, wrong-off-diagonal.")


def test_verify_prints_every_pair_with_its_verdict(verify):
    done, _ = verify
    names = ["layerwise-vjp", "odd|<b>`name` *two*", "short-form", *WRONG.values()]
    right = {"layerwise-vjp", "short-form", "odd|<b>`name` *two*"}
    rows = re.findall(r"^(\S.*?)  +(\S.*?)  +\S.*  (agree|DISAGREE) *$", done.out, flags=re.MULTILINE)
    assert len(rows) == len(names) * (len(names) - 1) // 2
    for first, second, verdict in rows:
        assert verdict == ("agree" if {first, second} <= right else "DISAGREE")


def test_verify_writes_nothing(verify):
    assert list(verify[1].iterdir()) == []


def test_piped_output_has_no_control_codes_and_a_row_is_a_line(run, verify):
    for done, _ in (run, verify):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out)
        assert "x" * 300 in table_line(done.out, "raises", "crashed")


def test_pytest_names_the_tests_that_fail_and_where_the_report_is(quick_look):
    done, folder = quick_look
    assert re.search(r"FAILED .*missing-mean\] - Failed: disagrees: error", done.out)
    assert re.search(r"FAILED .*raises\] - Failed: crashed: ValueError", done.out)
    assert re.search(r"= 2 failed, 1 passed, 1 skipped in", done.out)
    assert f"report: {folder / 'report.md'}" in done.out


def test_pytest_measures_with_the_settings_of_the_project(quick_look):
    header = next(line for line in quick_look[0].out.splitlines() if line.startswith("Name (time in"))
    assert header.split()[-4:] == ["Min", "Median", "IQR", "Rounds"]


# What is written


def test_the_journal_marks_them(measured):
    _, folder = measured
    rows = {line["strategy"]: line for line in lines_of(folder) if line["kind"] == "record"}
    for name in wrong_in(folder):
        assert (rows[name]["status"], rows[name]["agrees"]) == ("disagrees", False)
        assert rows[name]["time_median_s"] > 0
        assert rows[name]["gradient_error"] > rows[name]["tolerance"]
    assert (rows["short-form"]["status"], rows["short-form"]["agrees"]) == ("ok", True)
    assert (rows["raises"]["status"], rows["raises"]["time_median_s"]) == ("crashed", None)
    assert "ValueError: no [/luck]" in rows["raises"]["reason"]


def test_the_journal_holds_the_pairs_that_disagree(measured):
    _, folder = measured
    for line in lines_of(folder):
        if line["kind"] == "agreement":
            assert line["agrees"] == (not {line["first"], line["second"]} & set(WRONG.values()))


def test_the_csv_marks_them(measured):
    _, folder = measured
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["strategy"]: row for row in csv.DictReader(file)}
    expected = {"short-form": "ok", "raises": "crashed", **dict.fromkeys(wrong_in(folder), "disagrees")}
    assert {name: row["status"] for name, row in rows.items() if name != "not-for-this"} == expected
    assert {row["agrees"] for name, row in rows.items() if name in WRONG.values()} == {"False"}


def test_the_report_names_them_first_and_ranks_them_never(measured):
    _, folder = measured
    report = (folder / "report.md").read_text(encoding="utf-8")
    has_ranks = folder.name == "run"  # in a quick look one start has none
    named = ", ".join(f"{name} (toy, float64)" for name in sorted(wrong_in(folder)))
    said = f"**Wrong gradients, marked “disagrees” and not ranked: {named}."
    assert report.split("\n\n")[2].startswith(said)
    assert not any(name in report.split("\n\n")[1] for name in wrong_in(folder))
    for name in wrong_in(folder):
        row = next(line for line in report.splitlines() if f"| {name} |" in line and "disagrees" in line)
        assert row.startswith("|  |" if has_ranks else f"| {name} |"), row
    first = "1 \\| short-form" if has_ranks else "short-form"
    assert re.search(rf"^\| {first} \|.*\| ok(, unstable)? \|$", report, flags=re.MULTILINE)


def test_the_agreement_matrix_has_a_cross_for_each_wrong_pair(measured):
    _, folder = measured
    section = (folder / "report.md").read_text(encoding="utf-8").partition("## Agreement")[2]
    row = next(line for line in section.splitlines() if line.startswith("| short-form |"))
    assert row.count("✗") == len(wrong_in(folder))


def test_what_was_left_out_is_in_the_report_with_its_reason(measured):
    _, folder = measured
    section = (folder / "report.md").read_text(encoding="utf-8").partition("## Left out")[2]
    assert re.search(r"^\| raises \| toy \| float64 \| crashed \| ValueError: ", section, flags=re.MULTILINE)


def test_the_report_can_be_made_again_from_the_journal_alone(run):
    _, folder = run

    def contents():
        """All files; of a PDF only the name, since its fonts are named at random."""
        return {one.name: one.suffix == ".pdf" or one.read_bytes() for one in folder.iterdir()}

    before = contents()
    for name in set(before) - {"records.jsonl", ".lock"}:
        (folder / name).unlink()
    done = backprop("report", "run", cwd=folder.parent)
    assert (done.code, done.err) == (0, "")
    assert contents() == before
    written = sorted(word for word in done.out.split() if word.startswith("run/"))
    assert written == sorted(f"run/{name}" for name in set(before) - {"records.jsonl", ".lock"})
