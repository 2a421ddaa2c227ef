"""Derivations with the mistakes that people make: each must fall outside the tolerance of an exact one."""

import numpy as np
import pytest
from examples import MISTAKES, source
from over import over
from tables import DTYPES, oracle, relative_error, sample

from backprop import Network
from backprop.strategy import EXACT

NETWORK = Network.mlp(5, 5, 5)  # square, so that a weight in a wrong place fits

NOT_IN_ONE_CALL = ("changes_its_inputs", "gradients_pile_up")
"""Mistakes of which the first gradient is right."""


def error_of(name, dtype):
    params, batch = sample(NETWORK, 6, dtype)
    written = {}
    exec(source(name), written)
    _, gradient = written["gradient"](params, *batch)
    vector = np.concatenate([gradient[tensor].reshape(-1) for tensor in NETWORK.layout.names])
    return relative_error(vector, oracle(NETWORK, params, batch)[1])


@over(dtype=DTYPES)
def test_without_a_mistake_the_written_out_derivation_is_within_tolerance(dtype):
    assert error_of("right", dtype) <= EXACT.tolerance(NETWORK, np.dtype(dtype))


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in NOT_IN_ONE_CALL])
@over(dtype=DTYPES)
def test_a_mistake_is_far_outside_the_tolerance(name, dtype):
    if (name, dtype) != ("single_precision", "float32"):  # which is no mistake there
        assert error_of(name, dtype) > 1000 * EXACT.tolerance(NETWORK, np.dtype(dtype))
