"""What a training leaves in its folder: tables as CSV and Markdown, a picture, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backprop.bench.output import write_files
from backprop.bench.report.pictures import available
from backprop.bench.training import tables
from backprop.bench.training.compare import Learnt
from backprop.bench.training.session import Outcome
from backprop.data import Dataset
from backprop.training import Metrics, Point


def write_training(folder: Path, outcome: Outcome, metrics: Metrics, dataset: Dataset) -> list[Path]:
    """Write metrics.csv, confusion.csv, history.csv, report.md, training.json and metrics.svg.

    Without the extra `report` there is no metrics.svg. Returns what was written.
    Raises `OutputError` where the folder cannot be written.
    """
    trainer, picture = outcome.trainer, available()
    confusion = tables.confusion_rows(metrics)
    files: dict[str, str | bytes] = {
        "metrics.csv": tables.metrics_csv(metrics),
        "confusion.csv": tables.as_csv(confusion[0], (row.values() for row in confusion)),
        "history.csv": tables.as_csv(Point._fields, trainer.history),
    }
    if picture:
        from backprop.bench.training import pictures

        files["metrics.svg"] = pictures.draw_metrics(metrics, outcome.evaluation, dataset.test_images)
    files["report.md"] = tables.metrics_markdown(
        metrics, trainer.settings.to_json(), trainer.history, picture
    )
    files["training.json"] = as_json(training_json(outcome, metrics))
    return write_files("The report", folder, files)


def write_comparison(folder: Path, rows: Sequence[Learnt], per_epoch: int, command: str) -> list[Path]:
    """Write compare.csv, compare.json, compare.md and accuracy-against-time.svg.

    Without the extra `report` there is no picture. Returns what was written.
    Raises `OutputError` where the folder cannot be written.
    """
    points = [(row.strategy, *point) for row in rows for point in row.points]
    files: dict[str, str | bytes] = {"compare.csv": tables.as_csv(("strategy", *Point._fields), points)}
    picture = available() and any(row.points for row in rows)
    if picture:
        from backprop.bench.training import pictures

        files["accuracy-against-time.svg"] = pictures.draw_comparison(rows)
    files["compare.md"] = tables.comparison_markdown(rows, per_epoch, command, picture)
    files["compare.json"] = as_json([row.to_json() for row in rows])
    return write_files("The report", folder, files)


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
