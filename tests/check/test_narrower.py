"""A narrower dtype is named where its rounding is all there is, and nowhere else."""

import numpy as np
import pytest
from planted.gradients.networks import NETS

from backprop.check.network.comparison import truth_for
from backprop.check.network.narrower import narrower_dtype

ONE = NETS["wide"]
PARAMS, BATCH = ONE.sample()
TRUTH = truth_for(ONE.network, PARAMS, BATCH, {})
NAMES = list(PARAMS)
EXACT = {name: TRUTH.gradient[name].astype(float) for name in NAMES}
EPS = {"float32": 2.0**-23, "float16": 2.0**-10}


def rounded(dtype, share=0.1):
    """Errors as a pass in that dtype leaves them: random, in proportion to the bounds."""
    rng = np.random.default_rng(0)
    scale = share * EPS[dtype] / np.finfo(float).eps / 8
    return {
        name: EXACT[name] + scale * TRUTH.bound[name] * rng.standard_normal(EXACT[name].shape)
        for name in NAMES
    }


def named(got, names=NAMES):
    return narrower_dtype(names, got, EXACT, PARAMS, TRUTH)


@pytest.mark.parametrize(("dtype", "confidence"), [("float32", "likely"), ("float16", "possible")])
def test_the_dtype_is_that_whose_rounding_the_errors_have(dtype, confidence):
    finding = named(rounded(dtype))
    assert (finding.kind, finding.tensor, finding.confidence) == ("lower-precision", "W1", confidence)
    assert dtype in finding.evidence


def test_one_tensor_alone_can_have_it():
    assert named(rounded("float32"), ["b1"]).tensor == "b1"


def spoilt(change):
    got = rounded("float32")
    change(got)
    return got


SPOILT = {
    "one entry stands out": lambda got: got["W1"].__setitem__((3, 2), got["W1"][3, 2] + 1e-5),
    "all errors have one sign": lambda got: [
        got[name].__setitem__(..., EXACT[name] + np.abs(got[name] - EXACT[name])) for name in NAMES
    ],
    "the errors follow the gradient": lambda got: [
        got[name].__setitem__(..., EXACT[name] * (1 + 1e-8)) for name in NAMES
    ],
    "the errors follow the parameters": lambda got: [
        got[name].__setitem__(..., EXACT[name] + 1e-9 * PARAMS[name]) for name in NAMES
    ],
    "most entries are right": lambda got: [got[name].__setitem__(..., EXACT[name]) for name in NAMES[:3]],
}


@pytest.mark.parametrize("name", SPOILT)
def test_errors_with_a_pattern_are_none(name):
    assert named(spoilt(SPOILT[name])) is None


@pytest.mark.parametrize("share", [1e-4, 20.0])
def test_errors_between_two_dtypes_are_none(share):
    assert named(rounded("float32", share)) is None


def test_a_few_numbers_decide_nothing():
    got = {name: value[..., :3] for name, value in rounded("float32").items()}
    few = {name: value[..., :3] for name, value in EXACT.items()}
    bound = {name: TRUTH.bound[name][..., :3] for name in NAMES}

    class Few:
        pass

    Few.bound = bound
    assert narrower_dtype(["b2"], got, few, {"b2": PARAMS["b2"][:3]}, Few) is None
