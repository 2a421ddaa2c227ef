"""Causal attention of one head with a residual connection."""

import numpy as np


def softmax(a):
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(p, dp):
    inner = (p * dp).sum(-1, keepdims=True)
    return p * (dp - inner)


def step(params, x, target):
    Wq, Wk, Wv, Wo = params["Wq"], params["Wk"], params["Wv"], params["Wo"]
    B, T, D = x.shape
    q = x @ Wq
    k = x @ Wk
    v = x @ Wv
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(Wq.shape[1])
    mask = np.triu(np.ones((T, T), bool), 1)
    masked = np.where(mask, -1e9, scores)
    weights = softmax(masked)
    context = weights @ v
    out = x + context @ Wo
    diff = out - target
    loss = np.mean(diff**2)

    dout = 2 * diff / diff.size
    dWo = np.einsum("btd,bte->de", context, dout)
    dcontext = dout @ Wo.T
    dweights = dcontext @ v.transpose(0, 2, 1)
    dv = weights.transpose(0, 2, 1) @ dcontext
    dmasked = softmax_backward(weights, dweights)
    dscores = np.where(mask, 0, dmasked)
    dscores /= np.sqrt(Wq.shape[1])
    dq = dscores @ k
    dk = dscores.transpose(0, 2, 1) @ q
    flat = x.reshape(-1, D)
    dWq = flat.T @ dq.reshape(B * T, -1)
    dWk = flat.T @ dk.reshape(B * T, -1)
    dWv = flat.T @ dv.reshape(B * T, -1)
    return loss, {"Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": dWo}


def example(rng):
    shapes = {"Wq": (4, 3), "Wk": (4, 3), "Wv": (4, 3), "Wo": (3, 4)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.standard_normal((2, 4, 4)), rng.standard_normal((2, 4, 4)))
