"""A factorisation machine as homework: sparse rows, products of pairs, loops and lists, a logistic loss."""

import math

import numpy as np

REG_LINEAR = 0.02
REG_FACTORS = 0.05


def factorSums(row, V):
    numFactors = V.shape[1]
    sums = [0.0] * numFactors
    for index, value in row:
        for f in range(numFactors):
            sums[f] = sums[f] + V[index, f] * value
    return sums


def predict(row, w0, w, V, sums):
    score = w0
    for index, value in row:
        score = score + w[index] * value
    for f, total in enumerate(sums):
        squares = sum((V[index, f] * value) ** 2 for index, value in row)
        score = score + 0.5 * (total**2 - squares)
    return score


def costFunction(params, rows, labels):
    w0, w, V = params
    cost = 0.0
    gradBias = 0.0
    gradLinear = np.zeros(len(w))
    gradFactors = np.zeros(V.shape)
    m = len(rows)

    for row, label in zip(rows, labels, strict=True):
        sums = factorSums(row, V)
        margin = label * predict(row, w0, w, V, sums)
        cost += np.log(1 + np.exp(-margin))
        sigma = 1 / (1 + np.exp(-margin))
        delta = (sigma - 1) * label

        gradBias += delta
        for index, value in row:
            gradLinear[index] += delta * value
            for f in range(V.shape[1]):
                interaction = sums[f] - V[index, f] * value
                gradFactors[index, f] += delta * value * interaction

    cost /= m
    gradBias /= m
    gradLinear /= m
    gradFactors /= m

    cost += REG_LINEAR / 2 * sum(weight**2 for weight in w)
    for i in range(V.shape[0]):
        cost += REG_FACTORS / 2 * np.sum(V[i] ** 2)
        gradLinear[i] += REG_LINEAR * w[i]
        gradFactors[i] += REG_FACTORS * V[i]
    return cost, (gradBias, gradLinear, gradFactors)


def step(params, rows, labels):
    cost, grads = costFunction(params, rows, labels)
    return cost, list(grads)


def example(rng):
    params = [np.array(0.3), rng.standard_normal(6), rng.standard_normal((6, 2)) / math.sqrt(2)]
    rows = [
        [(0, 1.0), (3, 0.5), (5, 2.0)],
        [(1, 1.0), (3, 1.5)],
        [(0, 1.0), (4, -1.0), (5, 0.7)],
        [(2, 1.0), (3, 0.3), (4, 1.2)],
    ]
    return params, (rows, [1, -1, -1, 1])
