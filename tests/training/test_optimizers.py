"""Each optimiser is its formula, in place, whatever the block size; PyTorch's own are the oracle."""

import numpy as np
import pytest

from backprop import blas
from backprop.errors import UnknownNameError
from backprop.training import OPTIMIZERS, find_optimizer, optimizers


def gradients(count, size, dtype):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(size).astype(dtype) * 10.0 ** rng.integers(-3, 2) for _ in range(count)]


def formula(name, weights, gradient_list, rate):
    """The update as its paper has it, in float64."""
    theta, v, m, s = weights.astype(float), 0.0, 0.0, 0.0
    for t, g in enumerate((g.astype(float) for g in gradient_list), 1):
        if name == "sgd":
            theta = theta - rate * g
        elif name == "momentum":
            v = 0.9 * v - rate * g
            theta = theta + v
        else:
            m = 0.9 * m + 0.1 * g
            s = 0.999 * s + 0.001 * g**2
            theta = theta - rate * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    return theta


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_is_the_formula(name, dtype):
    weights = np.linspace(-1, 1, 1000).astype(dtype)
    steps = gradients(20, 1000, dtype)
    expected = formula(name, weights, steps, 0.01)
    optimizer = find_optimizer(name)(weights)
    for step, gradient in enumerate(steps):
        optimizer.update(gradient, 0.01, step)
    # about ten roundings a step, each relative to the weights or to a step of them
    scale = np.max(np.abs(expected)) + 1
    assert np.max(np.abs(weights - expected)) <= 20 * 10 * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_blocks_do_not_change_a_bit(name, monkeypatch):
    whole, split = (np.linspace(-1, 1, 1003, dtype=np.float32) for _ in range(2))
    first = find_optimizer(name)(whole)
    monkeypatch.setattr(optimizers, "BLOCK_BYTES", 400)
    second = find_optimizer(name)(split)
    for step, gradient in enumerate(gradients(5, 1003, np.float32)):
        first.update(gradient, 0.1, step)
        second.update(gradient, 0.1, step)
    np.testing.assert_array_equal(whole, split)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_beside_several_threads_the_same_numbers_are_added_few_at_a_time(name, monkeypatch):
    """As many as OpenBLAS adds on one thread."""
    size, counts = 30_001, list[int]()
    whole, parts = (np.linspace(-1, 1, size, dtype=np.float32) for _ in range(2))
    monkeypatch.setattr(blas, "threads", lambda: 1)
    alone = find_optimizer(name)(whole)
    monkeypatch.setattr(blas, "threads", lambda: 2)
    beside = find_optimizer(name)(parts)
    add = beside._axpy
    beside._axpy = lambda *vectors, n, **options: counts.append(n) or add(*vectors, n=n, **options)
    for step, gradient in enumerate(gradients(3, size, np.float32)):
        alone.update(gradient, 0.1, step)
        beside.update(gradient, 0.1, step)
    np.testing.assert_array_equal(whole, parts)
    assert max(counts, default=0) <= 10_000


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_is_only_read_and_the_vector_is_the_one_given(name):
    weights = np.ones(100)
    gradient = np.linspace(-1, 1, 100)
    gradient.flags.writeable = False
    optimizer = find_optimizer(name)(weights)
    optimizer.update(gradient, 0.1, 0)
    assert optimizer.vector is weights
    assert tuple(optimizer.state) == optimizer.state_names
    assert not np.array_equal(weights, np.ones(100))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch")
    weights = np.linspace(-1, 1, 50)
    theirs = torch.tensor(weights, requires_grad=True)
    kind = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    other = kind([theirs], lr=0.01, **({"momentum": 0.9} if name == "momentum" else {}))
    own = find_optimizer(name)(weights)
    for step, gradient in enumerate(gradients(3 * optimizers.RENEW_EVERY, 50, np.float64)):
        own.update(gradient, 0.01, step)
        theirs.grad = torch.tensor(gradient)
        other.step()
    np.testing.assert_allclose(weights, theirs.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_state_that_fades_is_zero_before_it_is_subnormal(name, dtype):
    weights = np.zeros(8, dtype)
    optimizer = find_optimizer(name)(weights)
    optimizer.update(np.geomspace(1e-9, 1, 8).astype(dtype), 1e-3, 0)
    fading = optimizer.state[optimizer.state_names[0]]
    for step in range(1, 12_000):
        optimizer.update(np.zeros(8, dtype), 1e-3, step)
        assert not np.any((fading != 0) & (np.abs(fading) < np.finfo(dtype).tiny))
        if not fading.any():
            break
    assert not fading.any()


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'momentum'"):
        find_optimizer("momentun")
