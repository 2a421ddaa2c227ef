"""Leaving out inputs that are zero changes the time of the short form and nothing else."""

from __future__ import annotations

import os

import numpy as np
import pytest
import threadpoolctl

import backprop
from backprop import blas
from backprop.zero_inputs.blocks import Blocks, most_active
from backprop.zero_inputs.staircase import SMALLEST_BATCH, Staircase


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """As the decision is made there, however many threads the tests happen to have."""
    monkeypatch.setattr(blas, "threads", lambda: 1)


NETWORK = backprop.Network.mlp(256, 160, 5)


def make_uneven_batch(rng: np.random.Generator, n: int, dtype: str) -> backprop.Batch:
    """Few samples reach the last inputs, most stay among the first; every input is reached by one."""
    reach = (256 * rng.random(n) ** 3).astype(int)
    reach[rng.integers(n)] = 256
    inputs = rng.standard_normal((n, 256)).astype(dtype)
    inputs[np.arange(256) >= reach[:, None]] = 0
    shuffled = inputs[:, rng.permutation(256)]
    return NETWORK.batch(shuffled, rng.integers(0, 5, n), np.dtype(dtype))


def make_batch(rng: np.random.Generator, n: int, share: float, dtype: str) -> backprop.Batch:
    """Samples in which about `share` of the inputs are not zero, the same for all of them."""
    inputs = rng.standard_normal((n, 256)).astype(dtype)
    inputs[:, rng.random(256) >= share] = 0
    return NETWORK.batch(inputs, rng.integers(0, 5, n), np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 33, SMALLEST_BATCH + 1])
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inputs", [256, 600])
def test_samples_put_in_order_give_the_dense_loss_and_gradient_with_fewer_products(inputs, dtype):
    """600 inputs are more than a byte has levels."""
    rng, n = np.random.default_rng(5), SMALLEST_BATCH + 77
    network = backprop.Network.mlp(inputs, 160, 5)
    params = network.init(rng, dtype)
    plan = backprop.find_strategy("short-form").prepare(network, n, np.dtype(dtype))
    for _ in range(3):
        narrow = make_uneven_batch(rng, n, dtype)
        wide = np.zeros((n, inputs), dtype)
        wide[:, rng.permutation(inputs)[:256]] = narrow.inputs
        batch = network.batch(wide, narrow.labels, np.dtype(dtype))
        loss, gradient = backprop.find_strategy("short-form").value_and_gradient(plan, params, batch)
        expected_loss, expected = backprop.gradient(network, params, wide, narrow.labels, "short-form-dense")
        tolerance = backprop.find_strategy("short-form").accuracy.tolerance(network, np.dtype(dtype))
        assert loss == pytest.approx(expected_loss, rel=tolerance)
        assert np.linalg.norm(gradient.vector - expected.vector) <= tolerance * np.linalg.norm(
            expected.vector
        )
        steps = plan.first._steps()
        products = sum((step.stop - step.start) * plan.first._needed[step.stop - 1] for step in steps)
        assert products < 0.75 * n * np.count_nonzero(wide.any(axis=0))


@pytest.mark.parametrize("n", [16, 24, 40, 64])
@pytest.mark.parametrize("outputs", [192, 200, 256])
def test_the_weights_gradient_is_the_dense_one_whether_or_not_it_is_made_some_columns_at_a_time(n, outputs):
    rng = np.random.default_rng(7)
    network = backprop.Network.mlp(784, outputs, 5)
    inputs = rng.standard_normal((n, 784))
    inputs[:, rng.random(784) < 0.6] = 0
    params, labels = network.init(rng), rng.integers(0, 5, n)
    _, gradient = backprop.gradient(network, params, inputs, labels, "short-form")
    _, expected = backprop.gradient(network, params, inputs, labels, "short-form-dense")
    assert np.linalg.norm(gradient.vector - expected.vector) <= 1e-14 * np.linalg.norm(expected.vector)


def test_a_large_batch_in_which_every_sample_uses_most_inputs_keeps_its_order():
    rng, n = np.random.default_rng(6), SMALLEST_BATCH
    batch = make_batch(rng, n, 1.0, "float64")
    plan = backprop.find_strategy("short-form").prepare(NETWORK, n, np.dtype("float64"))
    backprop.find_strategy("short-form").value_and_gradient(plan, NETWORK.init(rng), batch)
    assert plan.first.ordered(batch.labels) is batch.labels


def test_large_batches_are_put_in_order_and_small_ones_are_not():
    for n, kind in ((SMALLEST_BATCH - 1, Blocks), (SMALLEST_BATCH, Staircase)):
        plan = backprop.find_strategy("short-form").prepare(NETWORK, n, np.dtype("float32"))
        assert isinstance(plan.first, kind)


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


def prepared(n, *sizes):
    return (
        backprop.find_strategy("short-form")
        .prepare(backprop.Network.mlp(*sizes), n, np.dtype("float32"))
        .first
    )


def test_small_layers_are_left_alone_and_large_batches_leave_out_more():
    assert prepared(32, 49, 32, 10) is None
    assert prepared(32, 784, 512, 10) is not None
    assert most_active(1, 784) < most_active(64, 784) < most_active(2048, 784) < 784


def test_beside_several_threads_only_small_batches_leave_inputs_out(monkeypatch):
    monkeypatch.setattr(blas, "threads", lambda: 2)
    assert prepared(8, 784, 512, 10) is not None
    assert prepared(9, 784, 512, 10) is None
    assert prepared(2048, 784, 512, 10) is None


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_blas_are_those_of_now(threads, monkeypatch):
    monkeypatch.undo()
    with threadpoolctl.threadpool_limits(threads):
        assert blas.threads() == min(threads, os.cpu_count() or 1)
