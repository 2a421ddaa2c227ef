"""Convolution and pooling by loops over samples, filters and places; a gradient by the input that is added up."""

import numpy as np


def conv_forward(x, w, b, stride=1):
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    out = np.zeros((N, F, 1 + (H - HH) // stride, 1 + (W - WW) // stride))
    for n in range(N):
        for f in range(F):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    patch = x[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out, (x, w, b, stride)


def conv_backward(dout, cache):
    x, w, b, stride = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    HH, WW = w.shape[2:]
    for n in range(dout.shape[0]):
        for f in range(dout.shape[1]):
            db[f] += np.sum(dout[n, f])
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    rows, columns = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
                    dw[f] += x[n, :, rows, columns] * dout[n, f, i, j]
                    dx[n, :, rows, columns] += w[f] * dout[n, f, i, j]
    return dx, dw, db


def pool_forward(x):
    N, C, H, W = x.shape
    out = x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))
    return out, (x, out)


def pool_backward(dout, cache):
    x, out = cache
    dx = np.zeros_like(x)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            mask = window == out[:, :, i : i + 1, j : j + 1]
            dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = mask * dout[:, :, i : i + 1, j : j + 1]
    return dx


def step(params, x, t):
    s = x * params["s"]
    a, conv_cache = conv_forward(s, params["w"], params["b"])
    h = np.maximum(a, 0.1 * a)
    p, pool_cache = pool_forward(h)
    loss = 0.5 * np.sum((p - t) ** 2) / len(x)

    dp = (p - t) / len(x)
    dh = pool_backward(dp, pool_cache)
    da = dh * np.where(a > 0, 1, 0.1)
    ds, dw, db = conv_backward(da, conv_cache)
    return loss, {"s": np.sum(ds * x, axis=0), "w": dw, "b": db}


def example(rng):
    params = {
        "s": rng.standard_normal((1, 3, 3)),
        "w": rng.standard_normal((2, 1, 2, 2)),
        "b": rng.standard_normal(2),
    }
    return params, (rng.standard_normal((2, 1, 3, 3)), rng.standard_normal((2, 2, 1, 1)))
