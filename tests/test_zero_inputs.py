"""Leaving out inputs that are zero in the whole batch changes the time of the short form and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import backprop
from backprop.zero_inputs import most_active, worth_preparing

NETWORK = backprop.Network.mlp(256, 160, 5)


def make_batch(rng: np.random.Generator, n: int, share: float, dtype: str) -> backprop.Batch:
    """Samples in which about `share` of the inputs are not zero, the same for all of them."""
    inputs = rng.standard_normal((n, 256)).astype(dtype)
    inputs[:, rng.random(256) >= share] = 0
    return NETWORK.batch(inputs, rng.integers(0, 5, n), np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 33])
def test_the_gradient_equals_the_dense_one_for_every_share_of_zeros_and_leaves_nothing_stale(n, dtype):
    rng = np.random.default_rng(0)
    params = NETWORK.init(rng, dtype)
    sparse, dense = backprop.find_strategy("short-form"), backprop.find_strategy("short-form-dense")
    plans = [strategy.prepare(NETWORK, n, np.dtype(dtype)) for strategy in (sparse, dense)]
    assert plans[0].first is not None
    assert plans[1].first is None
    for share in (0.3, 0.1, 1.0, 0.2, 0.0, 0.5, 0.95, 0.0, 1.0):
        batch = make_batch(rng, n, share, dtype)
        loss, gradient = sparse.value_and_gradient(plans[0], params, batch)
        expected_loss, expected = dense.value_and_gradient(plans[1], params, batch)
        tolerance = sparse.accuracy.tolerance(NETWORK, np.dtype(dtype))
        assert loss == pytest.approx(expected_loss, rel=tolerance)
        norm = np.linalg.norm(expected.vector)
        assert np.linalg.norm(gradient.vector - expected.vector) <= tolerance * norm
        assert np.all(gradient["W1"][~batch.inputs.any(axis=0)] == 0)


def test_rows_are_left_out_where_they_are_few_and_all_are_multiplied_where_most_are_active():
    rng = np.random.default_rng(1)
    strategy = backprop.find_strategy("short-form")
    plan = strategy.prepare(NETWORK, 8, np.dtype("float64"))
    params = NETWORK.init(rng)
    for share, left_out in ((0.2, True), (1.0, False)):
        strategy.value_and_gradient(plan, params, make_batch(rng, 8, share, "float64"))
        assert (plan.first._active is not None) == left_out


def test_a_gradient_that_is_reused_cannot_be_written_to_and_the_one_of_the_door_can():
    rng = np.random.default_rng(2)
    params, batch = NETWORK.init(rng), make_batch(rng, 4, 0.5, "float64")
    strategy = backprop.find_strategy("short-form")
    plan = strategy.prepare(NETWORK, 4, np.dtype("float64"))
    _, gradient = strategy.value_and_gradient(plan, params, batch)
    with pytest.raises(ValueError, match="read-only"):
        gradient.vector += 1
    _, own = backprop.gradient(NETWORK, params, batch.inputs, batch.labels)
    own.vector += 1


def test_negative_zero_and_tiny_numbers_are_inputs_like_any_other():
    params = NETWORK.init(np.random.default_rng(3))
    inputs = np.zeros((2, 256))
    inputs[0, 3], inputs[1, 7] = -0.0, 5e-324
    _, sparse = backprop.gradient(NETWORK, params, inputs, [0, 1], "short-form")
    _, dense = backprop.gradient(NETWORK, params, inputs, [0, 1], "short-form-dense")
    assert np.array_equal(sparse.vector, dense.vector)


def test_small_layers_are_left_alone_and_large_batches_leave_out_more():
    small, large = (backprop.Network.mlp(*sizes).layers[0] for sizes in ((49, 32, 10), (784, 512, 10)))
    assert not worth_preparing(small)
    assert worth_preparing(large)
    assert most_active(1, 784) < most_active(64, 784) < most_active(2048, 784) < 784
