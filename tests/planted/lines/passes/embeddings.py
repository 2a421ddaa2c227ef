"""A bag of words: `np.add.at` for the table of embeddings, whose rows are used twice; negative samples."""

import numpy as np


def step(params, context, target, negative):
    E, O = params["E"], params["O"]  # noqa: E741
    n, k = context.shape
    words = E[context]
    mean = words.sum(axis=1) / k
    right = O[target]
    wrong = O[negative]
    pos = np.sum(mean * right, axis=1)
    neg = np.einsum("nd,nmd->nm", mean, wrong)
    loss = (np.log1p(np.exp(-pos)).sum() + np.log1p(np.exp(neg)).sum()) / n

    dpos = -1 / (1 + np.exp(pos)) / n
    dneg = 1 / (1 + np.exp(-neg)) / n
    dmean = dpos[:, None] * right + np.einsum("nm,nmd->nd", dneg, wrong)
    dO = np.zeros_like(O)
    np.add.at(dO, target, dpos[:, None] * mean)
    np.add.at(dO, negative, dneg[:, :, None] * mean[:, None, :])
    dwords = np.repeat(dmean[:, None, :] / k, k, axis=1)
    dE = np.zeros_like(E)
    np.add.at(dE, context, dwords)
    return loss, {"E": dE, "O": dO}


def example(rng):
    params = {"E": rng.standard_normal((7, 4)), "O": rng.standard_normal((7, 4))}
    return params, (rng.integers(0, 7, (5, 3)), rng.integers(0, 7, 5), rng.integers(0, 7, (5, 2)))
