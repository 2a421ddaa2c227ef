"""A flow of affine couplings with its volume: layers are dataclasses, the way back undoes each layer from a stack."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class ActNorm:
    log_scale: np.ndarray
    shift: np.ndarray
    seen: list = field(default_factory=list)

    def forward(self, x):
        self.seen.append(x)
        return x * np.exp(self.log_scale) + self.shift, self.log_scale.sum() * np.ones(len(x))

    def backward(self, dy, dvolume):
        x = self.seen.pop()
        scale = np.exp(self.log_scale)
        d_log_scale = np.sum(dy * x * scale, axis=0) + dvolume.sum()
        return dy * scale, {"log_scale": d_log_scale, "shift": dy.sum(axis=0)}


@dataclass
class Coupling:
    W: np.ndarray
    S: np.ndarray
    T: np.ndarray
    bound: float = 1.5
    seen: list = field(default_factory=list)

    def forward(self, x):
        left, right = np.split(x, 2, axis=1)
        pre = left @ self.W
        h = pre * (pre > 0)
        s = self.bound * np.tanh(h @ self.S)
        moved = right * np.exp(s) + h @ self.T
        self.seen.append((left, right, pre, h, s))
        return np.hstack([moved, left]), s.sum(axis=1)

    def backward(self, dy, dvolume):
        left, right, pre, h, s = self.seen.pop()
        half = right.shape[1]
        dmoved, dleft = dy[:, :half], dy[:, half:].copy()
        ds = dmoved * right * np.exp(s) + dvolume[:, None]
        dright = dmoved * np.exp(s)
        dinner = ds * self.bound * (1 - (s / self.bound) ** 2)
        dh = dinner @ self.S.T + dmoved @ self.T.T
        dpre = dh * (pre > 0)
        dleft += dpre @ self.W.T
        return np.hstack([dleft, dright]), {"W": left.T @ dpre, "S": h.T @ dinner, "T": h.T @ dmoved}


def step(params, x):
    layers = [ActNorm(**p) if "shift" in p else Coupling(**p) for p in params]
    z, volume = x, 0
    for layer in layers:
        z, more = layer.forward(z)
        volume = volume + more
    n, d = z.shape
    nll = np.mean(0.5 * np.sum(z**2, axis=1) - volume) + 0.5 * d * np.log(2 * np.pi)

    grads = []
    dz, dvolume = z / n, np.full(n, -1 / n)
    while layers:
        dz, grad = layers.pop().backward(dz, dvolume)
        grads.insert(0, grad)
    return nll, grads


def example(rng):
    def act():
        return {"log_scale": 0.3 * rng.standard_normal(4), "shift": rng.standard_normal(4)}

    def coupling():
        return {
            name: 0.7 * rng.standard_normal(s) for name, s in (("W", (2, 5)), ("S", (5, 2)), ("T", (5, 2)))
        }

    return [act(), coupling(), act(), coupling(), coupling()], (rng.standard_normal((6, 4)),)
