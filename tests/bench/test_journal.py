"""The journal: what was measured is on the disk, whole, whatever happens next."""

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import ANY_AGREEMENT, ANY_RECORD, MANY_FIELDS, RUN, agreement, described, record, write_journal
from tables import sentence

from backprop.bench.journal import NAME, Journal, begun, finished_groups, locked, read_journal
from backprop.bench.record import FORMAT
from backprop.errors import OutputError, RecordError


@MANY_FIELDS
@given(st.lists(ANY_RECORD, max_size=3), st.lists(ANY_AGREEMENT, max_size=3))
def test_what_was_added_is_read_again(tmp_path_factory, records, agreements):
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, described()) as journal:
        for row in (*records, *agreements):
            journal.add(row)
    run, read_records, read_agreements = read_journal(folder)
    assert run == described()
    assert (read_records, read_agreements) == (records, agreements)


def test_a_row_is_on_the_disk_when_add_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    with Journal(tmp_path, described()) as journal:
        for k in range(3):
            journal.add(record(f"number-{k}"))
            text = (tmp_path / NAME).read_text()
            assert text.endswith("\n")
            assert len(text.splitlines()) == k + 2
            assert synced[-1] == len(text)
    assert len(synced) == 4


def test_the_folder_is_made(tmp_path):
    with Journal(tmp_path / "a" / "b", described()):
        pass
    assert (tmp_path / "a" / "b" / NAME).is_file()


@pytest.mark.parametrize("below", ["sub", "sub/sub"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        Journal(tmp_path / "file" / below, described())
    assert "expected a writable folder" in sentence(caught.value)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_disk_that_is_full_from_the_start_is_one_sentence(tmp_path):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no device that is always full")
    (tmp_path / NAME).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        Journal(tmp_path, described())


@pytest.mark.parametrize("written", [0, 17])
def test_a_disk_that_fills_up_keeps_the_whole_lines_and_no_part_of_one(tmp_path, monkeypatch, written):
    with Journal(tmp_path, described()) as journal:
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

    with Journal(tmp_path, described()) as journal:
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
    "two runs, one after the other": 2 * (json.dumps(RUN).encode() + b"\n"),
    "a machine that is a list": b'{"kind": "run", "format": 1, "machine": []}\n',
    "a hundred thousand brackets": b"[" * 100_000 + b"\n",
    "brackets in a setting": b'{"kind": "run", "format": 1, "settings": {"a": ' + b"[" * 100_000 + b"\n",
    "an integer of 6,000 digits": b'{"kind": "run", "format": 1, "time_budget_s": ' + b"9" * 6000 + b"}\n",
    "half a pair of surrogates": b'{"kind": "run", "format": 1, "command": "\\ud800"}\n',
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


@pytest.fixture
def folder(tmp_path):
    """A journal of two groups, at its end."""
    with Journal(tmp_path, described()) as journal:
        journal.add_group("toy", [record("a"), record("b"), agreement("a", "b")])
        journal.add_group("small", [record("a", scenario="small")])
        journal.end()
    return tmp_path


def test_a_journal_whose_lines_end_in_a_checksum_is_read_as_before_there_was_none(folder):
    before, lines = read_journal(folder), (folder / NAME).read_text(encoding="utf-8").splitlines()
    old = [json.dumps(json.loads(line) | {"crc32": "0123abcd"}) + "\n" for line in lines]
    (folder / NAME).write_text("".join(old), encoding="utf-8")
    assert read_journal(folder) == before
    assert finished_groups(folder) == ({"toy", "small"}, True)


def test_a_resumed_journal_goes_on_after_its_last_whole_group(folder):
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[:6]))  # the second group has lost its end
    with Journal.resume(folder) as journal:
        assert (folder / NAME).read_bytes() == b"".join(lines[:5])
        journal.add_group("small", [record("a", scenario="small")])
        journal.end()
    assert (folder / NAME).read_bytes() == b"".join(lines)


@pytest.mark.parametrize("torn", ['{"kind": "gro', '{"kind": "group", "name": "sm', '{"kind": "end"', '{"ki'])
def test_a_torn_mark_does_not_count(folder, torn):
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / NAME).write_text("".join(lines[:6]) + torn, encoding="utf-8")
    assert finished_groups(folder) == ({"toy"}, False)


@pytest.mark.parametrize(
    ("content", "has_begun"),
    [(None, False), (b"", False), (b'{"kind": "run", "for', False), (json.dumps(RUN).encode() + b"\n", True)],
)
def test_a_run_that_was_killed_in_its_first_line_has_not_begun(tmp_path, content, has_begun):
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    assert begun(tmp_path) == has_begun


def test_a_folder_is_for_one_run_alone(tmp_path):
    with locked(tmp_path / "run"):
        with (
            pytest.raises(OutputError, match="Another run is writing to") as caught,
            locked(tmp_path / "run"),
        ):
            pass
        sentence(caught.value)
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_made_cannot_be_locked(tmp_path):
    (tmp_path / "file").write_text("kept")
    with (
        pytest.raises(OutputError, match="expected a writable folder") as caught,
        locked(tmp_path / "file" / "a"),
    ):
        pass
    sentence(caught.value)
