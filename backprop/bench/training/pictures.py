"""Pictures of a training as SVG; matplotlib is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop.arrays import Array
from backprop.bench.report.style import COLOURS, as_svg, drawing, look
from backprop.bench.training.compare import Learnt
from backprop.training import Evaluation, Metrics, worst_mistakes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MISTAKES = 15


def draw_metrics(metrics: Metrics, evaluation: Evaluation, images: Array) -> bytes:
    """The confusion matrix, the reliability diagram, and the most confident mistakes as images."""
    with drawing(11, 7) as figure:
        parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
        above, below = parts
        left, right = above.subplots(1, 2)
        _draw_confusion(left, metrics.confusion)
        _draw_reliability(right, metrics)
        worst = worst_mistakes(evaluation.outputs, evaluation.labels, _MISTAKES)
        below.suptitle("The most confident mistakes: taken for, with what confidence, and what it is")
        axes = below.subplots(2, 8).ravel()
        for place in axes:
            place.set_axis_off()
        for place, k in zip(axes, worst, strict=False):
            row = evaluation.outputs[k]
            place.imshow(images[k], cmap="gray_r")
            place.set_title(f"{row.argmax()} ({row.max():.0%}), is {evaluation.labels[k]}", fontsize=8)
        return as_svg(figure)


def draw_comparison(rows: Sequence[Learnt]) -> bytes:
    """Test accuracy against seconds of training and against steps, one line a strategy."""
    with drawing(10, 4.2) as figure:
        against_time, against_steps = figure.subplots(1, 2, sharey=True)
        for k, row in enumerate(rows):
            points = [point for point in row.points if point.step > 0]
            style = look(k)
            accuracy = [100 * point.test_accuracy for point in points]
            against_time.plot([p.seconds for p in points], accuracy, label=row.strategy, ms=5, **style)
            # Exact derivations lie on one another: the earlier ones are drawn larger, and hollow.
            size = 5 + 3 * (len(rows) - 1 - k)
            against_steps.plot([p.step for p in points], accuracy, ms=size, mfc="none", **style)
        for axes, label in ((against_time, "time of training (s)"), (against_steps, "steps")):
            axes.set_xscale("log")
            axes.set_xlabel(label)
            axes.grid(visible=True, which="major", alpha=0.3)
        against_time.set_ylabel("test accuracy (%)")
        figure.legend(loc="outside upper center", ncols=max(1, len(rows)), frameon=False)
        return as_svg(figure)


def _draw_confusion(axes: Axes, confusion: Array) -> None:
    """Counts as text; the shade is the share of the true class, on a scale that shows single errors."""
    support = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(confusion / support), cmap="Blues", vmin=0, vmax=1)
    if len(confusion) <= 20:
        for (true, predicted), count in np.ndenumerate(confusion):
            dark = count > 0.4 * support[true, 0]
            axes.text(
                predicted, true, str(count), ha="center", va="center", fontsize=7, color="w" if dark else "k"
            )
        axes.set_xticks(range(len(confusion)))
        axes.set_yticks(range(len(confusion)))
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"Confusion, {confusion.sum():,} test images")


def _draw_reliability(axes: Axes, metrics: Metrics) -> None:
    """Accuracy against confidence, bin by bin; on the diagonal a confidence is what it says."""
    if metrics.calibration is None:
        axes.set_title("The outputs are no probabilities: no calibration")
        axes.set_axis_off()
        return
    bins = metrics.calibration
    filled = bins.count > 0
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    sizes = 20 + 180 * np.sqrt(bins.count[filled] / bins.count.max())
    axes.scatter(bins.confidence[filled], bins.accuracy[filled], s=sizes, color=COLOURS[0], alpha=0.8)
    axes.set_xlabel("mean confidence of a bin")
    axes.set_ylabel("accuracy of the bin")
    axes.set_title(f"Reliability, expected error {bins.expected_error:.2%}")
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
