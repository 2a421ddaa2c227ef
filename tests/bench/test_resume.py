"""A run that is killed, interrupted or started twice loses nothing, measures nothing twice, leaves nobody behind."""

import collections
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from command import backprop, without_notes
from instrument import Instrument
from rows import described

from backprop.bench import load as load_frame
from backprop.bench.journal import NAME, Journal, read_journal
from backprop.bench.report import write_reports

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here"),
]


def cells(folder):
    """Every cell with what does not depend on the clock."""
    _, records, _ = read_journal(folder)
    return [(r.scenario, r.dtype, r.strategy, r.status, r.agrees, r.starts, r.rounds) for r in records]


def pairs(folder):
    return [(row.scenario, row.first, row.second, row.agrees) for row in read_journal(folder)[2]]


def copied(run, instrument, keep=None):
    """The journal of another run in the instrument's folder, up to `keep` bytes or the mark `keep`."""
    folder = instrument.folder / "run"
    folder.mkdir()
    shutil.copy(run.folder / NAME, folder)
    content = (folder / NAME).read_bytes()
    if isinstance(keep, bytes):
        keep = content.index(keep)
    (folder / NAME).write_bytes(content[:keep])
    return folder


def again(instrument, *more, out="run"):
    """The same `run` in the instrument's folder once more, in this process."""
    return backprop("run", "--suite", "tiny.toml", "--out", out, *more, cwd=instrument.folder)


def test_an_undisturbed_run_measures_every_cell_in_every_start(undisturbed):
    assert undisturbed.code == 0
    assert cells(undisturbed.folder) == [
        (f"{network}-batch-4", "float64", strategy, "ok", True, 3, 3)
        for network in ("4-3-2", "9-4-2")
        for strategy in ("short-form", "layerwise-vjp")
    ]
    assert len(pairs(undisturbed.folder)) == 2
    for name in ("results.csv", "report.md"):
        assert (undisturbed.folder / name).is_file()
    for row in undisturbed.rows["records"]:
        low, median, high = (row[f"time_{name}_s"] for name in ("low", "median", "high"))
        assert 0 < low <= median <= high
        assert row["noise_floor"] >= 1
        assert row["memory_tracker"] in ("memray", "tracemalloc")
        assert row["flops_share"] > 0
        assert row["bandwidth_share"] > 0
        assert row["high_water_bytes"] > row["peak_bytes"] > 0
        assert row["prepare_peak_bytes"] <= row["peak_bytes"]


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems end only stopped workers with their parent"
)
def test_kill_9_at_six_random_moments_then_resume(instrument, undisturbed):
    rng = random.Random(6)
    early = [rng.uniform(0, 0.08) for _ in range(5)]
    late = [rng.uniform(0.5, 0.65)]  # long enough for a whole group
    moments = [share * undisturbed.seconds for share in early + late]
    rng.shuffle(moments)
    folder = instrument.folder / "run"
    journals = []
    for moment in moments:
        running = instrument.start("run", "--suite", "tiny.toml", "--out", "run", "--resume")
        try:
            running.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            running.kill()
        running.wait()
        assert running.returncode in (0, -signal.SIGKILL)
        instrument.wait_until(lambda: not instrument.processes())
        if (folder / NAME).exists():
            journals.append((folder / NAME).read_bytes())
    code, rows = instrument.run_json("run", "--suite", "tiny.toml", "--out", "run", "--resume")
    assert code == 0
    assert cells(folder) == cells(undisturbed.folder)
    assert pairs(folder) == pairs(undisturbed.folder)
    assert [(r["scenario"], r["strategy"]) for r in rows["records"]] == [c[0:3:2] for c in cells(folder)]
    final = (folder / NAME).read_bytes()
    for before in journals:  # what a group has measured stays to the byte: nothing is measured twice
        whole = before[: before.rfind(b'{"kind": "group"')] if b'{"kind": "group"' in before else b""
        assert final.startswith(whole)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems end only stopped workers with their parent"
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_dies_leaves_no_stopped_worker_behind(instrument, how):
    running = instrument.start("run", "--suite", "tiny.toml", "--out", "run")

    def stopped():
        return [p for p in instrument.processes() if p.status() == psutil.STATUS_STOPPED]

    def several_are_stopped():
        try:
            return len(stopped()) >= 2
        except psutil.NoSuchProcess:
            return False

    instrument.wait_until(several_are_stopped, running)
    assert all("backprop.bench.worker" in " ".join(p.cmdline()) for p in stopped())
    running.send_signal(how)
    running.wait()
    instrument.wait_until(lambda: not instrument.processes())


