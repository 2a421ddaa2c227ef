"""Reports: made from the records of a run and from nothing else; they measure nothing."""

from __future__ import annotations

from pathlib import Path

from backprop.errors import OutputError


def write_reports(run: Path) -> list[Path]:
    """Write results.csv, report.md and, where matplotlib is installed, the plots; returns what was written.

    Raises `RecordError` where the run cannot be read and `OutputError` where its folder cannot be written.
    """
    from bench.report import frame, markdown, plots

    loaded = frame.load_run(run)
    try:
        written = [frame.write_csv(loaded, run / "results.csv")]
        pictures = plots.write_plots(loaded.frame, run) if plots.available() else []
        report = run / "report.md"
        report.write_text(markdown.render(loaded, [path.name for path in pictures]), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to {str(run)!r}: {error.strerror}; expected a writable folder."
        ) from error
    return [*written, report, *pictures]
