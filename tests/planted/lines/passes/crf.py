"""A conditional random field over a chain: forward and backward sums in logarithms, marginals less what was seen."""

import numpy as np


def lse(a, axis):
    m = a.max(axis, keepdims=True)
    return (m + np.log(np.exp(a - m).sum(axis, keepdims=True))).squeeze(axis)


def step(model, sentences, l2=0.05):
    W, trans, first = model["W"], model["trans"], model["first"]

    def forward_sums(unary):
        alpha = np.zeros_like(unary)
        alpha[0] = first + unary[0]
        for t in range(1, len(unary)):
            alpha[t] = unary[t] + lse(alpha[t - 1][:, None] + trans, axis=0)
        return alpha

    def backward_sums(unary):
        beta = np.zeros_like(unary)
        for t in reversed(range(len(unary) - 1)):
            beta[t] = lse(trans + unary[t + 1] + beta[t + 1], axis=1)
        return beta

    def gold(unary, tags):
        total = first[tags[0]] + unary[np.arange(len(tags)), tags].sum()
        for t in range(1, len(tags)):
            total = total + trans[tags[t - 1], tags[t]]
        return total

    nll = 0.0
    grad = {name: np.zeros_like(value) for name, value in model.items()}
    words = sum(len(tags) for _, tags in sentences)
    for feats, tags in sentences:
        T = len(tags)
        unary = feats @ W
        alpha = forward_sums(unary)
        logZ = lse(alpha[-1], axis=0)
        nll += (logZ - gold(unary, tags)) / words

        beta = backward_sums(unary)
        node = np.exp(alpha + beta - logZ)
        node[np.arange(T), tags] -= 1
        grad["W"] += feats.T @ node / words
        grad["first"] += node[0] / words
        for t in range(T - 1):
            edge = np.exp(alpha[t][:, None] + trans + unary[t + 1] + beta[t + 1] - logZ)
            edge[tags[t], tags[t + 1]] -= 1
            grad["trans"] += edge / words

    nll += 0.5 * l2 * (np.sum(W**2) + np.sum(trans**2))
    grad["W"] += l2 * W
    grad["trans"] += l2 * trans
    return nll, grad


def example(rng):
    model = {
        "W": rng.standard_normal((4, 3)),
        "trans": rng.standard_normal((3, 3)),
        "first": rng.standard_normal(3),
    }
    sentences = [(rng.standard_normal((n, 4)), rng.integers(0, 3, n)) for n in (3, 5, 4)]
    return model, (sentences,)
