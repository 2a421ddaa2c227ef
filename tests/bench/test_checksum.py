"""A journal that somebody has edited by hand is refused, by its first line that is not as it was written."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import RUN, agreement, record, write_journal
from tables import PROPERTY, sentence

from backprop.errors import OutputError, RecordError
from bench.journal import NAME, Journal, begun, finished_groups, locked, read_journal


@pytest.fixture
def folder(tmp_path):
    with Journal(tmp_path, {"command": "backprop run"}) as journal:
        journal.add_group("toy", [record("a"), record("b"), agreement("a", "b")])
        journal.add_group("small", [record("a", scenario="small")])
        journal.end()
    return tmp_path


def lines_of(folder):
    return (folder / NAME).read_text(encoding="utf-8").splitlines()


def rewrite(folder, lines):
    (folder / NAME).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def refused_at(folder):
    with pytest.raises(RecordError) as caught:
        read_journal(folder)
    message = sentence(caught.value)
    assert "changed after it was written" in message
    assert str(folder / NAME) in message
    return int(message.split()[1])


def test_every_line_has_its_own_checksum(folder):
    sums = [json.loads(line)["crc32"] for line in lines_of(folder)]
    assert len(set(sums)) == len(sums) == 8
    run, records, agreements = read_journal(folder)
    assert "crc32" not in run
    assert (len(records), len(agreements)) == (3, 1)


EDITS = {
    "a time": ('"time_median_s": 0.001', '"time_median_s": 0.002'),
    "a digit of a sample": ("[[0.001, ", "[[0.0011, "),
    "a status": ('"status": "ok"', '"status": "disagrees"'),
    "a name": ('"strategy": "b"', '"strategy": "c"'),
    "a field more": ('{"kind": "record", ', '{"kind": "record", "verdict": "faster", '),
    "the machine": ('"command": "backprop run"', '"command": "backprop run --fast"'),
    "a mark": ('"name": "small"', '"name": "large"'),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_refused_by_its_line(folder, edit):
    old, new = EDITS[edit]
    lines = lines_of(folder)
    number = next(k for k, line in enumerate(lines) if old in line)
    if edit == "a field more":
        lines[number] = lines[number].replace('"verdict": null, ', "")
    lines[number] = lines[number].replace(old, new, 1)
    rewrite(folder, lines)
    assert refused_at(folder) == number + 1


@pytest.mark.parametrize("number", range(1, 7))
def test_a_line_that_is_gone_doubled_or_moved_is_refused(folder, number):
    lines = lines_of(folder)
    rewrite(folder, lines[:number] + lines[number + 1 :])
    assert refused_at(folder) == number + 1
    rewrite(folder, [*lines[: number + 1], *lines[number:]])
    assert refused_at(folder) == number + 2
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    rewrite(folder, lines)
    assert refused_at(folder) == number + 1


def test_a_line_without_its_checksum_is_refused(folder):
    lines = lines_of(folder)
    row = json.loads(lines[2])
    del row["crc32"]
    lines[2] = json.dumps(row)
    rewrite(folder, lines)
    assert refused_at(folder) == 3


def test_another_layout_of_the_same_json_is_the_same_journal(folder):
    before = read_journal(folder)
    rewrite(folder, [json.dumps(json.loads(line), separators=(",", ":")) for line in lines_of(folder)])
    assert read_journal(folder) == before


def test_a_journal_without_checksums_can_be_read(tmp_path):
    assert len(read_journal(write_journal(tmp_path, record("a"), agreement("a", "b")))[1]) == 1


@settings(PROPERTY, max_examples=30)
@given(st.data())
def test_whatever_byte_is_changed_the_journal_is_refused_or_says_the_same(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, {"command": "x"}) as journal:
        journal.add_group("toy", [record("a"), agreement("a", "b")])
    before, content = read_journal(folder), bytearray((folder / NAME).read_bytes())
    first = content.index(b"\n") + 1
    last = content.rindex(b"\n", 0, -1)
    position = data.draw(st.integers(first, last - 1))
    content[position] = data.draw(st.integers(32, 126).filter(lambda byte: byte != content[position]))
    (folder / NAME).write_bytes(content)
    try:
        after = read_journal(folder)
    except RecordError:
        return
    assert after == before


def test_a_resumed_journal_goes_on_with_the_chain(folder):
    lines = lines_of(folder)
    rewrite(folder, lines[:6])  # the second group has lost its end
    with Journal.resume(folder) as journal:
        assert lines_of(folder) == lines[:5]
        journal.add_group("small", [record("a", scenario="small")])
        journal.end()
    assert lines_of(folder) == lines
    assert finished_groups(folder) == ({"toy", "small"}, True)


def test_a_failed_write_does_not_break_the_chain(tmp_path, monkeypatch):
    with Journal(tmp_path, {}) as journal:
        journal.add(record("a"))
        with monkeypatch.context() as patched:

            def full(descriptor):
                raise OSError(28, "No space left on device")

            patched.setattr("os.fsync", full)
            with pytest.raises(OutputError):
                journal.add(record("lost"))
        journal.add(record("b"))
    assert [row.strategy for row in read_journal(tmp_path)[1]] == ["a", "b"]


@pytest.mark.parametrize("torn", ['{"kind": "gro', '{"kind": "group", "name": "sm', '{"kind": "end"', '{"ki'])
def test_a_torn_mark_does_not_count(folder, torn):
    (folder / NAME).write_text("".join(f"{line}\n" for line in lines_of(folder)[:6]) + torn, encoding="utf-8")
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
