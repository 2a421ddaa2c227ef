"""Signals of a few channels: convolution, max pooling, a strided skip, a leaky slope, a second convolution."""

import numpy as np


class Conv1d:
    def __init__(self, w, b):
        self.w, self.b = w, b
        self.width = w.shape[2]

    def forward(self, x):
        self.x = x
        length = x.shape[2] - self.width + 1
        y = np.empty((x.shape[0], self.w.shape[0], length))
        for p in range(length):
            window = x[:, :, p : p + self.width]
            y[:, :, p] = np.tensordot(window, self.w, axes=([1, 2], [1, 2])) + self.b
        return y

    def backward(self, delta):
        self.dw = np.zeros_like(self.w)
        self.db = delta.sum(axis=(0, 2))
        delta_x = np.zeros_like(self.x)
        for p in range(delta.shape[2]):
            window = self.x[:, :, p : p + self.width]
            self.dw += np.tensordot(delta[:, :, p], window, axes=(0, 0))
            delta_x[:, :, p : p + self.width] += np.tensordot(delta[:, :, p], self.w, axes=(1, 0))
        return delta_x


class MaxPool:
    """Windows of four, moved by two."""

    size, stride = 4, 2

    def forward(self, x):
        self.shape = x.shape
        count = (x.shape[2] - self.size) // self.stride + 1
        self.where = np.empty((*x.shape[:2], count), dtype=int)
        y = np.empty((*x.shape[:2], count))
        for p in range(count):
            left = p * self.stride
            window = x[:, :, left : left + self.size]
            self.where[:, :, p] = left + window.argmax(axis=2)
            y[:, :, p] = window.max(axis=2)
        return y

    def backward(self, delta):
        out = np.zeros(self.shape)
        n, c, count = delta.shape
        for i in range(n):
            for j in range(c):
                for p in range(count):
                    out[i, j, self.where[i, j, p]] += delta[i, j, p]
        return out


class LeakyReLU:
    def __init__(self, slope):
        self.slope = slope

    def forward(self, x):
        self.factor = np.where(x > 0, 1.0, self.slope)
        return x * self.factor

    def backward(self, delta):
        return delta * self.factor


class Classifier:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def loss(self, x, labels):
        self.flat = x.reshape(len(x), -1)
        self.shape, self.labels = x.shape, labels
        z = self.flat @ self.w + self.b
        z = z - z.max(axis=1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.p[np.arange(len(x)), labels]))

    def backward(self):
        n = len(self.labels)
        delta = self.p.copy()
        delta[np.arange(n), self.labels] -= 1.0
        delta = delta / n
        self.dw = self.flat.T @ delta
        self.db = delta.sum(axis=0)
        return (delta @ self.w.T).reshape(self.shape)


def away_from_kinks(w1, b1, mix, x, margin=0.04):
    y = Conv1d(w1, b1).forward(x)
    ends = np.sort(np.stack([y[:, :, p : p + 4] for p in range(0, 6, 2)]), axis=-1)
    z = ends[..., -1] + np.einsum("oc,ncp->pno", mix, x[:, :, 1::3])
    return min(np.abs(z).min(), (ends[..., -1] - ends[..., -2]).min()) > margin


def step(weights, x, labels):
    w1, b1, mix, w2, b2, w3, b3 = weights
    conv1, pool, act = Conv1d(w1, b1), MaxPool(), LeakyReLU(0.1)
    conv2, head = Conv1d(w2, b2), Classifier(w3, b3)

    picked = x[:, :, 1::3]
    y = conv1.forward(x)
    y = pool.forward(y) + np.einsum("oc,ncp->nop", mix, picked)
    y = conv2.forward(act.forward(y))
    loss = head.loss(np.tanh(y), labels)

    delta = head.backward()
    delta = delta * (1 - np.tanh(y) ** 2)
    delta = act.backward(conv2.backward(delta))
    d_mix = np.einsum("nop,ncp->oc", delta, picked)
    conv1.backward(pool.backward(delta))
    return loss, [conv1.dw, conv1.db, d_mix, conv2.dw, conv2.db, head.dw, head.db]


def example(rng):
    shapes = [(3, 2, 3), (3,), (3, 2), (2, 3, 2), (2,), (4, 3), (3,)]
    weights = [0.7 * rng.standard_normal(shape) for shape in shapes]
    weights[1] -= 0.8
    x = rng.standard_normal((2, 2, 10))
    while not away_from_kinks(*weights[:3], x):
        x = rng.standard_normal((2, 2, 10))
    return weights, (x, np.array([2, 0]))
