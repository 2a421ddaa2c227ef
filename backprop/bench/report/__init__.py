"""Reports: made from the records of a run and from nothing else; they measure nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backprop.bench.journal import path_of
from backprop.bench.output import write_files, writing


def write_reports(run: Path) -> list[Path]:
    """Write results.csv, report.md and, with the extras `report` and `html`, the plots and report.html.

    Returns what was written. A file is there whole or, where its writing failed, as it was before; what cannot be
    made here, because an extra is not installed, stays as it is.
    Raises `RecordError` where the run cannot be read and `OutputError` where its folder cannot be written.
    """
    from backprop.bench.report import frame, html, markdown, plots

    loaded, folder = frame.load_run(run), path_of(run).parent
    pictures = plots.draw_plots(loaded.frame) if plots.available() else {}
    shown = [name for name in pictures if name.endswith(".svg")]
    files: dict[str, str | bytes] = {
        "results.csv": frame.to_csv(loaded),
        "report.md": markdown.render(loaded, shown, plots.available()),
        **pictures,
    }
    if html.available():
        files[html.NAME] = html.render(loaded, folder)
    if plots.available():
        with writing("The report", folder):
            for name in set(plots.NAMES) - set(pictures):  # of other figures: this journal gives none
                (folder / name).unlink(missing_ok=True)
    return write_files("The report", folder, files)


def write_page(run: Path) -> Path:
    """Write report.html alone; raises `PageError` without the extra `html`, and as `write_reports` does."""
    from backprop.bench.report import frame, html

    folder = path_of(run).parent
    page = html.render(frame.load_run(run), folder)
    return write_files("The page", folder, {html.NAME: page})[0]


def older_files(folder: Path, written: Sequence[Path]) -> str | None:
    """One sentence on the reports in a folder that were not made again with those that were written."""
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
    from backprop.bench.report import html, plots

    return [folder / name for name in ("results.csv", "report.md", *plots.NAMES, html.NAME)]
