"""Reports: made from the records of a run and from nothing else; they measure nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backprop.bench.files import write_files, writing
from backprop.bench.journal import path_of


def write_reports(run: Path) -> list[Path]:
    """Write results.csv, report.md and, with the extra `report`, the pictures and report.html.

    Returns what was written. A file is written whole, or stays as it was. Without the extra the pictures and the page
    of an earlier report stay.
    Raises `RecordError` where the run cannot be read and `OutputError` where its folder cannot be written.
    """
    from backprop.bench.report import frame, html, markdown, pictures

    loaded, folder = frame.load_run(run), path_of(run).parent
    can_draw = pictures.available()
    drawn = pictures.draw_against_size(loaded.frame) if can_draw else {}
    shown = [name for name in drawn if name.endswith(".svg")]
    files: dict[str, str | bytes] = {
        "results.csv": frame.to_csv(loaded),
        "report.md": markdown.render(loaded, shown, can_draw),
        **drawn,
    }
    if can_draw:
        files[html.NAME] = html.render(loaded, folder)
        with writing("The report", folder):
            for name in set(pictures.NAMES) - set(drawn):  # pictures of other figures: this run gives none
                (folder / name).unlink(missing_ok=True)
    return write_files("The report", folder, files)


def write_page(run: Path) -> Path:
    """Write report.html alone; raises `PageError` without the extra `report`, and as `write_reports` does."""
    from backprop.bench.report import frame, html

    folder = path_of(run).parent
    page = html.render(frame.load_run(run), folder)
    return write_files("The page", folder, {html.NAME: page})[0]


def older_files(folder: Path, written: Sequence[Path]) -> str | None:
    """One sentence that names the reports in a folder which an earlier report made and `written` does not hold."""
    older = [path.name for path in _reports(folder) if path.is_file() and path not in written]
    if not older:
        return None
    return f"kept as an earlier report made them: {', '.join(older)}"


def remove_reports(folder: Path) -> None:
    """Remove every report of a run; raises `OutputError`."""
    with writing("The report", folder):
        for path in _reports(folder):
            path.unlink(missing_ok=True)


def _reports(folder: Path) -> list[Path]:
    from backprop.bench.report import html, pictures

    return [folder / name for name in ("results.csv", "report.md", *pictures.NAMES, html.NAME)]
