"""The metrics are scikit-learn's on the same predictions, and by hand where there are none."""

import numpy as np
import pytest

from backprop import Network
from backprop.training import measure, worst_mistakes
from backprop.training.evaluation import calibrate, confusion_matrix, evaluate, top_k_accuracy


@pytest.fixture(params=["likely", "random", "a class never predicted", "a class without samples"])
def case(request):
    """Probabilities (n, c) and labels (n,)."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, 400)
    logits = rng.standard_normal((400, 5))
    if request.param == "likely":
        logits[np.arange(400), labels] += 2
    if request.param == "a class never predicted":
        logits[:, 2] = -50
    if request.param == "a class without samples":
        labels[labels == 2] = 3
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize(
    ("loss", "sums_to_one"), [("binary-cross-entropy", True), ("half-squared-error", False)]
)
def test_a_single_output_is_measured_as_two_classes(loss, sums_to_one):
    network, rng = Network.mlp(3, 4, 1, output="sigmoid", loss=loss), np.random.default_rng(0)
    params, x = network.init(rng), rng.normal(size=(20, 3))
    seen = evaluate(network, params, x, network.predict(params, x))
    assert seen.accuracy == 1
    assert seen.metrics().confusion.shape == (2, 2)
    assert seen.probabilities == sums_to_one
    if sums_to_one:
        y = network.forward(params, x)
        np.testing.assert_allclose(seen.outputs, np.hstack([1 - y, y]), rtol=1e-12)


def test_class_metrics_are_those_of_scikit_learn(case):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, labels = case
    got, predicted = measure(p, labels, 0.0), p.argmax(axis=1)
    kinds = {"labels": range(5), "zero_division": 0}
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(labels, predicted, **kinds)
    np.testing.assert_allclose(got.precision, precision, rtol=1e-14)
    np.testing.assert_allclose(got.recall, recall, rtol=1e-14)
    np.testing.assert_allclose(got.f1, f1, rtol=1e-14)
    np.testing.assert_array_equal(got.support, support)
    np.testing.assert_array_equal(got.confusion, sklearn.confusion_matrix(labels, predicted, labels=range(5)))
    for average in ("macro", "weighted"):
        want = sklearn.precision_recall_fscore_support(labels, predicted, average=average, **kinds)
        np.testing.assert_allclose(getattr(got, average), want[:3], rtol=1e-14)
    assert got.accuracy == sklearn.accuracy_score(labels, predicted)
    assert got.top2 == sklearn.top_k_accuracy_score(labels, p, k=2, labels=range(5))


def test_calibration_is_that_of_scikit_learn(case):
    sklearn = pytest.importorskip("sklearn.calibration")
    p, labels = case
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    bins = calibrate(confidence, correct)
    share, mean = sklearn.calibration_curve(correct, confidence, n_bins=15)
    filled = bins.count > 0
    np.testing.assert_allclose(bins.accuracy[filled], share, rtol=1e-14)
    np.testing.assert_allclose(bins.confidence[filled], mean, rtol=1e-14)


def test_calibration_by_hand():
    bins = calibrate(np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, False, True, True]), bins=2)
    # 0.5 is the upper end of the first bin; gaps 0.5 and 0.4, half of the samples each
    assert bins.count.tolist() == [2, 2]
    assert bins.expected_error == pytest.approx(0.45)


def test_a_perfectly_calibrated_classifier_has_no_calibration_error():
    confidence = np.full(10, 0.7)
    assert calibrate(confidence, np.arange(10) < 7).expected_error == pytest.approx(0)


def test_confusion_rows_are_true_classes():
    confusion = confusion_matrix(np.array([0, 0, 1], np.uint8), np.array([1, 0, 1]), 2)
    assert confusion.tolist() == [[1, 1], [0, 1]]


def test_labels_of_one_byte_do_not_overflow():
    labels = np.full(3, 39, np.uint8)
    assert confusion_matrix(labels, labels, 40)[39, 39] == 3


def test_of_equal_outputs_the_first_class_counts():
    outputs = np.array([[0.4, 0.4, 0.2]] * 3)
    labels = np.array([0, 1, 2])
    assert top_k_accuracy(outputs, labels, 1) == measure(outputs, labels, 0.0).accuracy == 1 / 3
    assert top_k_accuracy(outputs, labels, 2) == 2 / 3


def test_worst_mistakes_are_the_most_confident_ones():
    outputs = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    assert worst_mistakes(outputs, np.array([1, 1, 1, 0]), 5).tolist() == [1, 0]
    assert worst_mistakes(outputs, np.array([1, 1, 1, 0]), 1).tolist() == [1]


def test_outputs_that_are_no_probabilities_have_no_calibration():
    got = measure(np.array([[3.0, -1.0]]), np.array([0]), 0.0, probabilities=False)
    assert got.calibration is None
    assert got.calibration_error is None
