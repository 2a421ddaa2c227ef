"""A long short-term memory over time: gates in one matrix, caches in a list of dicts, gradients summed over time."""

# ruff: noqa: C408  # as people write it
import numpy as np


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def step(params, xs, target):
    Wx, Wh, b, Wy, by = params["Wx"], params["Wh"], params["b"], params["Wy"], params["by"]
    T, n, _ = xs.shape
    H = Wh.shape[0]
    h, c = np.zeros((n, H)), np.zeros((n, H))
    caches = []
    loss = 0.0
    for t in range(T):
        h_prev, c_prev = h, c
        z = xs[t] @ Wx + h_prev @ Wh + b
        i = sigmoid(z[:, :H])
        f = sigmoid(z[:, H : 2 * H])
        o = sigmoid(z[:, 2 * H : 3 * H])
        g = np.tanh(z[:, 3 * H :])
        c = f * c_prev + i * g
        tc = np.tanh(c)
        h = o * tc
        y = h @ Wy + by
        diff = y - target[t]
        loss += 0.5 * np.sum(diff**2) / n
        caches.append(dict(h_prev=h_prev, c_prev=c_prev, i=i, f=f, o=o, g=g, tc=tc, h=h, diff=diff))

    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dWy, dby = np.zeros_like(Wy), np.zeros_like(by)
    dh_next = np.zeros((n, H))
    dc_next = np.zeros((n, H))
    for t in reversed(range(T)):
        k = caches[t]
        dy = k["diff"] / n
        dWy += k["h"].T @ dy
        dby += dy.sum(0)
        dh = dy @ Wy.T + dh_next
        do = dh * k["tc"]
        dc = dh * k["o"] * (1 - k["tc"] ** 2)
        dc += dc_next
        di = dc * k["g"]
        dg = dc * k["i"]
        df = dc * k["c_prev"]
        dc_next = dc * k["f"]
        dzi = di * k["i"] * (1 - k["i"])
        dzf = df * k["f"] * (1 - k["f"])
        dzo = do * k["o"] * (1 - k["o"])
        dzg = dg * (1 - k["g"] ** 2)
        dz = np.concatenate([dzi, dzf, dzo, dzg], axis=1)
        dWx += xs[t].T @ dz
        dWh += k["h_prev"].T @ dz
        db += dz.sum(axis=0)
        dh_next = dz @ Wh.T
    return loss, {"Wx": dWx, "Wh": dWh, "b": db, "Wy": dWy, "by": dby}


def example(rng):
    shapes = {"Wx": (3, 16), "Wh": (4, 16), "b": (16,), "Wy": (4, 2), "by": (2,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.standard_normal((5, 3, 3)), rng.standard_normal((5, 3, 2)))
