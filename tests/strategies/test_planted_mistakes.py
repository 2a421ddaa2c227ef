"""Derivations with the mistakes that people make: each must fall outside the tolerance of an exact one."""

from dataclasses import dataclass

import numpy as np
import pytest
from tables import DTYPES, oracle, relative_error, run

from backprop import Batch, Network, Parameters, Strategy, ValueAndGradient
from backprop.strategy import EXACT

NETWORK = Network.mlp(5, 5, 5, activation="tanh")  # square, so that a transposed weight fits

MISTAKES = (
    "batch mean forgotten",
    "weight transposed",
    "softmax off the diagonal with the wrong sign",
    "softmax off the diagonal forgotten",
    "activation derivative forgotten",
    "activation derivative of the output instead of the input",
    "bias of one sample instead of the sum",
    "bias forgotten",
    "weight gradient transposed",
    "label forgotten",
)


@dataclass(frozen=True)
class Mistaken(Strategy):
    """Back-propagation of a 5-5-5 tanh network written out, with at most one mistake in it."""

    mistake: str = ""
    summary = "wrong on purpose"
    accuracy = EXACT

    @property
    def name(self):
        return "mistaken"

    def unsupported(self, network, dtype):
        return None

    def cost(self, network, batch_size, dtype):
        raise NotImplementedError

    def prepare(self, network, batch_size, dtype):
        return network

    def value_and_gradient(self, plan, params, batch):
        x, labels, n = batch.inputs, batch.labels, len(batch.inputs)
        a = np.tanh(x @ params["W1"] + params["b1"])
        z = a @ params["W2"] + params["b2"]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        y = np.eye(5, dtype=x.dtype)[labels]

        mean = 1 if self.mistake == "batch mean forgotten" else n
        dp = -y / p / x.dtype.type(mean)
        off = {
            "softmax off the diagonal with the wrong sign": -1,
            "softmax off the diagonal forgotten": 0,
        }.get(self.mistake, 1)
        own = p * dp * (1 - p)
        others = p * ((p * dp).sum(axis=1, keepdims=True) - p * dp)
        dz = own - x.dtype.type(off) * others
        if self.mistake == "label forgotten":
            dz = p / x.dtype.type(n)

        weight = params["W2"] if self.mistake == "weight transposed" else params["W2"].T
        da = dz @ weight
        slope = {
            "activation derivative forgotten": np.ones_like(a),
            "activation derivative of the output instead of the input": 1 - np.tanh(a) ** 2,
        }.get(self.mistake, 1 - a**2)
        delta = da * slope

        gradient = Parameters.empty(params.layout, params.dtype)
        gradient["W2"][...], gradient["W1"][...] = a.T @ dz, x.T @ delta
        gradient["b2"][...], gradient["b1"][...] = dz.sum(axis=0), delta.sum(axis=0)
        if self.mistake == "weight gradient transposed":
            gradient["W1"][...] = gradient["W1"].T.copy()
        if self.mistake == "bias of one sample instead of the sum":
            gradient["b1"][...] = delta[0]
        if self.mistake == "bias forgotten":
            gradient["b2"][...] = 0
        return ValueAndGradient(float(-np.log(p[np.arange(n), labels]).mean()), gradient)


def error_of(strategy, dtype):
    rng = np.random.default_rng(0)
    params = NETWORK.init(rng, dtype)
    batch = Batch(rng.standard_normal((6, 5)).astype(dtype), rng.integers(0, 5, 6))
    _, gradient = run(strategy, NETWORK, params, batch)
    return relative_error(gradient.vector, oracle(NETWORK, params, batch)[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_mistake_the_written_out_derivation_is_within_tolerance(dtype):
    assert error_of(Mistaken(), dtype) <= EXACT.tolerance(NETWORK, np.dtype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_far_outside_the_tolerance(mistake, dtype):
    assert error_of(Mistaken(mistake), dtype) > 1000 * EXACT.tolerance(NETWORK, np.dtype(dtype))
