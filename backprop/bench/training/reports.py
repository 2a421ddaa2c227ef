"""Reports of a training, printed and in its folder: tables, a picture, and the same as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from backprop import units
from backprop.bench.files import write_files
from backprop.bench.report.markdown import table_of
from backprop.bench.report.pictures import NEEDED, available
from backprop.bench.report.tables import Row
from backprop.bench.table import Columns, Table, print_tables
from backprop.bench.training.compare import Learnt
from backprop.bench.training.session import Outcome
from backprop.data import Dataset
from backprop.training import Metrics, Point

_NO_PICTURE = f"No picture: it needs `{NEEDED}`."

# Rows ---------------------------------------------------------------------------------------------------


def summary_rows(metrics: Metrics) -> list[Row]:
    """Accuracy, top-2, loss and calibration."""
    error = metrics.calibration_error
    figures = {
        "accuracy": _percent(metrics.accuracy),
        "top-2 accuracy": _percent(metrics.top2),
        "loss": f"{metrics.loss:.4f}",
        "expected calibration error": units.MISSING if error is None else _percent(error),
        "test samples": units.count(metrics.samples),
    }
    return [{"figure": name, "value": value} for name, value in figures.items()]


def class_rows(metrics: Metrics) -> list[Row]:
    """Precision, recall, F1 and samples of every class, then the averages."""
    shares = zip(metrics.precision, metrics.recall, metrics.f1, strict=True)
    rows = [
        _class_row(str(c), own, support)
        for c, (own, support) in enumerate(zip(shares, metrics.support, strict=True))
    ]
    averages = {"macro mean": metrics.macro, "weighted mean": metrics.weighted}
    return rows + [_class_row(name, average, metrics.samples) for name, average in averages.items()]


def _class_row(name: str, shares: Iterable[float], samples: int) -> Row:
    precision, recall, f1 = (_percent(float(share)) for share in shares)
    return {
        "class": name,
        "precision": precision,
        "recall": recall,
        "F1": f1,
        "samples": units.count(samples),
    }


def confusion_rows(metrics: Metrics) -> list[Row]:
    """A row for every true class; columns are predicted classes."""
    return [
        {"true \\ predicted": str(true)} | {str(c): str(count) for c, count in enumerate(counts)}
        for true, counts in enumerate(metrics.confusion.tolist())
    ]


def compare_rows(rows: Sequence[Learnt], batches_per_epoch: int) -> list[Row]:
    """The accuracy of each strategy, in the order asked for; ± is the 95% interval for so many test images."""
    return [
        {
            "strategy": row.strategy,
            "test accuracy": _accuracy(row),
            "steps": units.count(row.steps),
            "time a step": units.seconds(row.seconds_per_step),
            "training": units.seconds(row.seconds) if row.steps else units.MISSING,
            "epochs": f"{row.steps / batches_per_epoch:.2f}",
            "status": row.status,
            "reason": row.reason,
        }
        for row in rows
    ]


def _history_rows(history: Iterable[Point]) -> list[Row]:
    return [
        {
            "step": units.count(point.step),
            "seconds": units.seconds(point.seconds),
            "train_loss": f"{point.train_loss:.4f}",
            "test_loss": f"{point.test_loss:.4f}",
            "test_accuracy": _percent(point.test_accuracy),
        }
        for point in history
    ]


def _accuracy(row: Learnt) -> str:
    """98.18% ± 0.26%: the normal approximation of the binomial."""
    share = row.test_accuracy
    if share is None:
        return units.MISSING
    half = 1.96 * math.sqrt(share * (1 - share) / max(1, row.test_samples))
    return f"{_percent(share)} ± {_percent(half)}"


def _percent(share: float) -> str:
    """98.41%: two decimals, since trainings differ in the second one."""
    return f"{100 * share:.2f}%"


# Reports ------------------------------------------------------------------------------------------------


def _tables(metrics: Metrics) -> dict[str, list[Row]]:
    """What stands below the summary, by title."""
    return {"Per class": class_rows(metrics), "Confusion": confusion_rows(metrics)}


def print_metrics(console: Console, metrics: Metrics, title: str) -> None:
    """Three tables: the figures of the whole, those of every class, and the confusion matrix."""
    for name, rows in ({title: summary_rows(metrics)} | _tables(metrics)).items():
        print_tables(console, [Table(name, rows)], Columns(everything="report.md"))


def print_comparison(console: Console, rows: Sequence[Learnt], batches_per_epoch: int, title: str) -> None:
    """One row for each strategy."""
    print_tables(console, [Table(title, compare_rows(rows, batches_per_epoch))], _COMPARED)


_COMPARED = Columns(
    first=("strategy", "test accuracy", "time a step", "status", "steps"),
    prose=("status", "reason"),
)


def metrics_markdown(
    metrics: Metrics, settings: dict[str, Any], history: Sequence[Point], picture: bool
) -> str:
    """The report of a training as Markdown; `picture` says whether metrics.svg stands beside it."""
    shown = "![Confusion matrix, reliability diagram and worst mistakes](metrics.svg)"
    sections = [
        "# Training report",
        f"**{_percent(metrics.accuracy)} of {metrics.samples:,} test images right.**",
        shown if picture else _NO_PICTURE,
        *table_of(summary_rows(metrics)),
    ]
    rest = {
        "History": _history_rows(history),
        "Settings": [{"setting": name, "value": str(value)} for name, value in settings.items()],
    }
    for title, rows in (_tables(metrics) | rest).items():
        if rows:
            sections += [f"## {title}", *table_of(rows)]
    return "\n\n".join(sections) + "\n"


def comparison_markdown(rows: Sequence[Learnt], batches_per_epoch: int, command: str, picture: bool) -> str:
    """The report of a comparison; `picture` says whether accuracy-against-time.svg stands beside it."""
    sections = ["# Derivations compared by learning", f"`{command}`"]
    if picture:
        sections.append("![Accuracy against time and against steps](accuracy-against-time.svg)")
    elif any(row.points for row in rows):
        sections.append(_NO_PICTURE)
    return "\n\n".join([*sections, *table_of(compare_rows(rows, batches_per_epoch))]) + "\n"


# CSV ----------------------------------------------------------------------------------------------------


def as_csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """The text of a CSV file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def metrics_csv(metrics: Metrics) -> str:
    """All figures in one long table with the columns metric, class, value; shares are from 0 to 1."""
    whole = {"accuracy": metrics.accuracy, "top2_accuracy": metrics.top2, "loss": metrics.loss}
    rows: list[tuple[str, object, object]] = [(name, "", value) for name, value in whole.items()]
    rows.append(("expected_calibration_error", "", metrics.calibration_error))
    for kind, average in (("macro", metrics.macro), ("weighted", metrics.weighted)):
        rows += [(f"{kind}_{name}", "", value) for name, value in average._asdict().items()]
    names = ("precision", "recall", "f1")
    for name, values in zip(names, (metrics.precision, metrics.recall, metrics.f1), strict=True):
        rows += [(name, c, float(value)) for c, value in enumerate(values)]
    rows += [("support", c, int(value)) for c, value in enumerate(metrics.support)]
    if metrics.calibration is not None:
        bins = metrics.calibration
        for name, values in (("bin_count", bins.count), ("bin_confidence", bins.confidence)):
            rows += [(name, b, value) for b, value in enumerate(values)]
        rows += [("bin_accuracy", b, value) for b, value in enumerate(bins.accuracy)]
    return as_csv(("metric", "class", "value"), rows)


