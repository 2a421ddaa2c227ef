"""A narrower dtype is named where evaluating in it gives the same errors, and nowhere else."""

import numpy as np
import pytest
from planted.gradients.by_hand import CROSS_ENTROPY, compiled, edited, source
from planted.gradients.networks import NETS

from backprop.check.network import check_network_gradient
from backprop.check.network.accuracy import low_precision
from backprop.check.network.mistakes import Run
from backprop.check.network.truth import truth_for

ONE = NETS["wide"]
PARAMS, BATCH = ONE.sample()
TRUTH = truth_for(ONE.network, PARAMS, BATCH, {})
NAMES = list(PARAMS)
EXACT = {name: TRUTH.gradient[name].astype(float) for name in NAMES}
RUN = Run.of(ONE.network, PARAMS, BATCH.inputs, BATCH.labels)
RIGHT = source("relu", "cross-entropy")
DELTA = "delta = (p - y) / n\n"
CAST = "{} = {}.astype(np.{}).astype(np.float64)"


def findings(text):
    function = compiled(text)
    return check_network_gradient(ONE.network, function, PARAMS, BATCH, np.random.default_rng(0)).findings


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_delta_that_is_cast_is_named_with_certainty(dtype):
    assert DELTA in CROSS_ENTROPY
    (finding,) = findings(edited(RIGHT, [(DELTA, f"{DELTA}    {CAST.format('delta', 'delta', dtype)}\n")]))
    assert (finding.kind, finding.confidence) == ("lower-precision", "certain")
    assert f"δ of layer 2 in {dtype}" in finding.evidence


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_parameters_and_inputs_that_are_cast_are_named(dtype):
    cast = f"params = {{k: v.astype(np.{dtype}).astype(np.float64) for k, v in params.items()}}"
    lines = [CAST.format("inputs", "inputs", dtype), cast]
    text = edited(RIGHT, [("    # forward\n", "".join(f"    {line}\n" for line in lines))])
    named = {finding.kind for finding in findings(text) if finding.tensor is not None}
    assert named == {"lower-precision"}


def test_entries_that_are_numbers_of_float32_are_named():
    got = {name: EXACT[name].astype(np.float32).astype(float) for name in NAMES}
    finding = low_precision(NAMES, got, EXACT, RUN)
    assert (finding.kind, finding.tensor, finding.confidence) == ("lower-precision", "W1", "likely")
    assert "every entry is a number of float32" in finding.evidence


def off_by(change):
    return {name: change(name, EXACT[name], np.random.default_rng(len(name))) for name in NAMES}


NONE = {
    "random errors of float32's size": lambda name, g, rng: g * (1 + 1e-8 * rng.standard_normal(g.shape)),
    "random errors of float16's size": lambda name, g, rng: g * (1 + 1e-4 * rng.standard_normal(g.shape)),
    "a step taken too early": lambda name, g, rng: g + 1e-9 * PARAMS[name],
    "an approximate factor": lambda name, g, rng: g * (1 + 1e-8),
    "an epsilon": lambda name, g, rng: g + 1e-9 * np.abs(g) ** 0.5,
    "wrong numbers that are short": lambda name, g, rng: np.round(g + 1, 1).astype(np.float32).astype(float),
}


@pytest.mark.parametrize("name", NONE)
def test_other_errors_of_the_same_size_are_not_called_lower_precision(name):
    assert low_precision(NAMES, off_by(NONE[name]), EXACT, RUN) is None


def test_a_few_numbers_decide_nothing():
    got = {**EXACT, "b2": EXACT["b2"].astype(np.float32).astype(float)}
    few = np.arange(len(got["b2"])) < 3
    got["b2"] = np.where(few, got["b2"], EXACT["b2"])
    assert low_precision(["b2"], got, EXACT, RUN) is None


def test_a_gradient_that_is_computed_and_returned_in_float32_has_no_unknown_mistake():
    right = compiled(RIGHT)

    def wholly(params, inputs, labels):
        return right({name: params[name].astype(np.float32) for name in params}, np.float32(inputs), labels)

    found = check_network_gradient(ONE.network, wholly, PARAMS, BATCH, np.random.default_rng(0)).findings
    assert {finding.kind for finding in found} <= {"wrong-dtype", "lower-precision"}
