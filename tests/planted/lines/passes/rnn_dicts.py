"""A recurrent network whose cells are functions with dicts of parameters and caches; gradients added up in a dict."""

# ruff: noqa: RET504  # as people write it
import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def cell_forward(x, s_prev, parameters):
    pre = parameters["Wax"] @ x + parameters["Waa"] @ s_prev + parameters["ba"]
    f = sigmoid(parameters["Wf"] @ x)
    c = np.tanh(pre)
    s = f * s_prev + (1 - f) * c
    return s, {"s": s, "s_prev": s_prev, "f": f, "c": c, "x": x}


def cell_backward(ds, cache, parameters, gradients):
    s_prev, f, c, x = cache["s_prev"], cache["f"], cache["c"], cache["x"]
    dc = ds * (1 - f)
    df = ds * (s_prev - c)
    dpre = (1 - c**2) * dc
    df_pre = f * (1 - f) * df
    gradients["dWax"] += dpre @ x.T
    gradients["dWaa"] += dpre @ s_prev.T
    gradients["dba"] += np.sum(dpre, axis=1, keepdims=True)
    gradients["dWf"] += df_pre @ x.T
    ds_prev = ds * f + parameters["Waa"].T @ dpre
    return ds_prev


def step(parameters, X, Y):
    T = len(X)
    s = np.zeros((parameters["ba"].shape[0], X[0].shape[1]), X[0].dtype)
    caches, outs = [], []
    for t in range(T):
        s, cache = cell_forward(X[t], s, parameters)
        caches.append(cache)
        outs.append(parameters["Wya"] @ s + parameters["by"])
    loss = sum(np.mean((o - y) ** 2) for o, y in zip(outs, Y, strict=True)) / T

    gradients = {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}
    ds_next = np.zeros_like(s)
    for t in reversed(range(T)):
        dout = 2 * (outs[t] - Y[t]) / outs[t].size / T
        gradients["dWya"] += dout @ caches[t]["s"].T
        gradients["dby"] += dout.sum(axis=1, keepdims=True)
        ds = parameters["Wya"].T @ dout + ds_next
        ds_next = cell_backward(ds, caches[t], parameters, gradients)
    return loss, {name: gradients[f"d{name}"] for name in parameters}


def example(rng):
    shapes = {"Wax": (4, 3), "Waa": (4, 4), "ba": (4, 1), "Wf": (4, 3), "Wya": (2, 4), "by": (2, 1)}
    parameters = {name: 0.8 * rng.standard_normal(shape) for name, shape in shapes.items()}
    return parameters, (rng.standard_normal((4, 3, 5)), rng.standard_normal((4, 2, 5)))
