"""A graph with attention along its edges: a softmax over the neighbours, a loss at the nodes with labels."""

import numpy as np

SLOPE = 0.2


def scatter(values, index, size):
    """Sum the rows of values by index."""
    out = np.zeros((size, *values.shape[1:]), dtype=values.dtype)
    np.add.at(out, index, values)
    return out


def softmax_by(scores, index, size):
    peak = np.full(size, -np.inf)
    np.maximum.at(peak, index, scores.real)
    e = np.exp(scores - peak[index])
    return e / scatter(e, index, size)[index]


class Layer:
    def __init__(self, weights, src, dst, last):
        (self.W, self.to, self.fro), self.src, self.dst, self.last = weights, src, dst, last

    def run(self, X):
        self.X, self.n = X, len(X)
        self.H = X @ self.W
        self.raw = (self.H @ self.fro)[self.src] + (self.H @ self.to)[self.dst]
        self.att = softmax_by(np.where(self.raw > 0, self.raw, SLOPE * self.raw), self.dst, self.n)
        self.pooled = scatter(self.att[:, None] * self.H[self.src], self.dst, self.n)
        return self.pooled if self.last else np.tanh(self.pooled)

    def back(self, d):
        if not self.last:
            d = d * (1 - np.tanh(self.pooled) ** 2)
        d_edge = d[self.dst]
        d_att = np.sum(d_edge * self.H[self.src], axis=1)
        mean = scatter(self.att * d_att, self.dst, self.n)
        d_leaky = self.att * (d_att - mean[self.dst])
        d_raw = d_leaky * np.where(self.raw > 0, 1, SLOPE)
        at_src, at_dst = (scatter(d_raw, end, self.n) for end in (self.src, self.dst))
        dH = scatter(self.att[:, None] * d_edge, self.src, self.n)
        dH += np.outer(at_src, self.fro) + np.outer(at_dst, self.to)
        return dH @ self.W.T, [self.X.T @ dH, self.H.T @ at_dst, self.H.T @ at_src]


def step(weights, X, edges, labels, labelled):
    src, dst = edges.T
    layers = [Layer(w, src, dst, last=k == len(weights) - 1) for k, w in enumerate(weights)]
    out = X
    for layer in layers:
        out = layer.run(out)
    z = out - out.max(axis=1, keepdims=True)
    logp = z - np.log((e := np.exp(z)).sum(axis=1, keepdims=True))
    count = labelled.sum()
    loss = -logp[labelled, labels[labelled]].sum() / count

    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(len(X)), labels] -= 1
    d[~labelled] = 0
    d /= count
    grads = [None for _ in layers]
    for k, layer in reversed(list(enumerate(layers))):
        d, grads[k] = layer.back(d)
    return loss, grads


def example(rng):
    edges = [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (3, 4), (4, 0), (0, 2), (4, 3)]
    edges = np.array(edges + [(i, i) for i in range(5)])
    weights = [[rng.standard_normal(s) for s in ((3, 4), (4,), (4,))]]
    weights.append([rng.standard_normal(s) for s in ((4, 3), (3,), (3,))])
    labelled = np.array([True, False, True, True, False])
    return weights, (rng.standard_normal((5, 3)), edges, rng.integers(0, 3, 5), labelled)
