"""Cross-entropy of logits: L = mean of -log softmax(z)[label], with z (n, c), labels (n,)."""

import numpy as np
from planted.layers.layer import Layer, Slip, largest, library_of, one_hot


def probabilities(z):
    e = library_of(z).exp(z - largest(z.real if z.dtype == complex else z))
    return e / e.sum(-1, keepdims=True)


def forward(z, labels):
    return -(one_hot(labels, z.shape[-1], z) * library_of(z).log(probabilities(z))).sum() / len(z)


def backward(dloss, z, labels):
    p = probabilities(z)
    t = one_hot(labels, z.shape[-1], z)
    return dloss * (p - t) / len(z), None


def inputs(rng):
    return rng.normal(size=(4, 5)), np.array([0, 3, 1, 3])


LAYER = Layer(
    "cross-entropy",
    forward,
    backward,
    inputs,
    (
        Slip("sum for mean", " / len(z)", "", ("constant-factor",)),
        Slip("averaged over the classes", "len(z)", "z.shape[1]", ("constant-factor",)),
        Slip("averaged twice", "len(z)", "len(z) ** 2", ("constant-factor",)),
        Slip("sign", "(p - t)", "(t - p)", ("sign",)),
        Slip("upstream left out", "dloss *", "0 * dloss +", ("upstream-ignored",)),
        Slip("labels left out", "(p - t)", "p", ("sum-not-zero",)),
        Slip("probabilities left out", "(p - t)", "(1 - t)", ("sum-not-zero",)),
        Slip("softmax on top", "p - t", "p * (1 - p) * (p - t)", ("sum-not-zero",)),
        Slip("labels of the neighbour", "(p - t)", "(p - library_of(z).roll(t, -1, 0))", ("other-input",)),
        Slip("softmax over the batch", "p = probabilities(z)", "p = probabilities(z.T).T", ("sum-not-zero",)),
        Slip("divided by p", "(p - t)", "(-t / p)", ("sum-not-zero",)),
    ),
)
