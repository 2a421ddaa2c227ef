"""A difference quotient is named where all errors are small, of either sign and the same in size everywhere."""

import numpy as np
import pytest
from planted.gradients.networks import NETS

from backprop.check.network.accuracy import quotient_mistake
from backprop.check.network.truth import truth_for

ONE = NETS["wide"]
PARAMS, BATCH = ONE.sample()
TRUTH = truth_for(ONE.network, PARAMS, BATCH, {})
NAMES = frozenset(PARAMS)


def noisy(size, sign=None, scale=None):
    """The truth with an error of about `size` in every entry."""
    rng = np.random.default_rng(0)
    got = {}
    for name in PARAMS:
        error = size * rng.standard_normal(PARAMS[name].shape)
        error = np.abs(error) if sign else error
        got[name] = TRUTH.gradient[name].astype(float) + error * (1 if scale is None else scale(name))
    return got


@pytest.mark.parametrize("size", [1e-12, 1e-11, 1e-10])
def test_the_errors_of_cancellation_are_a_quotients(size):
    finding = quotient_mistake(noisy(size), NAMES, TRUTH)
    assert (finding.kind, finding.tensor, finding.confidence) == ("difference-quotient", None, "likely")


@pytest.mark.parametrize("size", [1e-7, 1e-3])
def test_larger_errors_are_not(size):
    assert quotient_mistake(noisy(size), NAMES, TRUTH) is None


def test_errors_of_one_sign_are_not():
    assert quotient_mistake(noisy(1e-11, sign=1), NAMES, TRUTH) is None


def test_errors_in_proportion_to_the_bounds_are_not():
    got = noisy(1e-11, scale=lambda name: TRUTH.bound[name] / np.median(TRUTH.bound[name]))
    assert quotient_mistake(got, NAMES, TRUTH) is None


def test_a_tensor_that_is_right_speaks_against_it():
    assert quotient_mistake(noisy(1e-11), NAMES - {"W1"}, TRUTH) is None


def test_an_error_along_the_gradient_is_not():
    got = {name: TRUTH.gradient[name].astype(float) * (1 + 1e-10) for name in PARAMS}
    assert quotient_mistake(got, NAMES, TRUTH) is None
