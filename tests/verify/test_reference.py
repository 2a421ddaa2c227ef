"""The reference gradient, against three ways that share nothing with it: mpmath, complex step, differences."""

import mpmath
import numpy as np
import pytest
from tables import SCENARIOS, exact

from backprop.verify import REFERENCE, gradient_error, reference_gradient

MPMATH_DIGITS = 50
EPS = float(np.finfo(np.longdouble).eps)

ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: z if z > 0 else mpmath.mpf(0),
    "tanh": mpmath.tanh,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
}
SMALL = ["toy-relu", "one-sample", "deep-tanh", "sigmoid", "gelu", "softmax-inside", "squares-linear"]
SMALL += ["squares-softmax", "squares-tanh", "one-layer", "one-layer-squares", "one-of-each"]


def mpmath_activation(name, row):
    """An activation of one sample, a list of numbers."""
    if name != "softmax":
        return [ACTIVATIONS[name](z) for z in row]
    exponentials = [mpmath.exp(z - max(row)) for z in row]
    return [e / mpmath.fsum(exponentials) for e in exponentials]


def mpmath_loss(network, vector, batch):
    """The loss from scratch: loops over samples, outputs and inputs in numbers of any precision."""
    total = mpmath.mpf(0)
    for sample, label in zip(batch.inputs, batch.labels, strict=True):
        row, start = [exact(np.longdouble(x)) for x in sample], 0
        for layer in network.layers:
            if layer.name != "linear":
                row = mpmath_activation(layer.name, row)
                continue
            i, o = layer.inputs, layer.outputs
            weight, bias = vector[start : start + i * o], vector[start + i * o : start + i * o + o]
            start += i * o + o
            row = [mpmath.fsum(row[k] * weight[k * o + j] for k in range(i)) + bias[j] for j in range(o)]
        if network.loss_function.name == "cross-entropy":
            total -= mpmath.log(row[label])
        else:
            total += mpmath.fsum((y - (j == label)) ** 2 for j, y in enumerate(row)) / len(row)
    return total / len(batch.labels)


def mpmath_gradient(network, params, batch):
    """Central differences of `mpmath_loss` with 50 digits: h = 1e-16 leaves an error of 1e-32."""
    with mpmath.workdps(MPMATH_DIGITS):
        point, step = [exact(np.longdouble(value)) for value in params.vector], mpmath.mpf(10) ** -16
        gradient = []
        for k, value in enumerate(point):
            ends = [
                mpmath_loss(network, [*point[:k], value + h, *point[k + 1 :]], batch) for h in (step, -step)
            ]
            gradient.append((ends[0] - ends[1]) / (2 * step))
        return gradient


@pytest.mark.parametrize("name", SMALL)
def test_reference_equals_mpmath_at_fifty_digits(name):
    network = SCENARIOS[name].network
    params, batch = SCENARIOS[name].sample("float64")
    reference = reference_gradient(network, params, batch).vector
    expected = mpmath_gradient(network, params, batch)
    with mpmath.workdps(MPMATH_DIGITS):
        difference = mpmath.norm([exact(g) - e for g, e in zip(reference, expected, strict=True)])
        assert difference / mpmath.norm(expected) < 16 * EPS


@pytest.mark.parametrize("name", ["deep-tanh", "deeper-tanh", "squares-linear"])
def test_reference_equals_the_complex_step(name):
    """Im L(θ + ih)/h, with the forward pass written anew for complex numbers; no difference, no cancellation."""
    network = SCENARIOS[name].network
    params, batch = SCENARIOS[name].sample("float64")

    def loss(vector):
        x, rest = batch.inputs.astype(complex), vector
        for layer in network.layers:
            if layer.name == "linear":
                weight, rest = rest[: layer.inputs * layer.outputs], rest[layer.inputs * layer.outputs :]
                bias, rest = rest[: layer.outputs], rest[layer.outputs :]
                x = x @ weight.reshape(layer.inputs, layer.outputs) + bias
            elif layer.name == "tanh":
                x = np.tanh(x)
            elif layer.name == "relu":
                x = np.where(x.real > 0, x, 0)
            else:
                x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        if network.loss_function.name == "cross-entropy":
            return -np.mean(np.log(x[np.arange(len(x)), batch.labels]))
        return np.mean((x - np.eye(network.classes)[batch.labels]) ** 2)

    step = 1e-30
    points = params.vector + 1j * step * np.eye(len(params.vector))
    expected = np.array([loss(point).imag / step for point in points])
    got = reference_gradient(network, params, batch).vector
    assert np.linalg.norm((got - expected).astype(float)) < 1e-14 * np.linalg.norm(expected)


def test_reference_equals_central_differences_of_the_networks_own_loss():
    scenario = SCENARIOS["deep-tanh"]
    params, batch = scenario.sample("float64")
    expected, step = [], 1e-5
    for direction in step * np.eye(len(params.vector)):
        ends = []
        for sign in (1, -1):
            moved = params.copy()
            moved.vector += sign * direction
            ends.append(scenario.network.loss(moved, batch.inputs, batch.labels))
        expected.append((ends[0] - ends[1]) / (2 * step))
    got = reference_gradient(scenario.network, params, batch).vector.astype(float)
    assert np.linalg.norm(got - expected) < 1e-8 * np.linalg.norm(expected)


def test_reference_is_in_longdouble_and_in_memory_of_its_own():
    scenario = SCENARIOS["toy-relu"]
    params, batch = scenario.sample("float32")
    first, second = (reference_gradient(scenario.network, params, batch) for _ in range(2))
    assert first.dtype == np.longdouble
    assert not np.shares_memory(first.vector, second.vector)
    assert np.array_equal(first.vector, second.vector)


def test_a_float32_strategy_is_compared_at_its_own_float32_parameters():
    scenario = SCENARIOS["toy-relu"]
    params, batch = scenario.sample("float32")
    wide = params.astype(np.float64), batch._replace(inputs=batch.inputs.astype(np.float64))
    same = reference_gradient(scenario.network, *wide)
    assert gradient_error(same, reference_gradient(scenario.network, params, batch)).relative == 0


def test_reference_is_exact_where_a_probability_underflows():
    scenario = SCENARIOS["toy-relu"]
    params, batch = scenario.sample("float64")
    params = params.copy()
    params["b2"][...] = (1e4, -1e4)
    reference = reference_gradient(scenario.network, params, batch)
    assert np.isfinite(reference.vector).all()
    assert reference["b2"][1] == pytest.approx(-np.mean(batch.labels == 1))


def test_the_records_say_how_many_bits_the_reference_has():
    bits = np.finfo(np.longdouble).nmant + 1
    if bits > 53:
        assert f"longdouble, {bits} bits" in REFERENCE
    else:
        assert "no wider here" in REFERENCE
