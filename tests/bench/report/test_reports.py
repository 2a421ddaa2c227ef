"""Reports are made from the records alone: the same again, whole or not at all, and never about another run."""

import errno
import os
from pathlib import Path

import pytest
from rows import agreement, left_out, record, write_journal, wrong
from tables import sentence

from backprop.bench.report import html, pictures, write_reports
from backprop.errors import OutputError, RecordError

ROWS = [
    record(),
    record("layerwise-vjp", 2e-3),
    wrong(),
    left_out(),
    agreement("short-form", "layerwise-vjp"),
]
PAGE = ["report.html"] if html.available() else []
ALL = ["results.csv", "report.md", *(pictures.NAMES if PAGE else ()), *PAGE]


def contents(folder):
    """Every file's bytes by its name; of a PDF, in which fonts are named at random, its length."""
    return {
        path.name: path.stat().st_size if path.suffix == ".pdf" else path.read_bytes()
        for path in folder.iterdir()
    }


@pytest.fixture
def folder(tmp_path):
    return write_journal(tmp_path / "run", *ROWS)


def test_writing_twice_gives_the_same_bytes(folder):
    written = write_reports(folder)
    first = contents(folder)
    assert [path.name for path in written] == ALL
    assert write_reports(folder) == written
    assert contents(folder) == first


def test_the_journal_is_left_alone_and_nothing_else_is_written(folder):
    before = contents(folder)
    write_reports(folder)
    after = contents(folder)
    assert set(after) == {*before, *ALL}
    assert after["records.jsonl"] == before["records.jsonl"]


def test_the_place_of_the_run_does_not_matter(folder, tmp_path):
    write_reports(folder)
    other = tmp_path / "elsewhere"
    folder.rename(other)
    first = contents(other)
    write_reports(other)
    assert contents(other) == first


def test_the_journal_itself_can_be_named(folder):
    assert {path.parent for path in write_reports(folder / "records.jsonl")} == {folder}


@pytest.mark.parametrize("rows", [[], [left_out()], [wrong()]], ids=["empty", "left out", "wrong"])
def test_a_run_without_a_right_cell_has_tables_and_no_pictures(tmp_path, rows):
    written = write_reports(write_journal(tmp_path, *rows))
    assert [path.name for path in written] == ["results.csv", "report.md", *PAGE]
    assert "No pictures: no right cell" in (tmp_path / "report.md").read_text()


def test_pictures_of_another_run_are_removed(folder):
    write_reports(folder)
    write_journal(folder, left_out())
    write_reports(folder)
    assert not any((folder / name).exists() for name in pictures.NAMES)


def test_without_vl_convert_nothing_is_removed_and_one_sentence_says_what_to_install(folder, monkeypatch):
    for name in pictures.NAMES:
        (folder / name).write_text("of an earlier report")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    written = write_reports(folder)
    assert [path.name for path in written] == ["results.csv", "report.md"]
    assert {(folder / name).read_text() for name in pictures.NAMES} == {"of an earlier report"}
    (line,) = [line for line in (folder / "report.md").read_text().splitlines() if "pip install" in line]
    assert line == "No pictures: they need `pip install -e '.[report]'`."


def test_a_full_disk_leaves_the_reports_as_they_were(folder, monkeypatch):
    write_reports(folder)
    before = contents(folder)
    write_journal(folder, record("another"))
    before["records.jsonl"] = (folder / "records.jsonl").read_bytes()

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_reports(folder)
    sentence(caught.value)
    assert contents(folder) == before


def test_a_file_that_is_a_folder_is_one_sentence(folder):
    (folder / "report.md").mkdir()
    with pytest.raises(OutputError) as caught:
        write_reports(folder)
    sentence(caught.value)


def test_what_is_no_run_gets_no_report(tmp_path):
    with pytest.raises(RecordError):
        write_reports(tmp_path)
    assert contents(tmp_path) == {}
