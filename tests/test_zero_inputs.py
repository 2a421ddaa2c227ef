"""Leaving out inputs that are zero changes the time of the short form and nothing else."""

from __future__ import annotations

import os

import numpy as np
import pytest
import threadpoolctl

import backprop
from backprop import blas
from backprop.layers import Linear
from backprop.zero_inputs import (
    ZeroInputs,
    buffer_bytes,
    most_often,
    smallest_batch_of_entries,
    without_zeros,
)
from backprop.zero_inputs.entries import Entries
from backprop.zero_inputs.gathered import Gathered
from backprop.zero_inputs.used_range import UsedRange


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """As the decision is made there, however many threads the tests happen to have."""
    monkeypatch.setattr(blas, "threads", lambda: 1)


INPUTS = 512
NETWORK = backprop.Network.mlp(INPUTS, 384, 5)
LARGE = smallest_batch_of_entries(4) + 77


def make_batch(rng: np.random.Generator, n: int, share: float, dtype: str) -> backprop.Batch:
    """Samples in which about `share` of the inputs are not zero, the same for all of them."""
    inputs = rng.standard_normal((n, INPUTS)).astype(dtype)
    inputs[:, rng.random(INPUTS) >= share] = 0
    return NETWORK.batch(inputs, rng.integers(0, 5, n), np.dtype(dtype))


def make_uneven_batch(rng: np.random.Generator, n: int, dtype: str) -> backprop.Batch:
    """Some inputs are used by most samples, some by one in a hundred, some by none."""
    used = rng.random((n, INPUTS)) < rng.choice([0.9, 0.5, 0.01, 0.0], INPUTS)
    inputs = np.where(used, rng.standard_normal((n, INPUTS)), 0)
    return NETWORK.batch(inputs.astype(dtype), rng.integers(0, 5, n), np.dtype(dtype))


def assert_same(got: tuple[float, backprop.Parameters], expected: tuple[float, backprop.Parameters]) -> None:
    """To the tolerance of the short form."""
    (loss, gradient), (expected_loss, expected_gradient) = got, expected
    tolerance = backprop.find_strategy("short-form").accuracy.tolerance(NETWORK, gradient.vector.dtype)
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    norm = np.linalg.norm(expected_gradient.vector)
    assert np.linalg.norm(gradient.vector - expected_gradient.vector) <= tolerance * norm


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 33, LARGE])
def test_the_gradient_equals_the_dense_one_for_every_share_of_zeros_and_leaves_nothing_stale(n, dtype):
    rng = np.random.default_rng(0)
    params = NETWORK.init(rng, dtype)
    sparse, dense = backprop.find_strategy("short-form"), backprop.find_strategy("short-form-dense")
    plans = [strategy.prepare(NETWORK, n, np.dtype(dtype)) for strategy in (sparse, dense)]
    assert [isinstance(plan.layers[0], ZeroInputs) for plan in plans] == [True, False]
    for share in (0.3, 0.1, 1.0, 0.2, 0.0, 0.5, 0.95, 0.0, 1.0):
        batch = make_batch(rng, n, share, dtype)
        got = sparse.value_and_gradient(plans[0], params, batch)
        assert_same(got, dense.value_and_gradient(plans[1], params, batch))
        assert np.all(got.gradient["W1"][~batch.inputs.any(axis=0)] == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [smallest_batch_of_entries(8) - 1, LARGE, 600])
def test_inputs_used_rarely_add_what_they_do_in_the_dense_product(n, dtype):
    """600 samples are more than a byte counts, and more than are added to z at a time."""
    rng = np.random.default_rng(5)
    params = NETWORK.init(rng, dtype)
    sparse, dense = backprop.find_strategy("short-form"), backprop.find_strategy("short-form-dense")
    plans = [strategy.prepare(NETWORK, n, np.dtype(dtype)) for strategy in (sparse, dense)]
    for _ in range(3):
        batch = make_uneven_batch(rng, n, dtype)
        got = sparse.value_and_gradient(plans[0], params, batch)
        assert plans[0].layers[0]._left_out
        assert_same(got, dense.value_and_gradient(plans[1], params, batch))
        assert np.all(got.gradient["W1"][~batch.inputs.any(axis=0)] == 0)


