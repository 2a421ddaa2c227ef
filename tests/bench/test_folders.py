"""Nothing is lost: a run has a folder of its own, and nothing that is there is replaced unasked."""

import json
import sys
from pathlib import Path

import pytest
from command import BACKPROP, backprop, finish, run_python, start
from rows import record, write_journal
from tables import sentence

from backprop.bench.commands.run import _going_on
from backprop.bench.files import LATEST, found, keep, lead_to, new_folder
from backprop.bench.journal import read_journal
from backprop.bench.report import html, left_as_they_were, make_room, pictures, write_reports
from backprop.errors import OutputError

PREDICT = ("run", "--predict", "--scenario", "toy", "--strategy", "short-form")


def test_two_runs_that_begin_in_one_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "2026-11-26T20-42-30")
    first = new_folder(results=tmp_path)
    first.mkdir()
    second = new_folder(results=tmp_path)
    assert (first.name, second.name) == ("2026-11-26T20-42-30", "2026-11-26T20-42-30-2")


@pytest.mark.parametrize("has_links", [True, False])
def test_the_newest_folder_is_found_with_links_and_without(tmp_path, monkeypatch, has_links):
    def refuse(*_, **__):
        raise OSError("a required privilege is not held by the client")

    if not has_links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in ("first", "second"):
        write_journal(tmp_path / name, record(name))
        lead_to(tmp_path / name)
        assert found(tmp_path / LATEST) == tmp_path / name
        assert [row.strategy for row in read_journal(tmp_path / LATEST)[1]] == [name]
    assert {path.parent.name for path in write_reports(tmp_path / LATEST)} == {"second"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest", "second"]


def test_a_folder_of_an_older_version_under_the_name_of_the_newest_stays(tmp_path):
    write_journal(tmp_path / LATEST, record("old"))
    write_journal(tmp_path / "new", record("new"))
    lead_to(tmp_path / "new")
    assert [row.strategy for row in read_journal(tmp_path / LATEST)[1]] == ["old"]


def test_a_finished_run_is_not_replaced_and_fresh_says_what_it_replaces(tmp_path, capsys):
    folder = write_journal(tmp_path / "run", record(), run={"kind": "run", "format": 1, "started": "today"})
    (folder / "report.html").write_text("of that run")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="A finished run lies in") as caught:
        make_room(folder, fresh=False)
    sentence(caught.value)
    make_room(folder, fresh=True)
    assert "replaces the run of today" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "records.jsonl"]


def test_a_file_that_is_there_is_kept_unless_fresh(tmp_path, capsys):
    path = tmp_path / "page.html"
    keep([path], fresh=False)
    path.write_text("mine")
    with pytest.raises(OutputError, match="is there; expected another place, or --fresh"):
        keep([path], fresh=False)
    keep([path], fresh=True)
    assert str(path) in capsys.readouterr().err


def test_a_report_keeps_what_it_cannot_make_again(tmp_path, monkeypatch):
    folder = write_journal(tmp_path, record())
    old = {name: f"old {name}" for name in (*pictures.NAMES, html.NAME)}
    for name, content in old.items():
        (folder / name).write_text(content)
    monkeypatch.setattr(pictures, "available", lambda: False)
    written = write_reports(folder)
    assert {path.name for path in written} == {"results.csv", "report.md"}
    assert {name: (folder / name).read_text() for name in old} == old
    older, missing = left_as_they_were(folder, written)
    assert all(name in older for name in old)
    assert missing == pictures.MISSING


def test_every_run_has_a_folder_of_its_own_and_a_named_one_is_not_replaced(tmp_path):
    for _ in range(2):
        assert backprop(*PREDICT, cwd=tmp_path).code == 0
    runs = sorted(path.name for path in (tmp_path / "results").iterdir() if path.name != LATEST)
    assert len(runs) == 2
    assert found(tmp_path / "results" / LATEST).name == runs[1]
    journal = tmp_path / "results" / runs[0] / "records.jsonl"
    before = journal.read_bytes()
    done = backprop(*PREDICT, "--out", str(journal.parent), cwd=tmp_path)
    assert (done.code, "expected another folder, or --fresh" in done.error_sentence) == (2, True)
    assert journal.read_bytes() == before
    done = backprop(*PREDICT, "--out", str(journal.parent), "--fresh", cwd=tmp_path)
    assert done.code == 0
    assert "Note: --fresh replaces the run of " in done.err


