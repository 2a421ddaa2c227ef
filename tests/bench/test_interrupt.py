"""What was measured before an interrupt is kept, whole, and reported."""

import json
import signal
import time

import pytest
from command import BACKPROP, backprop, finish, start

from backprop.bench import load

pytestmark = pytest.mark.processes


def records_in(folder):
    """How many whole records the journal has so far."""
    journal = folder / "records.jsonl"
    return journal.read_text().count('"kind": "record"') if journal.exists() else 0


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run that gets SIGINT, as by Ctrl-C, once its first scenario is in the journal."""
    folder = tmp_path_factory.mktemp("interrupted")
    names = ["--strategy", "short-form", "--scenario", "toy", "--scenario", "small"]
    process = start([BACKPROP, "run", *names, "--starts", "3", "--turns", "1", "--out", "out"], folder)
    give_up = time.monotonic() + 100
    while records_in(folder / "out") < 1 and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    return finish(process), folder


def test_exit_code_and_one_line_say_so(interrupted):
    done, _ = interrupted
    assert done.code == 130
    assert "Interrupted; what was measured is kept." in done.err.splitlines()
    assert "Traceback" not in done.err


def test_what_was_measured_is_in_the_journal_and_valid(interrupted):
    _, folder = interrupted
    lines = (folder / "out" / "records.jsonl").read_text(encoding="utf-8")
    assert lines.endswith("\n")
    assert all(json.loads(line, parse_constant=pytest.fail) for line in lines.splitlines())
    frame = load(folder / "out")
    assert list(frame.scenario) == ["toy"]
    assert list(frame.status) == ["ok"]


def test_a_report_is_written(interrupted):
    done, folder = interrupted
    assert (folder / "out" / "results.csv").read_text().count("\n") == 2
    assert "| short-form |" in (folder / "out" / "report.md").read_text(encoding="utf-8")
    assert "written: out/report.md" in done.out


def test_a_torn_last_line_does_not_keep_the_report_away(interrupted, tmp_path):
    _, folder = interrupted
    content = (folder / "out" / "records.jsonl").read_bytes()
    (tmp_path / "records.jsonl").write_bytes(content + b'{"kind": "record", "strat')
    done = backprop("report", ".", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert load(tmp_path).equals(load(folder / "out"))
