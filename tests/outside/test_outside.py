"""Every strategy with layers that it has never seen: it says what it cannot do, or its gradient is right."""

from functools import cache

import numpy as np
import pytest
from outside.networks import NETWORKS, by_differences, sample
from outside.strategies import Checkpointed
from over import over, part
from tables import DTYPES, PEERS, STRATEGIES

import backprop

EVERYBODY = {**STRATEGIES, **PEERS, "checkpointed": Checkpointed()}


def cases(name):
    """Every network in both dtypes; for a peer in one dtype each and so in both."""
    dtypes = [(DTYPES[k % 2],) if name in PEERS else DTYPES for k in range(len(NETWORKS))]
    return [(network, dtype) for network, each in zip(NETWORKS, dtypes, strict=True) for dtype in each]


COMPILING = [name for name in PEERS if name.startswith("jax") or name == "torch-compile"]
"""Peers that take a third of a second to compile each network: the quick tier has some of them."""


def _cannot(strategy, network, dtype):
    reason = strategy.unsupported(network, np.dtype(dtype))
    return reason or getattr(strategy, "unavailable", lambda: None)()


@cache
def truth(network, dtype):
    """The gradient of a network's sample, found once."""
    return by_differences(network, *sample(network, dtype))


@pytest.mark.parametrize("name", [name for name in EVERYBODY if name not in COMPILING])
@over(case=cases)
def test_a_strategy_says_what_it_cannot_do_or_its_gradient_is_right(name, case):
    check_answer(name, *case)


@pytest.mark.parametrize(
    ("name", "case"), part([(name, case) for name in COMPILING for case in cases(name)], 7)
)
def test_a_peer_that_compiles_says_what_it_cannot_do_or_its_gradient_is_right(name, case):
    check_answer(name, *case)


def check_answer(name, network, dtype):
    strategy, network = EVERYBODY[name], NETWORKS[network]
    params, batch = sample(network, dtype)
    reason = _cannot(strategy, network, dtype)
    if reason is not None:
        assert reason == reason.strip()
        assert not reason.endswith(".")
        return
    loss, gradient = backprop.gradient(network, params, *batch, strategy=strategy)
    expected = truth(network, dtype)
    error = np.linalg.norm((gradient.vector - expected).astype(float)) / np.linalg.norm(
        expected.astype(float)
    )
    assert error <= max(strategy.accuracy.tolerance(network, np.dtype(dtype)), 1e-11)
    assert loss == pytest.approx(float(network.loss(params, *batch)), rel=float(64 * np.finfo(dtype).eps))