@pytest.mark.parametrize("n", [LARGE, 512])
def test_of_a_large_batch_the_inputs_of_few_samples_are_entries_and_those_of_many_are_gathered(n):
    """Of 512 samples an input is counted in every third: more than 255 do not fit a byte."""
    rng = np.random.default_rng(6)
    inputs = np.zeros((n, INPUTS))
    inputs[:, :100] = 1
    inputs[: n // 13, 100:300] = 1
    inputs[: n // 11, 300:310] = 1
    plan = backprop.find_strategy("short-form").prepare(NETWORK, n, np.dtype("float64"))
    batch = NETWORK.batch(inputs, rng.integers(0, 5, n), np.dtype("float64"))
    backprop.find_strategy("short-form").value_and_gradient(plan, NETWORK.init(rng), batch)
    assert np.array_equal(plan.layers[0]._entries._inputs, np.arange(100, 300))
    assert len(plan.layers[0]._entries._values) == 200 * (n // 13)
    assert plan.layers[0]._gathered._x.shape == (n, 110 + 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_batches_have_no_entries(dtype):
    smallest = smallest_batch_of_entries(np.dtype(dtype).itemsize)
    for n in (smallest - 1, smallest):
        plan = backprop.find_strategy("short-form").prepare(NETWORK, n, np.dtype(dtype))
        assert (plan.layers[0]._entries is None) == (n < smallest)


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("count", [0, 1, 256, 511, 512])
def test_gathered_inputs_give_their_part_of_the_layer_and_its_bias_in_any_number_of_blocks(n, count):
    """float64 rows of 384: 170 a block."""
    rng, layer = np.random.default_rng(8), Linear(INPUTS, 384)
    params = {"W": rng.standard_normal((INPUTS, 384)), "b": rng.standard_normal(384)}
    x, dy = rng.standard_normal((n, INPUTS)), rng.standard_normal((n, 384))
    chosen = np.zeros(INPUTS, bool)
    chosen[rng.permutation(INPUTS)[:count]] = True
    gathered = Gathered(layer, n, np.dtype("float64"))
    assert len(gathered._rows) == 170
    gathered.select(x, chosen)
    z, weights, bias = np.empty((n, 384)), np.full((INPUTS, 384), 7.0), np.empty(384)
    gathered.forward(params, out=z)
    gathered.gradient(dy, weights=weights, bias=bias)
    assert np.allclose(z, (x * chosen) @ params["W"] + params["b"], rtol=1e-12, atol=1e-12)
    assert np.allclose(weights[chosen], x[:, chosen].T @ dy, rtol=1e-12, atol=1e-12)
    assert np.all(weights[~chosen] == 7)
    assert np.allclose(bias, dy.sum(axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 5, 400])
@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
def test_entries_add_their_part_of_z_and_fill_their_rows_of_the_gradient(n, share):
    """400 samples of 384 float64 are added in three parts."""
    rng, layer = np.random.default_rng(9), Linear(INPUTS, 384)
    params = {"W": rng.standard_normal((INPUTS, 384))}
    x = np.where(rng.random((n, INPUTS)) < share, rng.standard_normal((n, INPUTS)), 0)
    chosen = (rng.random(INPUTS) < 0.5) & x.any(axis=0)
    entries = Entries(layer, n, np.dtype("float64"))
    entries.select(x, x != 0, chosen)
    z, dy, weights = np.ones((n, 384)), rng.standard_normal((n, 384)), np.full((INPUTS, 384), 7.0)
    entries.add_forward(params, out=z)
    entries.gradient(dy, weights=weights)
    assert np.allclose(z, 1 + (x * chosen) @ params["W"], rtol=1e-12, atol=1e-12)
    assert np.allclose(weights[chosen], x[:, chosen].T @ dy, rtol=1e-12, atol=1e-12)
    assert np.all(weights[~chosen] == 7)


@pytest.mark.parametrize("n", [16, 24, 40, 64])
@pytest.mark.parametrize("outputs", [192, 200, 256])
def test_the_weights_gradient_is_the_dense_one_for_every_batch_and_width(n, outputs):
    rng = np.random.default_rng(7)
    network = backprop.Network.mlp(784, outputs, 5)
    inputs = rng.standard_normal((n, 784))
    inputs[:, rng.random(784) < 0.6] = 0
    params, labels = network.init(rng), rng.integers(0, 5, n)
    _, gradient = backprop.gradient(network, params, inputs, labels, "short-form")
    _, expected = backprop.gradient(network, params, inputs, labels, "short-form-dense")
    assert np.linalg.norm(gradient.vector - expected.vector) <= 1e-14 * np.linalg.norm(expected.vector)


def test_rows_are_left_out_where_they_are_few_and_all_are_multiplied_where_most_are_active():
    rng = np.random.default_rng(1)
    strategy = backprop.find_strategy("short-form")
    plan = strategy.prepare(NETWORK, 8, np.dtype("float64"))
    params = NETWORK.init(rng)
    for share, left_out in ((0.2, True), (1.0, False)):
        strategy.value_and_gradient(plan, params, make_batch(rng, 8, share, "float64"))
        assert plan.layers[0]._left_out == left_out


def test_another_array_of_the_gradient_is_cleared_whatever_it_holds():
    rng, layer = np.random.default_rng(4), NETWORK.layers[0]
    own, dy = NETWORK.local(NETWORK.init(rng))[0], rng.standard_normal((4, layer.outputs))
    left_out = ZeroInputs(layer, 4, np.dtype("float64"))
    for share in (0.2, 0.4):
        x = make_batch(rng, 4, share, "float64").inputs
        y = left_out.forward(own, x, out=np.empty((4, layer.outputs)))
        filled = {"W": np.full(own["W"].shape, 7.0), "b": np.full(own["b"].shape, 7.0)}
        dx, got = left_out.vjp(own, x, y, dy, input_needed=True, out=None, dparams=filled)
        expected_dx, expected = layer.vjp(own, x, y, dy)
        np.testing.assert_allclose(dx, expected_dx, rtol=1e-12, atol=1e-12)
        for name, tensor in expected.items():
            np.testing.assert_allclose(got[name], tensor, rtol=1e-12, atol=1e-12)


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
    inputs = np.zeros((2, INPUTS))
    inputs[0, 3], inputs[1, 7] = -0.0, 5e-324
    _, sparse = backprop.gradient(NETWORK, params, inputs, [0, 1], "short-form")
    _, dense = backprop.gradient(NETWORK, params, inputs, [0, 1], "short-form-dense")
    assert np.array_equal(sparse.vector, dense.vector)


def leaves_out(n, *sizes, dtype="float32"):
    """Whether the short form is prepared to leave out inputs of zero."""
    network = backprop.Network.mlp(*sizes)
    plan = backprop.find_strategy("short-form").prepare(network, n, np.dtype(dtype))
    return isinstance(plan.layers[0], ZeroInputs)


def memory_of(thing):
    """The bytes of all arrays of an object and of the objects of this package in it."""
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    own = isinstance(thing, (ZeroInputs, Gathered, Entries))
    return sum(map(memory_of, vars(thing).values())) if own else 0


@pytest.mark.parametrize("n", [1, 8, 100, LARGE, 2048])
@pytest.mark.parametrize("sizes", [(784, 512), (512, 384), (300, 1024)])
def test_the_bytes_of_the_buffers_are_those_allocated_but_for_a_few_of_each_input(n, sizes):
    layer, dtype = Linear(*sizes), np.dtype("float64")
    allocated = memory_of(ZeroInputs(layer, n, dtype))
    few = 3 * (sizes[0] + 1) + 8 * (n + 1) + 4 * sizes[0]  # the masks, and the places of entries
    assert 0 <= allocated - buffer_bytes(layer, n, dtype.itemsize) <= few


def test_layers_of_small_weights_or_short_rows_are_left_alone():
    assert leaves_out(32, 784, 512, 10)
    assert not leaves_out(32, 784, 192, 10)
    assert leaves_out(32, 784, 192, 10, dtype="float64")
    assert not leaves_out(32, 196, 512, 10)
    assert not leaves_out(32, 12288, 64, 10)


def test_large_batches_gather_more_inputs_than_small_ones_and_never_all():
    assert most_often(1, 784) < most_often(64, 784) < most_often(2048, 784) < 784


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(blas, "threads", lambda: 2)


@pytest.mark.parametrize(
    ("dtype", "n", "way"),
    [
        ("float32", 8, "gathers"),
        ("float32", 9, "leaves out ends"),
        ("float32", 334, "leaves out ends"),
        ("float32", 335, "whole"),
        ("float32", 1023, "whole"),
        ("float32", 1024, "gathers"),
        ("float64", 167, "leaves out ends"),
        ("float64", 168, "whole"),
        ("float64", 512, "gathers"),
    ],
)
def test_beside_several_threads_small_and_large_batches_gather_inputs(two_threads, dtype, n, way):
    whole = Linear(784, 512)
    found = {ZeroInputs: "gathers", UsedRange: "leaves out ends", Linear: "whole"}
    assert found[type(without_zeros(whole, n, np.dtype(dtype)))] == way


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_beside_several_threads_the_inputs_at_both_ends_that_no_sample_uses_are_left_out(two_threads, dtype):
    """Batch after batch into the same arrays, with other ends each: nothing stale is left in the gradient."""
    rng = np.random.default_rng(7)
    params = NETWORK.init(rng, dtype)
    sparse, dense = backprop.find_strategy("short-form"), backprop.find_strategy("short-form-dense")
    plans = [strategy.prepare(NETWORK, 33, np.dtype(dtype)) for strategy in (sparse, dense)]
    assert [isinstance(plan.layers[0], UsedRange) for plan in plans] == [True, False]
    for first, last in [(40, 500), (0, INPUTS), (3, 480), (63, 449), (64, 448), (200, 210), (0, 300), (9, 9)]:
        batch = make_batch(rng, 33, 1.0, dtype)
        batch.inputs[:, :first] = batch.inputs[:, last:] = 0
        got = sparse.value_and_gradient(plans[0], params, batch)
        assert_same(got, dense.value_and_gradient(plans[1], params, batch))
        weights = got.gradient["W1"]
        assert not weights[:first].any()
        assert not weights[last:].any()


@pytest.mark.parametrize(
    ("first", "last", "used"), [(40, 500, (40, 500)), (0, 512, (0, 512)), (90, 300, (64, 448))]
)
def test_at_most_an_eighth_of_the_inputs_is_left_out_at_either_end(first, last, used):
    """NaN in a row of W shows in z unless the row is left out."""
    x = np.zeros((3, INPUTS))
    x[1, first:last] = 1.0
    layer = Linear(INPUTS, 4)
    params = layer.initial(np.random.default_rng(0))
    expected = layer.forward(params, x)
    params["W"][: used[0]] = params["W"][used[1] :] = np.nan
    z = UsedRange(layer).forward(params, x, out=np.empty((3, 4)))
    np.testing.assert_allclose(z, expected, rtol=1e-12, atol=1e-15)
    for row in (used[0], used[1] - 1):
        params["W"][row] = np.nan
        assert np.isnan(UsedRange(layer).forward(params, x, out=np.empty((3, 4)))).any()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_blas_are_those_of_now(threads, monkeypatch):
    monkeypatch.undo()
    with threadpoolctl.threadpool_limits(threads):
        assert blas.threads() == min(threads, os.cpu_count() or 1)


def test_the_threads_of_blas_are_set_and_given_back(monkeypatch):
    monkeypatch.undo()
    with blas.limited_to(1):
        with blas.limited_to(2):
            assert blas.threads() == min(2, os.cpu_count() or 1)
        assert blas.threads() == 1
