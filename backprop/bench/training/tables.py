"""Tables of a training: on the terminal, as CSV, and as Markdown; made from results, they measure nothing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from backprop.bench.console import make_table
from backprop.bench.report import units
from backprop.bench.report.markdown import as_text, markdown_table
from backprop.bench.report.pictures import NEEDED
from backprop.bench.training.compare import Learnt
from backprop.training import Metrics, Point

CLASS_COLUMNS = ("class", "precision", "recall", "F1", "samples")
COMPARE_COLUMNS = (
    "strategy",
    "test accuracy",
    "steps",
    "time a step",
    "training",
    "epochs",
    "status",
    "reason",
)


def class_rows(metrics: Metrics) -> list[tuple[str, str, str, str, str]]:
    """Precision, recall, F1 and samples of every class, then the averages."""
    rows = [
        (str(c), *(_percent(float(values[c])) for values in _per_class(metrics)), units.count(support))
        for c, support in enumerate(metrics.support)
    ]
    averages = {"macro mean": metrics.macro, "weighted mean": metrics.weighted}
    rows += [
        (name, *map(_percent, values), units.count(metrics.samples)) for name, values in averages.items()
    ]
    return [(a, b, c, d, e) for a, b, c, d, e in rows]


def summary_rows(metrics: Metrics) -> list[tuple[str, str]]:
    """Accuracy, top-2, loss and calibration."""
    error = metrics.calibration_error
    return [
        ("accuracy", _percent(metrics.accuracy)),
        ("top-2 accuracy", _percent(metrics.top2)),
        ("loss", f"{metrics.loss:.4f}"),
        ("expected calibration error", units.MISSING if error is None else _percent(error)),
        ("test samples", units.count(metrics.samples)),
    ]


def confusion_rows(metrics: Metrics) -> list[list[str]]:
    """A header and a row for every true class; columns are predicted classes."""
    classes = [str(c) for c in range(len(metrics.confusion))]
    body = [[true, *map(str, row)] for true, row in zip(classes, metrics.confusion.tolist(), strict=True)]
    return [["true \\ predicted", *classes], *body]


def compare_rows(rows: Sequence[Learnt], batches_per_epoch: int) -> list[tuple[str, ...]]:
    """What each derivation has learnt, in the order asked for; ± is the 95% interval of so many test images."""
    return [
        (
            row.strategy,
            units.MISSING if row.test_accuracy is None else _interval(row.test_accuracy, row.test_samples),
            units.count(row.steps),
            units.seconds(row.seconds_per_step),
            units.seconds(row.seconds) if row.steps else units.MISSING,
            f"{row.steps / batches_per_epoch:.2f}",
            row.status,
            row.reason,
        )
        for row in rows
    ]


def print_metrics(console: Console, metrics: Metrics, title: str) -> None:
    """Two tables: the figures of the whole, and those of every class."""
    whole = make_table(title, ("figure", "value"), ("value",))
    for name, value in summary_rows(metrics):
        whole.add_row(name, value)
    console.print(whole)
    classes = make_table("Per class", CLASS_COLUMNS, CLASS_COLUMNS[1:])
    for row in class_rows(metrics):
        classes.add_row(*row)
    console.print(classes)
    confusion = make_table("Confusion", (header := confusion_rows(metrics))[0], header[0][1:])
    for line in header[1:]:
        confusion.add_row(*line)
    console.print(confusion)


def print_comparison(console: Console, rows: Sequence[Learnt], batches_per_epoch: int, title: str) -> None:
    """One row a strategy."""
    table = make_table(title, COMPARE_COLUMNS, COMPARE_COLUMNS[1:6])
    for row in compare_rows(rows, batches_per_epoch):
        table.add_row(*row)
    console.print(table)


def metrics_markdown(
    metrics: Metrics, settings: dict[str, Any], history: Sequence[Point], picture: bool
) -> str:
    """The report of a training as Markdown; `picture` says whether metrics.svg stands beside it."""
    header, *body = confusion_rows(metrics)
    sections = [
        "# Training report",
        f"**{_percent(metrics.accuracy)} of {metrics.samples:,} test images right.**",
        "![Confusion matrix, reliability diagram and worst mistakes](metrics.svg)"
        if picture
        else _NO_PICTURE,
        _markdown(("figure", "value"), summary_rows(metrics)),
        "## Per class",
        _markdown(CLASS_COLUMNS, class_rows(metrics)),
        "## Confusion",
        _markdown(header, body),
    ]
    if history:
        sections += ["## History", _markdown(Point._fields, map(_point_cells, history))]
    sections += ["## Settings", _markdown(("setting", "value"), ((k, str(v)) for k, v in settings.items()))]
    return "\n\n".join(sections) + "\n"


_NO_PICTURE = f"No picture: it needs `{NEEDED}`."


def comparison_markdown(rows: Sequence[Learnt], batches_per_epoch: int, command: str, picture: bool) -> str:
    """The report of a comparison; `picture`: accuracy-against-time.svg is beside it."""
    sections = ["# Derivations compared by learning", f"`{command}`"]
    if picture:
        sections.append("![Accuracy against time and against steps](accuracy-against-time.svg)")
    sections.append(_markdown(COMPARE_COLUMNS, compare_rows(rows, batches_per_epoch)))
    return "\n\n".join(sections) + "\n"


def _markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(map(as_text, header))
    return markdown_table(dict(zip(names, map(as_text, row), strict=True)) for row in rows)


def as_csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """The text of a CSV file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def metrics_csv(metrics: Metrics) -> str:
    """metric, class, value: everything in one long table, in shares from 0 to 1."""
    whole = {"accuracy": metrics.accuracy, "top2_accuracy": metrics.top2, "loss": metrics.loss}
    rows: list[tuple[str, object, object]] = [(name, "", value) for name, value in whole.items()]
    rows.append(("expected_calibration_error", "", metrics.calibration_error))
    for kind, average in (("macro", metrics.macro), ("weighted", metrics.weighted)):
        rows += [(f"{kind}_{name}", "", value) for name, value in average._asdict().items()]
    names = ("precision", "recall", "f1")
    for name, values in zip(names, _per_class(metrics), strict=True):
        rows += [(name, c, float(value)) for c, value in enumerate(values)]
    rows += [("support", c, int(value)) for c, value in enumerate(metrics.support)]
    if metrics.calibration is not None:
        bins = metrics.calibration
        for name, values in (("bin_count", bins.count), ("bin_confidence", bins.confidence)):
            rows += [(name, b, value) for b, value in enumerate(values)]
        rows += [("bin_accuracy", b, value) for b, value in enumerate(bins.accuracy)]
    return as_csv(("metric", "class", "value"), rows)


def _per_class(metrics: Metrics) -> tuple[Any, Any, Any]:
    return metrics.precision, metrics.recall, metrics.f1


def _point_cells(point: Point) -> tuple[str, ...]:
    return (
        units.count(point.step),
        units.seconds(point.seconds),
        f"{point.train_loss:.4f}",
        f"{point.test_loss:.4f}",
        _percent(point.test_accuracy),
    )


def _interval(share: float, samples: int) -> str:
    """98.18% ± 0.26%: the normal approximation of the binomial."""
    return f"{_percent(share)} ± {_percent(1.96 * math.sqrt(share * (1 - share) / max(1, samples)))}"


def _percent(share: float) -> str:
    """98.41%: two digits, since trainings differ in the second."""
    return f"{100 * share:.2f}%"
