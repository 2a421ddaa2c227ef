"""A convolution by im2col, relu, max-pooling over positions, a linear layer; functions for each."""

import numpy as np


def im2col(x, k):
    n, c, height, width = x.shape
    oh, ow = height - k + 1, width - k + 1
    cols = np.zeros((n, oh * ow, c * k * k), x.dtype)
    for i in range(oh):
        for j in range(ow):
            cols[:, i * ow + j] = x[:, :, i : i + k, j : j + k].reshape(n, -1)
    return cols


def col2im(dcols, shape, k):
    n, c, height, width = shape
    oh, ow = height - k + 1, width - k + 1
    dx = np.zeros(shape, dcols.dtype)
    for i in range(oh):
        for j in range(ow):
            dx[:, :, i : i + k, j : j + k] += dcols[:, i * ow + j].reshape(n, c, k, k)
    return dx


def conv_forward(x, w, b):
    cols = im2col(x, w.shape[2])
    kernel = w.reshape(w.shape[0], -1)
    out = cols @ kernel.T + b
    return out, (x.shape, cols, w)


def conv_backward(dout, cache):
    shape, cols, w = cache
    kernel = w.reshape(w.shape[0], -1)
    db = dout.sum(axis=(0, 1))
    dkernel = np.einsum("npo,npk->ok", dout, cols)
    dw = dkernel.reshape(w.shape)
    dcols = dout @ kernel
    dx = col2im(dcols, shape, w.shape[2])
    return dx, dw, db


def step(params, images, target):
    n = images.shape[0]
    scaled = images * params["scale"]
    maps, cache = conv_forward(scaled, params["K"], params["kb"])
    active = np.maximum(0, maps)
    pooled = active.max(axis=1)
    where = active.argmax(axis=1)
    score = pooled @ params["V"] + params["vb"]
    err = score - target
    loss = np.mean(np.sum(err**2, axis=1))

    derr = 2 * err / n
    dV = pooled.T @ derr
    dvb = derr.sum(axis=0)
    dpooled = derr @ params["V"].T
    dactive = np.zeros_like(active)
    for i in range(n):
        dactive[i, where[i], np.arange(active.shape[2])] = dpooled[i]
    dmaps = dactive * (maps > 0)
    dscaled, dK, dkb = conv_backward(dmaps, cache)
    dscale = np.sum(dscaled * images, axis=(0, 2, 3), keepdims=True)[0]
    return loss, {"K": dK, "kb": dkb, "V": dV, "vb": dvb, "scale": dscale}


def example(rng):
    params = {
        "scale": rng.standard_normal((2, 1, 1)),
        "K": rng.standard_normal((3, 2, 2, 2)),
        "kb": 1 + rng.random(3),
        "V": rng.standard_normal((3, 2)),
        "vb": rng.standard_normal(2),
    }
    return params, (rng.standard_normal((3, 2, 4, 4)), rng.standard_normal((3, 2)))
