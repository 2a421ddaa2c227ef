"""Reports: made from the records of a run and from nothing else; they measure nothing."""

from __future__ import annotations

from pathlib import Path

from bench.output import write_files, writing


def write_reports(run: Path) -> list[Path]:
    """Write results.csv, report.md and, with the extras `report` and `html`, the plots and report.html.

    Returns what was written.

    A file is there whole or, where its writing failed, as it was before.
    Raises `RecordError` where the run cannot be read and `OutputError` where its folder cannot be written.
    """
    from bench.report import frame, html, markdown, plots

    loaded = frame.load_run(run)
    folder = run if run.is_dir() else run.parent
    pictures = plots.draw_plots(loaded.frame) if plots.available() else {}
    shown = [name for name in pictures if name.endswith(".svg")]
    files: dict[str, str | bytes] = {
        "results.csv": frame.to_csv(loaded),
        "report.md": markdown.render(loaded, shown, plots.available()),
        **pictures,
    }
    if html.available():
        files[html.NAME] = html.render(loaded, folder)
    with writing("The report", folder):
        for name in {*plots.NAMES, html.NAME} - set(files):
            (folder / name).unlink(missing_ok=True)  # of another run
    return write_files("The report", folder, files)


def write_page(run: Path) -> Path:
    """Write report.html alone; raises `PageError` without the extra `html`, and as `write_reports` does."""
    from bench.report import frame, html

    folder = run if run.is_dir() else run.parent
    page = html.render(frame.load_run(run), folder)
    return write_files("The page", folder, {html.NAME: page})[0]
