"""The journal: what was measured is on the disk, whole, whatever happens next."""

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import ANY_AGREEMENT, ANY_RECORD, MANY_FIELDS, RUN, agreement, record, write_journal
from tables import sentence

from backprop.errors import OutputError, RecordError
from bench.journal import NAME, Journal, read_journal
from bench.record import FORMAT


@MANY_FIELDS
@given(st.lists(ANY_RECORD, max_size=3), st.lists(ANY_AGREEMENT, max_size=3))
def test_what_was_added_is_read_again(tmp_path_factory, records, agreements):
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, {"command": "backprop run"}) as journal:
        for row in (*records, *agreements):
            journal.add(row)
    run, read_records, read_agreements = read_journal(folder)
    assert run == {"kind": "run", "format": FORMAT, "command": "backprop run"}
    assert (read_records, read_agreements) == (records, agreements)


def test_a_row_is_on_the_disk_when_add_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    with Journal(tmp_path, {}) as journal:
        for k in range(3):
            journal.add(record(f"number-{k}"))
            text = (tmp_path / NAME).read_text()
            assert text.endswith("\n")
            assert len(text.splitlines()) == k + 2
            assert synced[-1] == len(text)
    assert len(synced) == 4


def test_the_folder_is_made(tmp_path):
    with Journal(tmp_path / "a" / "b", {}):
        pass
    assert (tmp_path / "a" / "b" / NAME).is_file()


@pytest.mark.parametrize("below", ["sub", "sub/sub"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        Journal(tmp_path / "file" / below, {})
    assert "expected a writable folder" in sentence(caught.value)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_disk_that_is_full_from_the_start_is_one_sentence(tmp_path):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no device that is always full")
    (tmp_path / NAME).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        Journal(tmp_path, {})


@pytest.mark.parametrize("written", [0, 17])
def test_a_disk_that_fills_up_keeps_the_whole_lines_and_no_part_of_one(tmp_path, monkeypatch, written):
    with Journal(tmp_path, {}) as journal:
        journal.add(record("kept"))
        before = (tmp_path / NAME).read_bytes()

        class Full:
            """A file that takes a few more bytes."""

            def __init__(self, file):
                self.file, self.left = file, written

            def write(self, data):
                if self.left == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                taken, self.left = self.left, 0
                return self.file.write(data[:taken])

            def __getattr__(self, name):
                return getattr(self.file, name)

        room = journal._file
        journal._file = Full(room)
        with pytest.raises(OutputError, match="what was measured so far is kept") as caught:
            journal.add(record("lost"))
        assert "No space left on device" in str(caught.value)
        assert (tmp_path / NAME).read_bytes() == before
        journal._file = room
        journal.add(record("after"))
    _, records, _ = read_journal(tmp_path)
    assert [row.strategy for row in records] == ["kept", "after"]


def test_a_disk_that_cannot_sync_is_an_error(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path, {}) as journal:
        journal.add(record("kept"))
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError):
            journal.add(record("lost"))
        monkeypatch.undo()
    assert [row.strategy for row in read_journal(tmp_path)[1]] == ["kept"]


def test_a_torn_last_line_is_left_out(tmp_path):
    folder = write_journal(tmp_path, record("whole"), record("torn"))
    path = folder / NAME
    path.write_bytes(path.read_bytes()[:-30])
    assert [row.strategy for row in read_journal(folder)[1]] == ["whole"]


def test_a_last_line_without_its_line_break_is_read(tmp_path):
    folder = write_journal(tmp_path, record("first"), agreement("a", "b"), record("last"))
    path = folder / NAME
    path.write_bytes(path.read_bytes()[:-1])
    _, records, agreements = read_journal(folder)
    assert [row.strategy for row in records] == ["first", "last"]
    assert len(agreements) == 1


def test_the_file_itself_can_be_named(tmp_path):
    folder = write_journal(tmp_path, record())
    assert read_journal(folder / NAME) == read_journal(folder)


NO_RUNS = {
    "a folder without a journal": None,
    "an empty file": b"",
    "a row before the run": b'{"kind": "record"}\n',
    "a list": b"[1, 2]\n",
    "not JSON": b"strategy,time\nshort-form,1\n",
    "not text": b"\xff\xfe\x00\n",
    "a newer format": json.dumps({"kind": "run", "format": FORMAT + 1}).encode() + b"\n",
    "no format": b'{"kind": "run"}\n',
    "a format that is a text": b'{"kind": "run", "format": "1"}\n',
    "a line in the middle that is not JSON": json.dumps(RUN).encode() + b"\n{broken\n{}\n",
}


@pytest.mark.parametrize("name", NO_RUNS)
def test_what_is_no_run_is_refused_in_one_sentence(tmp_path, name):
    if NO_RUNS[name] is not None:
        (tmp_path / NAME).write_bytes(NO_RUNS[name])
    with pytest.raises(RecordError) as caught:
        read_journal(tmp_path)
    message = sentence(caught.value)
    assert str(tmp_path) in message
    if "newer" in name:
        assert "newer version" in message
    if "middle" in name:
        assert message.startswith("Line 2 of ")
