"""The reports of a training: its pictures, and what they say where none can be drawn."""

import re

import numpy as np
import pytest

from backprop.bench.report import pictures
from backprop.bench.training import reports
from backprop.bench.training.compare import Learnt
from backprop.bench.training.pictures import draw_comparison, draw_metrics
from backprop.training import Evaluation, Point, measure

drawing = pytest.mark.skipif(not pictures.available(), reason=f"no pictures without {pictures.NEEDED}")

POINTS = [Point(step, 0.01 * step, 1.0, 1.0, 0.1 * step) for step in (1, 2, 4)]
ROWS = [Learnt(name, "ok", steps=4, seconds=0.04, points=POINTS) for name in ("short-form", "layerwise-vjp")]


@pytest.fixture
def evaluation():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    outputs = rng.random((60, 3)) + 2 * np.eye(3)[labels]
    return Evaluation(outputs / outputs.sum(axis=1, keepdims=True), labels, 0.5, True)


def metrics_of(evaluation, **more):
    return measure(evaluation.outputs, evaluation.labels, 0.5, **more)


@drawing
def test_a_comparison_is_drawn_against_time_and_against_steps_and_is_the_same_every_time():
    text = draw_comparison(ROWS).decode()
    for words in ("short-form", "layerwise-vjp", "time of training", "steps", "test accuracy (%)"):
        assert f">{words}<" in text
    assert text.count('aria-roledescription="point"') == 2 * 2 * 3
    assert draw_comparison(ROWS).decode() == text


@drawing
def test_metrics_have_every_count_the_reliability_and_the_worst_mistakes(evaluation):
    evaluation.labels[:2] = (evaluation.labels[:2] + 1) % 3  # two mistakes that are sure of themselves
    metrics = metrics_of(evaluation)
    images = np.random.default_rng(1).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    text = draw_metrics(metrics, evaluation, images).decode()
    wrong = int((evaluation.outputs.argmax(axis=1) != evaluation.labels).sum())
    assert len(set(re.findall('"data:image/png;base64,[^"]*"', text))) == wrong >= 2
    assert text.count('aria-roledescription="rect mark"') == 9
    assert "Reliability, expected error" in text
    assert draw_metrics(metrics, evaluation, images).decode() == text


@drawing
def test_outputs_that_are_no_probabilities_have_no_reliability(evaluation):
    metrics = metrics_of(evaluation, probabilities=False)
    assert "no calibration" in draw_metrics(metrics, evaluation, np.zeros((60, 2, 2))).decode()


@pytest.mark.parametrize("picture", [True, False])
def test_a_report_shows_its_picture_or_says_in_one_sentence_what_to_install(evaluation, picture):
    for text in (
        reports.metrics_markdown(metrics_of(evaluation), {}, [], picture),
        reports.comparison_markdown(ROWS, 10, "backprop train", picture),
    ):
        assert ("![" in text) == picture
        assert text.count(pictures.NEEDED) == (not picture)


def test_a_comparison_that_learnt_nothing_has_no_picture_to_miss():
    nothing = [Learnt("full-jacobian", "over-memory-budget", "needs 2 GB")]
    assert pictures.NEEDED not in reports.comparison_markdown(nothing, 10, "backprop train", picture=False)


def test_a_matrix_of_confusion_has_a_row_a_class(evaluation):
    metrics = metrics_of(evaluation)
    rows = reports.confusion_rows(metrics)
    assert [[int(row[str(c)]) for c in range(3)] for row in rows] == metrics.confusion.tolist()