@dataclass
class Interrupted:
    """A run that got Ctrl-C once its first group was in the journal."""

    folder: Path
    code: int
    out: str
    err: str
    left: list
    """The processes that were still there a while after its end."""


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    made = Instrument(tmp_path_factory.mktemp("interrupted"))
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = made.start("run", "--suite", "tiny.toml", "--out", "run", **piped)
    journal = made.folder / "run" / NAME
    made.wait_until(lambda: journal.exists() and b'"group"' in journal.read_bytes(), running)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=600)
    _, left = psutil.wait_procs(made.processes(), timeout=60)
    said = without_notes(err.decode())
    return Interrupted(made.folder / "run", running.returncode, out.decode(), said, left)


def test_a_run_says_how_long_it_will_take_before_it_starts(interrupted):
    assert interrupted.err.startswith("Suite tiny: 4 cells in 2 scenarios, about ")


def test_ctrl_c_ends_a_run_with_a_code_and_a_line_and_leaves_no_worker(interrupted):
    assert interrupted.code == 130
    assert "Interrupted; what was measured is kept." in interrupted.err.splitlines()
    assert "Traceback" not in interrupted.err
    assert interrupted.left == []


def test_what_was_measured_before_ctrl_c_is_in_the_journal_and_in_a_report(interrupted, undisturbed):
    lines = (interrupted.folder / NAME).read_text(encoding="utf-8")
    assert lines.endswith("\n")
    assert all(json.loads(line, parse_constant=pytest.fail) for line in lines.splitlines())
    assert cells(interrupted.folder) == cells(undisturbed.folder)[:2]
    frame = load_frame(interrupted.folder)
    assert set(frame.scenario) == {"4-3-2-batch-4"}
    assert set(frame.status) == {"ok"}
    assert (interrupted.folder / "results.csv").read_text(encoding="utf-8").count("\n") == 3
    report = (interrupted.folder / "report.md").read_text(encoding="utf-8")
    assert "| short-form |" in report
    assert "4-3-2-batch-4" in report
    assert "9-4-2-batch-4" not in report
    assert "written: run/report.md" in interrupted.out


def test_a_torn_last_line_does_not_keep_the_report_away(interrupted, tmp_path):
    torn = (interrupted.folder / NAME).read_bytes() + b'{"kind": "record", "strat'
    (tmp_path / NAME).write_bytes(torn)
    done = backprop("report", ".", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert load_frame(tmp_path).equals(load_frame(interrupted.folder))


def test_an_unfinished_run_goes_on_only_when_it_is_told_to_and_only_once(interrupted, instrument):
    copied(interrupted, instrument)
    done = again(instrument)
    assert done.code == 2
    expected = "Error: An unfinished run lies in 'run'; expected --resume to go on, or --fresh"
    assert done.error_sentence.startswith(expected)
    running = instrument.start("run", "--suite", "tiny.toml", "--out", "run", "--resume")
    try:  # a second run, while the first is at work
        files = psutil.Process(running.pid).open_files
        instrument.wait_until(lambda: any(each.path.endswith(".lock") for each in files()), running)
        running.send_signal(signal.SIGSTOP)  # so that it is not done before the others have asked
        for more in (["--resume"], []):
            done = again(instrument, *more)
            assert done.code == 2
            assert (
                done.error_sentence
                == "Error: Another run is writing to 'run'; expected another folder, or to wait for it."
            )
    finally:
        running.kill()
        running.wait()


def test_ctrl_c_before_anything_was_measured(instrument):
    running = instrument.start("run", "--suite", "tiny.toml", "--out", "run", stderr=subprocess.PIPE)
    instrument.wait_until((instrument.folder / "run" / NAME).exists, running)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=600)
    assert running.returncode == 130, said
    assert "No cell was measured" in (instrument.folder / "run" / "report.md").read_text(encoding="utf-8")


