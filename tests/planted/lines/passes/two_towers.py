"""Two towers of modules with parameters in a list, unit vectors, a contrastive loss both ways with a temperature."""

import numpy as np


class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Module:
    def parameters(self):
        for value in vars(self).values():
            if isinstance(value, Parameter):
                yield value
            elif isinstance(value, Module):
                yield from value.parameters()

    def __call__(self, *args):
        return self.forward(*args)


class Linear(Module):
    def __init__(self, weight, bias=None):
        self.weight = Parameter(weight)
        self.bias = None if bias is None else Parameter(bias)

    def forward(self, x):
        self.x = x
        y = x @ self.weight.data.T
        if self.bias is None:
            return y
        return y + self.bias.data

    def backward(self, dy):
        self.weight.grad += dy.T @ self.x
        if self.bias is not None:
            self.bias.grad += dy.sum(0)
        return dy @ self.weight.data


class ELU(Module):
    def forward(self, x):
        self.x, self.y = x, np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
        return self.y

    def backward(self, dy):
        slope = np.where(self.x > 0, 1.0, self.y + 1)
        return dy * slope


class UnitNorm(Module):
    def forward(self, x):
        self.norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        self.u = x / self.norm
        return self.u

    def backward(self, dy):
        radial = np.sum(dy * self.u, axis=1, keepdims=True)
        return (dy - radial * self.u) / self.norm


class Tower(Module):
    def __init__(self, w, b, proj):
        self.hidden, self.proj = Linear(w, b), Linear(proj)
        self.chain = [self.hidden, ELU(), self.proj, UnitNorm()]

    def forward(self, x):
        for module in self.chain:
            x = module(x)
        return x

    def backward(self, dy):
        for module in reversed(self.chain):
            dy = module.backward(dy)


class Contrastive(Module):
    def __init__(self, log_scale):
        self.log_scale = Parameter(log_scale)

    def forward(self, a, b):
        self.a, self.b = a, b
        self.cos = a @ b.T
        self.scale = np.exp(self.log_scale.data)
        logits = self.scale * self.cos
        e = np.exp(logits)
        self.rows, self.cols = e / e.sum(1, keepdims=True), e / e.sum(0, keepdims=True)
        i = np.arange(len(a))
        return -0.5 * (np.log(self.rows[i, i]) + np.log(self.cols[i, i])).mean()

    def backward(self):
        n = len(self.a)
        dlogits = 0.5 * (self.rows + self.cols) / n
        dlogits[np.arange(n), np.arange(n)] -= 1 / n
        self.log_scale.grad += np.sum(dlogits * self.cos) * self.scale
        dcos = dlogits * self.scale
        return dcos @ self.b, dcos.T @ self.a


def step(params, images, texts):
    left = Tower(params["Wi"], params["bi"], params["Pi"])
    right = Tower(params["Wt"], params["bt"], params["Pt"])
    criterion = Contrastive(params["log_scale"])
    loss = criterion(left(images), right(texts))
    da, db = criterion.backward()
    left.backward(da)
    right.backward(db)
    everything = [*left.parameters(), *right.parameters(), *criterion.parameters()]
    return loss, {name: p.grad for name, p in zip(params, everything, strict=True)}


def example(rng):
    shapes = {"Wi": (5, 4), "bi": (5,), "Pi": (3, 5), "Wt": (4, 3), "bt": (4,), "Pt": (3, 4), "log_scale": ()}
    params = {name: np.asarray(rng.standard_normal(shape)) for name, shape in shapes.items()}
    return params, (rng.standard_normal((5, 4)), rng.standard_normal((5, 3)))
