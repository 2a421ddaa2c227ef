"""Reports: made from the records of a run and from nothing else; they measure nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from backprop.bench.files import write_files, writing
from backprop.bench.journal import begun, path_of, read_journal, unfinished
from backprop.errors import OutputError, RecordError


def write_reports(run: Path) -> list[Path]:
    """Write results.csv, report.md and, with the extra `report`, the pictures and report.html.

    Returns what was written. A file is written whole, or stays as it was. Without the extra the pictures and the page
    of an earlier report stay.
    Raises `RecordError` where the run cannot be read and `OutputError` where its folder cannot be written.
    """
    from backprop.bench.estimates import read_run
    from backprop.bench.report import frame, html, markdown, pictures

    found, folder = read_run(run), path_of(run).parent
    can_draw = pictures.available()
    drawn = pictures.draw_against_size(found.records) if can_draw else {}
    shown = [name for name in drawn if name.endswith(".svg")]
    files: dict[str, str | bytes] = {
        "results.csv": frame.to_csv(frame.to_frame(found.records)),
        "report.md": markdown.render(found, shown, can_draw),
        **drawn,
    }
    if can_draw:
        files[html.NAME] = html.render(found, folder)
        with writing("The report", folder):
            for name in set(pictures.NAMES) - set(drawn):  # pictures of other figures: this run gives none
                (folder / name).unlink(missing_ok=True)
    return write_files("The report", folder, files)


def write_page(run: Path) -> Path:
    """Write report.html alone; raises `PageError` without the extra `report`, and as `write_reports` does."""
    from backprop.bench.estimates import read_run
    from backprop.bench.report import html

    folder = path_of(run).parent
    page = html.render(read_run(run), folder)
    return write_files("The page", folder, {html.NAME: page})[0]


def left_as_they_were(folder: Path, written: Sequence[Path]) -> Iterator[str]:
    """In sentences: the reports in a folder that are those of an earlier report, and what could not be drawn."""
    from backprop.bench.report import pictures

    if older := [path.name for path in _reports(folder) if path.is_file() and path not in written]:
        yield f"kept as an earlier report made them: {', '.join(older)}"
    if not pictures.available():
        yield pictures.MISSING


def make_room(folder: Path, fresh: bool) -> None:
    """Raise `OutputError` where a run lies in the folder; with `fresh`, say what will be replaced.

    The reports of the replaced run are removed, since their figures would not be those of the new journal.
    """
    if not begun(folder):
        return
    if not fresh and unfinished(folder):
        raise OutputError(
            f"An unfinished run lies in {str(folder)!r}; expected --resume to go on, or --fresh to begin anew."
        )
    if not fresh:
        raise OutputError(
            f"A finished run lies in {str(folder)!r}; expected another folder, or --fresh to replace it."
        )
    try:
        run, records, _ = read_journal(folder)
    except RecordError as error:
        said = f"what cannot be read in {str(folder)!r}: {error}"
    else:
        said = f"the run of {run.started} in {str(folder)!r}, {len(records)} cells, and its reports."
    print(f"Note: --fresh replaces {said}", file=sys.stderr)
    with writing("The report", folder):
        for path in _reports(folder):
            path.unlink(missing_ok=True)


def _reports(folder: Path) -> list[Path]:
    from backprop.bench.report import html, pictures

    return [folder / name for name in ("results.csv", "report.md", *pictures.NAMES, html.NAME)]