# Files ------------------------------------------------------------------------------------------------


def write_training(folder: Path, outcome: Outcome, metrics: Metrics, dataset: Dataset) -> list[Path]:
    """Write metrics.csv, confusion.csv, history.csv, report.md, training.json and metrics.svg.

    Without the extra `report` there is no metrics.svg. Returns what was written.
    Raises `OutputError` where the folder cannot be written.
    """
    trainer, picture = outcome.trainer, available()
    confusion = confusion_rows(metrics)
    files: dict[str, str | bytes] = {
        "metrics.csv": metrics_csv(metrics),
        "confusion.csv": as_csv(confusion[0], (row.values() for row in confusion)),
        "history.csv": as_csv(Point._fields, trainer.history),
    }
    if picture:
        from backprop.bench.training import pictures

        files["metrics.svg"] = pictures.draw_metrics(metrics, outcome.evaluation, dataset.test_images)
    files["report.md"] = metrics_markdown(metrics, trainer.settings.to_json(), trainer.history, picture)
    files["training.json"] = as_json(training_json(outcome, metrics))
    return write_files("The report", folder, files)


def write_comparison(folder: Path, rows: Sequence[Learnt], per_epoch: int, command: str) -> list[Path]:
    """Write compare.csv, compare.json, compare.md and accuracy-against-time.svg.

    Without the extra `report` there is no picture. Returns what was written.
    Raises `OutputError` where the folder cannot be written.
    """
    points = [(row.strategy, *point) for row in rows for point in row.points]
    files: dict[str, str | bytes] = {"compare.csv": as_csv(("strategy", *Point._fields), points)}
    picture = available() and any(row.points for row in rows)
    if picture:
        from backprop.bench.training import pictures

        files["accuracy-against-time.svg"] = pictures.draw_comparison(rows)
    files["compare.md"] = comparison_markdown(rows, per_epoch, command, picture)
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
