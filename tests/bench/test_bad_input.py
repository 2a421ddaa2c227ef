"""Bad input through the real command: exit code 2, one sentence on stderr, nothing written."""

import json
import re
import sys

import numpy as np
import pytest
from command import BACKPROP, backprop, finish, run_pytest, run_python, start
from planted import failing
from rows import RUN, record, write_journal

from backprop.bench.record import FORMAT, to_json
from backprop.bench.threads import available_cores

TOO_MANY = str(len(available_cores()) + 1)
MISTAKES = {
    "unknown strategy": (["run", "--strategy", "shortform"], "did you mean 'short-form'"),
    "no such file": (["verify", "--strategy", "nowhere.py:Wrong"], "There is no file 'nowhere.py'"),
    "no such class": (["verify", "--strategy", f"{failing.__file__}:Ralses"], "did you mean 'Raises'"),
    "unknown scenario": (["run", "--scenario", "mnits"], "did you mean 'mnist'"),
    "unknown scenario, far from any": (["verify", "--scenario", "x"], "deep, mnist, mnist-1,"),
    "negative memory budget": (["run", "--memory-budget", "-2GB"], "The memory budget is '-2GB'"),
    "zero time budget": (["verify", "--time-budget", "0"], "The time budget is '0'"),
    "unreadable budget": (["run", "--memory-budget", "much"], "'much'; expected a number and a unit"),
    "budget of NaN": (["run", "--time-budget", "nan"], "The time budget is 'nan'"),
    "no threads": (["run", "--threads", "0"], "The thread count is 0; expected 1 to"),
    "more threads than cores": (["verify", "--threads", TOO_MANY], f"The thread count is {TOO_MANY}"),
    "threads that are no number": (
        ["run", "--threads", "two"],
        "--threads is 'two'; expected a whole number",
    ),
    "no data": (["verify", "--data", "nowhere"], "nowhere"),
    "unknown option": (["run", "--strategie", "x"], "--strategie"),
    "unknown command": (["rnu"], "did you mean 'run'"),
    "an argument too many": (["list", "everything"], "everything"),
    "report without a folder": (["report"], "--help"),
    "report of nothing": (["report", "nowhere"], "There are no records in 'nowhere'"),
    "report of a folder without a run": (["report", "."], "There are no records in"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(name, tmp_path):
    arguments, named = MISTAKES[name]
    done = backprop(*arguments, cwd=tmp_path)
    assert named in done.error_sentence
    assert "expected" in done.error_sentence or "did you mean" in done.error_sentence
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("kept")
    done = backprop("run", "--scenario", "toy", "--strategy", "short-form", "--out", "file/sub", cwd=tmp_path)
    assert (done.code, "cannot be written to 'file/sub'" in done.error_sentence) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


FULL_DISK = """
import errno, os, sys
from backprop.bench.cli import main

def full(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

os.fsync = full
sys.argv = "backprop run --scenario toy --strategy short-form --out out".split()
main()
"""


@pytest.mark.processes
def test_a_full_disk_is_one_sentence(tmp_path):
    done = run_python(FULL_DISK, cwd=tmp_path)
    assert (done.code, "No space left on device" in done.error_sentence) == (2, True)
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == b""
    assert not (tmp_path / "out" / "report.md").exists()


FILES = {
    "an empty module": (
        ["verify", "--strategy", "empty.py:Mine"],
        "Unknown class in empty.py 'Mine'; expected one that",
    ),
    "an empty table": (["verify", "--data", "empty.csv"], "The table empty.csv cannot be read"),
    "an empty archive": (
        ["explain", "--values", "empty.npz"],
        "The file 'empty.npz' is damaged: got BadZipFile",
    ),
    "an empty suite": (["run", "--suite", "empty.toml"], "names no networks"),
    "an empty journal": (["report", "."], "does not begin with the one description of a run"),
    "Python in the place of a run": (
        ["report", "mine.py"],
        "Line 1 of mine.py cannot be read: JSON is malformed",
    ),
    "NaN in the data": (["verify", "--data", "nan.npz"], "are NaN or infinity; expected finite numbers"),
    "NaN in the values": (
        ["explain", "--values", "values.npz"],
        "has nan at [0, 0]; expected finite numbers",
    ),
    "a folder of nothing": (["verify", "--data", "folder"], "got no train-images-idx3-ubyte in the folder"),
    "a folder for a page": (["explain", "--out", "folder"], "whose ending names no format"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_what_it_should_be_is_one_sentence(name, tmp_path):
    for ending in ("py", "csv", "npz", "toml"):
        (tmp_path / f"empty.{ending}").touch()
    (tmp_path / "records.jsonl").touch()
    (tmp_path / "mine.py").write_text("x = 1\n")
    (tmp_path / "folder").mkdir()
    images, labels = np.full((4, 7, 7), np.nan, np.float32), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "nan.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    np.savez(tmp_path / "values.npz", W1=np.full((3, 4), np.nan))
    arguments, named = FILES[name]
    done = backprop(*arguments, cwd=tmp_path)
    assert (done.code, named in done.error_sentence, "expected" in done.error_sentence) == (2, True, True)


EDITED = {
    "newer format": (None, RUN | {"format": FORMAT + 1}, f"has format {FORMAT + 1}"),
    "unknown status": (
        to_json(record()) | {"status": "fine"},
        RUN,
        "Line 3 of .* 'fine' - at `\\$.status`",
    ),
    "another type": (
        to_json(record()) | {"rounds": "three"},
        RUN,
        "Line 3 of .* got `str` - at `\\$.rounds`",
    ),
    "missing field": (
        {"kind": "record", "strategy": "mine"},
        RUN,
        "Line 3 of .* missing required field `scenario`",
    ),
}


@pytest.mark.parametrize("name", EDITED)
def test_a_journal_edited_by_hand_is_refused_by_its_line(name, tmp_path):
    line, run, named = EDITED[name]
    edited = [] if line is None else [json.dumps(line)]
    write_journal(tmp_path, record(), *edited, record(), run=run)
    done = backprop("report", ".", cwd=tmp_path)
    assert done.code == 2
    assert re.search(named, done.error_sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_command_whose_pipes_the_shell_has_closed_ends_without_a_traceback(closed):
    done = finish(start(["sh", "-c", f'"{BACKPROP}" predict --network 4-3-2 {closed}'], None))
    assert (done.code, "Traceback" in done.out + done.err) == (0, False)


PYTEST_MISTAKES = {
    "unknown scenario": (["--scenario", "mnits"], "did you mean 'mnist'"),
    "negative budget": (["--time-budget=-3"], "The time budget is '-3'"),
}


@pytest.mark.processes
@pytest.mark.parametrize("name", PYTEST_MISTAKES)
def test_pytest_takes_a_mistake_for_its_own_usage_error(name, tmp_path):
    arguments, named = PYTEST_MISTAKES[name]
    done = run_pytest("--benchmark-only", *arguments, f"--out={tmp_path / 'out'}")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert done.err.startswith("ERROR: ")
    assert named in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
