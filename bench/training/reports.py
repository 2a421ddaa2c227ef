"""What a training leaves in its folder: tables as CSV and Markdown, a picture, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backprop.data import Dataset
from backprop.errors import OutputError
from backprop.training import Metrics, Point
from bench.report import plots
from bench.training import tables
from bench.training.compare import Learnt
from bench.training.session import Outcome


def write_training(folder: Path, outcome: Outcome, metrics: Metrics, dataset: Dataset) -> list[Path]:
    """metrics.csv, confusion.csv, history.csv, report.md, training.json and, with matplotlib, metrics.svg.

    Raises `OutputError` where the folder cannot be written.
    """
    trainer, picture = outcome.trainer, plots.available()
    try:
        header, *body = tables.confusion_rows(metrics)
        written = [
            tables.write_metrics_csv(folder / "metrics.csv", metrics),
            tables.write_csv(folder / "confusion.csv", header, body),
            tables.write_csv(folder / "history.csv", Point._fields, trainer.history),
        ]
        if picture:
            from bench.training import pictures

            images = dataset.test_images
            written.append(pictures.draw_metrics(folder / "metrics.svg", metrics, outcome.evaluation, images))
        report = tables.metrics_markdown(metrics, trainer.settings.to_json(), trainer.history, picture)
        return [
            *written,
            _write(folder / "report.md", report),
            _write(folder / "training.json", as_json(training_json(outcome, metrics))),
        ]
    except OSError as error:
        raise _output_error(folder, error) from error


def write_comparison(folder: Path, rows: Sequence[Learnt], per_epoch: int, command: str) -> list[Path]:
    """compare.csv, compare.json, compare.md and, with matplotlib, accuracy-against-time.svg.

    Raises `OutputError` where the folder cannot be written.
    """
    try:
        points = [(row.strategy, *point) for row in rows for point in row.points]
        written = [tables.write_csv(folder / "compare.csv", ("strategy", *Point._fields), points)]
        picture = plots.available() and any(row.points for row in rows)
        if picture:
            from bench.training import pictures

            written.append(pictures.draw_comparison(folder / "accuracy-against-time.svg", rows))
        report = tables.comparison_markdown(rows, per_epoch, command, picture)
        return [
            *written,
            _write(folder / "compare.md", report),
            _write(folder / "compare.json", as_json([row.to_json() for row in rows])),
        ]
    except OSError as error:
        raise _output_error(folder, error) from error


def training_json(outcome: Outcome, metrics: Metrics) -> dict[str, Any]:
    """The figures of a training; shares are 0 to 1, times in seconds of training."""
    trainer = outcome.trainer
    epochs = trainer.step / trainer.batches.per_epoch
    return {
        "test_accuracy": metrics.accuracy,
        "top2_accuracy": metrics.top2,
        "loss": metrics.loss,
        "expected_calibration_error": metrics.calibration_error,
        "epochs": epochs,
        "steps": trainer.step,
        "seconds": trainer.seconds,
        "seconds_per_epoch": trainer.seconds / epochs if epochs else None,
        "seed": trainer.settings.seed,
        "settings": trainer.settings.to_json(),
        "weights": str(outcome.weights),
        "interrupted": outcome.interrupted,
        "history": [point._asdict() for point in trainer.history],
    }


def as_json(values: object) -> str:
    """Indented JSON."""
    return json.dumps(values, indent=2) + "\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _output_error(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The report cannot be written to {str(folder)!r}: {error.strerror}; expected a writable folder."
    )
