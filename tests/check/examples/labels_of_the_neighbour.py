"""Wrong: inputs and labels have got out of step by one sample."""

import numpy as np


def gradient(params, inputs, labels):
    n = len(inputs)

    z1 = inputs @ params["W1"] + params["b1"]
    a1 = np.maximum(z1, 0)
    z2 = a1 @ params["W2"] + params["b2"]
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), labels]).mean()

    y = np.zeros_like(p)
    y[np.arange(n), np.roll(labels, 1)] = 1
    d2 = (p - y) / n
    d1 = (d2 @ params["W2"].T) * (z1 > 0)
    return loss, {
        "W1": inputs.T @ d1,
        "b1": d1.sum(axis=0),
        "W2": a1.T @ d2,
        "b2": d2.sum(axis=0),
    }