OUTPUTS = {
    "explain": ["explain", "--out", "page.html"],
    "derive": ["derive", "relu", "--out", "page.html"],
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_command_does_not_replace_a_file_unasked(tmp_path, command):
    (tmp_path / "page.html").write_text("mine")
    done = backprop(*OUTPUTS[command], cwd=tmp_path)
    assert (done.code, "'page.html' is there" in done.error_sentence) == (2, True)
    assert (tmp_path / "page.html").read_text() == "mine"
    done = backprop(*OUTPUTS[command], "--fresh", cwd=tmp_path)
    assert (done.code, done.err) == (0, "Note: --fresh replaces page.html.\n")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") != "mine"


def test_a_training_is_not_replaced_unasked(tmp_path):
    arguments = ("train", "--network", "784-4-10", "--epochs", "1", "--out", "out")
    assert backprop(*arguments, cwd=tmp_path).code == 0
    before = (tmp_path / "out" / "weights.npz").read_bytes()
    done = backprop(*arguments, "--seed", "1", cwd=tmp_path)
    assert (done.code, "weights.npz' is there" in done.error_sentence) == (2, True)
    assert (tmp_path / "out" / "weights.npz").read_bytes() == before
    assert backprop("train", "--resume", "out", cwd=tmp_path).code == 0


INTERRUPTED = """
import signal, sys
from backprop.bench.group import Group

def interrupt(*_):
    raise KeyboardInterrupt

Group.measure = interrupt
sys.argv = "backprop run --scenario toy --strategy short-form --fresh --out out".split()
from backprop.bench.cli import main
main()
"""


@pytest.mark.parametrize(
    ("begun", "goes_on"),
    [
        (["run"], "run --out 'my runs/1' --resume"),
        (["run", "--suite", "quick", "--fresh"], "run --suite quick --out 'my runs/1' --resume"),
        (["run", "--out", "a", "--resume"], "run --out a --resume"),
        (["run", "--out=my runs", "-s", "x y"], "run '--out=my runs' -s 'x y' --resume"),
    ],
)
def test_the_command_that_goes_on_is_the_one_that_began_with_its_folder(begun, goes_on):
    assert _going_on(begun, Path("my runs/1")) == f"backprop {goes_on}"


@pytest.mark.processes
def test_an_interrupt_before_the_first_result_says_how_to_go_on_and_claims_nothing(tmp_path):
    done = run_python(INTERRUPTED, cwd=tmp_path)
    assert done.code == 130
    assert done.err.endswith(
        "Interrupted; nothing was measured.\n"
        "To go on: backprop run --scenario toy --strategy short-form --out out --resume\n"
    )
    assert "Traceback" not in done.err
    assert "agree" not in done.out


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_while_the_command_loads_is_no_traceback(tmp_path):
    code = f"""
import os, signal, sys
sys.argv = {json.dumps([BACKPROP, "list"])}
class Interrupt:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from backprop.bench.cli import main
main()
"""
    done = finish(start([sys.executable, "-c", code], tmp_path))
    assert (done.code, done.err) == (130, "Interrupted.\n")


@pytest.mark.processes
def test_an_interrupt_that_no_command_expects_is_one_sentence(tmp_path):
    code = """
import sys
import backprop.bench.training.command as command

def interrupt(*_):
    raise KeyboardInterrupt

command.run_train = interrupt
sys.argv = "backprop train --out out".split()
from backprop.bench.cli import main
main()
"""
    done = run_python(code, cwd=tmp_path)
    assert (done.code, done.err) == (130, "Interrupted.\n")
