"""Pictures of a training as SVG, drawn as all pictures are (`backprop.bench.report.pictures`)."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.bench.report import charts
from backprop.bench.report.data import Json
from backprop.bench.report.looks import PLAIN, SECONDS, Spec, channels, logarithmic, quantitative
from backprop.bench.report.pictures import as_svg, beside, legend
from backprop.bench.training.compare import Learnt
from backprop.training import Evaluation, Metrics, worst_mistakes

_MISTAKES, _COLUMNS = 16, 8
_MOST_COUNTS = 20
"""With more classes the counts of the confusion matrix would not fit into its cells."""


def draw_comparison(rows: Sequence[Learnt]) -> bytes:
    """Test accuracy against seconds of training and against steps, one line a strategy.

    Against steps, exact derivations lie on one another: the earlier ones are drawn larger, and hollow.
    """
    points = [
        {
            "strategy": row.strategy,
            "seconds": point.seconds,
            "step": point.step,
            "accuracy": 100 * point.test_accuracy,
            "area": charts.nested_area(k, len(rows)),
        }
        for k, row in enumerate(rows)
        for point in row.points
        if point.step > 0
    ]
    look = channels([row.strategy for row in rows], legend("top", len(rows)))
    seconds = logarithmic("seconds", "time of training", SECONDS, nice=False, padding=12)
    steps = logarithmic("step", "steps", PLAIN, nice=False, padding=20)
    panels = charts.learning_curve(seconds, look), charts.learning_curve(steps, look, nested=True)
    return as_svg(beside(*({**one, "width": 440} for one in panels)), cells=points).encode()


def draw_metrics(metrics: Metrics, evaluation: Evaluation, images: Array) -> bytes:
    """The confusion matrix, the reliability diagram, and the most confident mistakes as images."""
    above = {"hconcat": [_confusion(metrics.confusion), _reliability(metrics)], "spacing": 60}
    resolve = {"scale": {"color": "independent", "size": "independent"}}
    rows = {
        "confusion": _confusion_rows(metrics.confusion),
        "bins": _bin_rows(metrics),
        "mistakes": _mistake_rows(evaluation, images),
    }
    both = {"vconcat": [{**above, "resolve": resolve}, _mistakes()], "spacing": 30, "resolve": resolve}
    return as_svg(both, **rows).encode()


# The parts of metrics.svg -------------------------------------------------------------------------------


def _confusion(confusion: Array) -> Spec:
    """Counts as text; the shade is the root of the share of the true class, which shows single errors."""
    scale = {"domain": [0, 0.5, 1], "range": ["#ffffff", "#6baed6", "#08306b"]}
    shade = quantitative("shade", scale=scale, legend=None)
    text = {
        "text": quantitative("count"),
        "color": {"condition": {"test": "datum.shade > 0.63", "value": "#fff"}, "value": "#000"},
    }
    counts = {"mark": {"type": "text", "fontSize": 10}, "encoding": text}
    return {
        "data": {"name": "confusion"},
        "title": f"Confusion, {confusion.sum():,} test images",
        "width": 380,
        "height": 340,
        "encoding": {
            "x": {"field": "predicted", "type": "ordinal", "axis": _plain("predicted class")},
            "y": {"field": "true", "type": "ordinal", "axis": _plain("true class")},
        },
        "layer": [
            {"mark": "rect", "encoding": {"color": shade}},
            *([counts] if len(confusion) <= _MOST_COUNTS else []),
        ],
    }


def _plain(title: str) -> Spec:
    return {"title": title, "labelAngle": 0, "labelOverlap": True, "ticks": False, "domain": False}


def _confusion_rows(confusion: Array) -> list[Json]:
    support = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shade = np.sqrt(confusion / support)
    return [
        {"true": i, "predicted": j, "count": int(count), "shade": float(shade[i, j])}
        for (i, j), count in np.ndenumerate(confusion)
    ]


def _reliability(metrics: Metrics) -> Spec:
    """Accuracy against confidence, bin by bin; on the diagonal a confidence is what it says."""
    if metrics.calibration is None:
        title = "The outputs are no probabilities: no calibration"
    else:
        title = f"Reliability, expected error {metrics.calibration.expected_error:.2%}"
    scale = {"domain": [0, 1]}
    place = {
        "x": quantitative("confidence", scale=scale, axis={"title": "mean confidence of a bin"}),
        "y": quantitative("accuracy", scale=scale, axis={"title": "accuracy of the bin"}),
    }
    area = quantitative("count", scale={"range": [20, 400]}, legend=None)
    return {
        "data": {"name": "bins"},
        "title": title,
        "width": 340,
        "height": 340,
        "layer": [
            {
                "data": {"values": [{"confidence": 0, "accuracy": 0}, {"confidence": 1, "accuracy": 1}]},
                "mark": {"type": "line", "color": "var(--dim)", "strokeWidth": 1},
                "encoding": place,
            },
            {
                "mark": {"type": "point", "filled": True, "color": "var(--accent)", "opacity": 0.8},
                "encoding": {**place, "size": area},
            },
        ],
    }


def _bin_rows(metrics: Metrics) -> list[Json]:
    bins = metrics.calibration
    if bins is None:
        return []
    rows = zip(bins.count.tolist(), bins.confidence.tolist(), bins.accuracy.tolist(), strict=True)
    return [{"count": n, "confidence": p, "accuracy": a} for n, p, a in rows if n > 0]


def _mistakes() -> Spec:
    """Two rows of images, each with what the network took it for, with what confidence, and what it is."""
    place: dict[str, Any] = {
        "x": {"field": "column", "type": "ordinal", "axis": None},
        "y": {"field": "row", "type": "ordinal", "axis": None},
    }
    image = {"mark": {"type": "image", "width": 70, "height": 70}, "encoding": {"url": {"field": "url"}}}
    said = {"type": "text", "dy": -44, "fontSize": 11}
    return {
        "data": {"name": "mistakes"},
        "title": "The most confident mistakes: what each was taken for, with what confidence, and what it is",
        "width": 100 * _COLUMNS,
        "height": 210,
        "encoding": place,
        "layer": [image, {"mark": said, "encoding": {"text": {"field": "text"}}}],
    }


def _mistake_rows(evaluation: Evaluation, images: Array) -> list[Json]:
    rows = []
    for place, k in enumerate(worst_mistakes(evaluation.outputs, evaluation.labels, _MISTAKES)):
        outputs = evaluation.outputs[k]
        text = f"{outputs.argmax()} ({outputs.max():.0%}), is {evaluation.labels[k]}"
        row, column = divmod(place, _COLUMNS)
        rows.append({"row": row, "column": column, "text": text, "url": _as_url(images[k])})
    return rows


def _as_url(image: Array) -> str:
    """The image in grey, with values from 0 (white) to its largest (black), as the address of a PNG."""
    image = np.asarray(image, dtype=float)
    if image.ndim == 3:  # in colour
        image = image.mean(axis=-1)
    grey = (255 * (1 - image / max(float(image.max()), 1e-9))).astype(np.uint8)
    height, width = grey.shape
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # eight bits of grey
    chunks = (b"IHDR" + header, b"IDAT" + zlib.compress(lines, 9), b"IEND")
    content = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + content).decode()
