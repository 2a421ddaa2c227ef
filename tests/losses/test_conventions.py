"""What each loss of targets means: where it is a mean, where a sum, and what it is in other libraries."""

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact, freeze

from backprop.layers import ACTIVATIONS, Sigmoid
from backprop.losses import LOSSES, make_loss

OUTPUTS = freeze(np.array([[0.9, 0.2, 0.4], [0.3, 0.5, 0.1]]))
LABELS = np.array([0, 2])
MEAN, HALF, BINARY, HINGE = (
    make_loss(name) for name in ("mean-squared-error", "half-squared-error", "binary-cross-entropy", "hinge")
)
SHORT = BINARY.after(Sigmoid())

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def test_the_mean_squared_error_is_a_mean_over_samples_and_classes():
    y, labels = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0]]), np.array([0, 1])
    # residuals 0, 2, 0 and 0, -1, 5
    assert MEAN.value(y, labels) == (4 + 1 + 25) / 6
    np.testing.assert_allclose(MEAN.gradient(y, labels), np.array([[0, 4, 0], [0, -2, 10]]) / 6, rtol=1e-15)


def test_half_of_the_squared_error_is_a_mean_over_samples_and_a_sum_over_outputs():
    squares = [0.1**2 + 0.2**2 + 0.4**2, 0.3**2 + 0.5**2 + 0.9**2]
    assert HALF.value(OUTPUTS, LABELS) == pytest.approx(sum(squares) / 4, rel=1e-15)
    t = np.eye(3)[LABELS]
    np.testing.assert_allclose(HALF.gradient(OUTPUTS, LABELS), (OUTPUTS - t) / 2, rtol=1e-15)
    assert HALF.value(OUTPUTS, LABELS) == pytest.approx(3 / 2 * MEAN.value(OUTPUTS, LABELS), rel=1e-15)


def test_the_binary_cross_entropy_is_a_mean_over_samples_and_a_sum_over_outputs():
    own = [[0.9, 0.8, 0.6], [0.7, 0.5, 0.1]]  # the probability of every target
    assert BINARY.value(OUTPUTS, LABELS) == pytest.approx(-np.log(own).sum() / 2, rel=1e-15)
    torch = pytest.importorskip("torch")
    y, t = torch.tensor(OUTPUTS.copy()), torch.eye(3, dtype=torch.float64)[torch.tensor(LABELS)]
    theirs = torch.nn.functional.binary_cross_entropy(y, t)
    assert BINARY.value(OUTPUTS, LABELS) == pytest.approx(3 * float(theirs), rel=1e-12)


def test_a_single_output_has_the_label_itself_for_its_target():
    y, labels = np.array([[0.8], [0.3]]), np.array([1, 0])
    assert BINARY.value(y, labels) == pytest.approx(-(np.log(0.8) + np.log(0.7)) / 2, rel=1e-15)
    assert HALF.value(y, labels) == pytest.approx((0.2**2 + 0.3**2) / 4, rel=1e-15)
    np.testing.assert_allclose(HALF.gradient(y, labels), [[-0.1], [0.15]], rtol=1e-14)
    assert MEAN.value(y, labels) == pytest.approx(2 * HALF.value(y, labels), rel=1e-15)
    np.testing.assert_allclose(MEAN.gradient(y, labels), [[-0.2], [0.3]], rtol=1e-14)
    z = np.array([[1.5], [-0.7]])
    np.testing.assert_allclose(
        SHORT.gradient(z, labels), (1 / (1 + np.exp(-z)) - labels[:, None]) / 2, rtol=1e-14
    )
    assert (BINARY.label_classes(1), BINARY.label_classes(3), HINGE.label_classes(1)) == (2, 3, 1)


def test_the_huber_loss_is_half_of_the_squared_error_near_the_targets_and_a_line_beyond():
    huber = make_loss("huber")
    assert huber.value(OUTPUTS, LABELS) == pytest.approx(HALF.value(OUTPUTS, LABELS), rel=1e-15)
    far, labels = np.array([[4.0, -3.0, 0.5], [1.0, 2.0, 0.0]]), np.array([0, 1])
    errors = [[3.0, -3.0, 0.5], [1.0, 1.0, 0.0]]
    sums = [(3 - 0.5) + (3 - 0.5) + 0.125, 0.5 + 0.5]
    assert huber.sample_values(far, labels).tolist() == sums
    np.testing.assert_array_equal(2 * huber.gradient(far, labels), np.clip(errors, -1, 1))
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.huber_loss(torch.tensor(far), torch.eye(3, dtype=torch.float64)[[0, 1]])
    assert huber.value(far, labels) == pytest.approx(3 * float(theirs), rel=1e-15)


def test_the_hinge_loss_is_that_of_weston_and_watkins():
    # 1 + y[c] - y[label] over the other classes
    terms = [(0.3 + 0.5), (1.2 + 1.4)]
    assert HINGE.value(OUTPUTS, LABELS) == pytest.approx(sum(terms) / 2, rel=1e-15)
    far = np.array([[5.0, 4.5, 1.0]])  # one other class within the margin
    assert HINGE.value(far, np.array([0])) == pytest.approx(0.5)
    assert HINGE.gradient(far, np.array([0])).tolist() == [[-1, 1, 0]]


@every_dtype
def test_the_loss_of_a_sigmoid_matches_mpmath_for_logits_of_ten_thousand(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 88], [-3, 2, -40]], dtype)
    labels = np.array([1, 1, 2])
    value, delta = SHORT.value_and_gradient(z, labels)
    eps = float(np.finfo(dtype).eps)
    with mpmath.workdps(50):
        losses = [
            mpmath.log1p(mpmath.exp(-exact(z[n, c]) if labels[n] == c else exact(z[n, c])))
            for n, c in np.ndindex(z.shape)
        ]
        expected = mpmath.fsum(losses) / len(z)
        assert abs(exact(value) - expected) <= 4 * eps * expected
        for n, c in np.ndindex(z.shape):
            s = -1 if labels[n] == c else 1
            slope = s / (1 + mpmath.exp(-s * exact(z[n, c]))) / len(z)
            assert abs(exact(delta[n, c]) - slope) <= 8 * eps * abs(slope) + float(np.finfo(dtype).tiny)


def test_a_probability_of_zero_costs_infinitely_much_without_a_warning():
    y = np.array([[1.0, 0.0]])
    assert BINARY.value(y, np.array([1])) == np.inf
    assert BINARY.value(y, np.array([0])) == 0
    assert np.isinf(BINARY.gradient(y, np.array([1]))).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_needs_an_output_has_a_closed_form_with_it(name):
    loss = LOSSES[name]()
    if loss.needs_output is not None:
        assert loss.after(ACTIVATIONS[loss.needs_output]()) is not None
