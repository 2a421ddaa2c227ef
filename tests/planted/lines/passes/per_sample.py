"""A loop over the samples, forward and back in each turn; gradients summed in lists of layers."""

# ruff: noqa: B905, E741, RUF007  # as people write it
import numpy as np


def step(params, X, Y):
    weights, biases = params["weights"], params["biases"]
    nabla_w = [np.zeros(w.shape) for w in weights]
    nabla_b = [np.zeros(b.shape) for b in biases]
    total = 0.0
    for x, y in zip(X, Y):
        activation = x
        activations = [x]
        zs = []
        for w, b in zip(weights, biases):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = 1 / (1 + np.exp(-z))
            activations.append(activation)
        total = total + 0.5 * np.sum((activations[-1] - y) ** 2)

        s = activations[-1]
        delta = (s - y) * s * (1 - s)
        nabla_b[-1] += delta
        nabla_w[-1] += np.outer(delta, activations[-2])
        for l in range(2, len(weights) + 1):
            s = activations[-l]
            sp = s * (1 - s)
            delta = np.dot(weights[-l + 1].T, delta) * sp
            nabla_b[-l] += delta
            nabla_w[-l] += np.outer(delta, activations[-l - 1])
    m = len(X)
    grads = {"weights": [w / m for w in nabla_w], "biases": [b / m for b in nabla_b]}
    return total / m, grads


def example(rng):
    sizes = (3, 5, 4, 2)
    weights = [rng.standard_normal((b, a)) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    biases = [rng.standard_normal(b) for b in sizes[1:]]
    return {"weights": weights, "biases": biases}, (rng.standard_normal((4, 3)), rng.random((4, 2)))
