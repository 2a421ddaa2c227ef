"""Functions compiled by torch.compile and jax.jit are checked as they are, right and wrong."""

import numpy as np
import pytest
from over import part

import backprop

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(4)
POINT = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))


def by_hand(lib, slope):
    """A loss and its gradient, in PyTorch or JAX; the slope of the tanh may be missing."""

    def loss(x, W):
        return (lib.tanh(x @ W) ** 2).sum()

    def gradient(x, W):
        h = lib.tanh(x @ W)
        d = 2 * h * (1 if slope == "missing" else 1 - h * h)
        return d @ W.T, x.T @ d

    return loss, gradient


def judged(check, slope):
    assert check.ok == (slope == "right"), check
    assert {finding.kind for finding in check.findings} == (set() if check.ok else {"delta-wrong"})


@pytest.mark.sweep  # torch.compile alone takes as long as 100 other tests
@pytest.mark.parametrize(("slope", "dtype"), [("missing", "float64"), ("right", "float32")])
def test_functions_that_torch_has_compiled(slope, dtype):
    torch = pytest.importorskip("torch")
    point = tuple(torch.asarray(each).to(getattr(torch, dtype)) for each in POINT)
    loss, gradient = by_hand(torch, slope)
    try:
        compiled = [torch.compile(each, backend="aot_eager") for each in (loss, gradient)]
        compiled[0](*point)
    except Exception as error:  # of whatever kind: the compiler may be missing or may not know this Python
        pytest.skip(f"torch.compile does not work here: {error}")
    judged(backprop.check_gradient(*compiled, point), slope)
    if slope == "right":
        assert backprop.check_vjp(compiled[0], inputs=point).ok


@pytest.mark.parametrize("slope", part(["missing", "right"], 2))
def test_functions_that_jax_has_compiled(slope):
    jax = pytest.importorskip("jax")
    point = tuple(jax.numpy.asarray(each) for each in POINT)
    loss, gradient = by_hand(jax.numpy, slope)
    judged(backprop.check_gradient(jax.jit(loss), jax.jit(gradient), point), slope)
    step = jax.jit(lambda x, W: (loss(x, W), gradient(x, W)))
    judged(backprop.check_step(step, point), slope)
    if slope == "right":
        assert backprop.check_vjp(jax.jit(loss), inputs=point).ok
        assert backprop.check_gradient(jax.jit(loss), jax.jit(jax.grad(loss, (0, 1))), point).ok