def test_a_finished_run_resumed_measures_nothing(instrument, undisturbed):
    folder = copied(undisturbed, instrument)
    assert again(instrument, "--resume").code == 0
    assert (folder / NAME).read_bytes() == (undisturbed.folder / NAME).read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--turns", "2"], "turns 1 and this one 2"),
        (["--starts", "4"], "starts 3 and this one 4"),
        (["--strategy", "short-form"], "other strategies than this one: it alone has layerwise-vjp;"),
        (
            ["--strategy", "batched-jacobian,short-form"],
            "than this one: it alone has layerwise-vjp and this one alone has batched-jacobian;",
        ),
        (["--strategy", "layerwise-vjp,short-form"], "than this one: the same ones in another order;"),
        (
            ["--scenario", "9-4-2-batch-4"],
            "other scenarios than this one: it alone has 4-3-2-batch-4/float64",
        ),
        (["--time-budget", "7s"], "time_budget_s 60.0 and this one 7.0"),
    ],
)
def test_other_settings_are_refused(instrument, undisturbed, change, said):
    folder = copied(undisturbed, instrument, keep=b'{"kind": "end"')
    before = (folder / NAME).read_bytes()
    done = again(instrument, "--resume", *change)
    assert done.code == 2
    assert said in done.error_sentence
    assert done.error_sentence.endswith("expected the same settings to go on.")
    assert (folder / NAME).read_bytes() == before


def test_the_memory_budget_of_the_beginning_stays(instrument, undisturbed):
    copied(undisturbed, instrument, keep=b'{"kind": "end"')
    assert again(instrument, "--resume", "--memory-budget", "1B").code == 0


def test_resuming_a_folder_of_something_else_is_refused(instrument):
    (instrument.folder / "photos").mkdir()
    (instrument.folder / "photos" / "cat.png").write_bytes(b"cat")
    done = again(instrument, "--resume", out="photos")
    assert done.code == 2
    assert "holds no run to go on with" in done.error_sentence
    assert [path.name for path in (instrument.folder / "photos").iterdir()] == ["cat.png"]


def test_resuming_a_quick_look_is_refused(instrument):
    with Journal(instrument.folder / "run", described(command="pytest --benchmark-only")):
        pass
    done = again(instrument, "--resume")
    assert done.code == 2
    assert "was not made by `backprop run`" in done.error_sentence


def test_a_journal_with_a_line_that_is_no_row_is_not_resumed(instrument, undisturbed):
    folder = copied(undisturbed, instrument, keep=b'{"kind": "end"')
    text = (folder / NAME).read_text(encoding="utf-8")
    (folder / NAME).write_text(text.replace('"agrees": true', '"agrees": "yes"', 1), encoding="utf-8")
    done = again(instrument, "--resume")
    assert done.code == 2
    assert done.error_sentence.startswith("Error: Line 2 of ")
    assert "expected `bool | null`, got `str` - at `$.agrees`" in done.error_sentence


def test_every_way_to_tear_a_journal_leaves_whole_groups(tmp_path, undisturbed):
    """What `kill -9` in the middle of a write leaves, at every byte of the last group and many before."""
    content = (undisturbed.folder / NAME).read_bytes()
    first_line = content.index(b"\n") + 1
    path = tmp_path / NAME
    kept = collections.Counter()
    for length in [*range(first_line, len(content), 97), *range(len(content) - 200, len(content))]:
        path.write_bytes(content[:length])
        with Journal.resume(tmp_path) as journal:
            assert content.startswith(path.read_bytes())
            journal.end()
        _, records, agreements = read_journal(tmp_path)
        kept[len(records), len(agreements)] += 1
    assert set(kept) == {(0, 0), (2, 1), (4, 2)}


def test_the_report_can_be_made_again_from_the_journal_alone(tmp_path, undisturbed):
    shutil.copy(undisturbed.folder / NAME, tmp_path)
    write_reports(tmp_path)
    for name in ("report.md", "results.csv"):
        assert (tmp_path / name).read_bytes() == (undisturbed.folder / name).read_bytes()


def test_the_description_says_how_it_was_measured(undisturbed):
    run = json.loads((undisturbed.folder / NAME).read_text(encoding="utf-8").splitlines()[0])
    assert set(run["conditions"]) == {"pinned", "stops", "memory_tracker", "start_up_s"}
    assert run["notes"] == undisturbed.rows["notes"]
    assert run["machine"]["threads"] == 1
    assert all(pool["num_threads"] == 1 for pool in run["machine"]["blas"])
    assert bool(run["machine"]["pinned_to"]) == run["conditions"]["pinned"]
