"""A network in the shape of a U: halved and doubled in time, with skip connections to the way up."""

import numpy as np


def conv1d(x, w, b):
    """x (N, T, Ci), w (3, Ci, Co), same padding"""
    xp = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    T = x.shape[1]
    y = b + xp[:, 0:T] @ w[0] + xp[:, 1 : T + 1] @ w[1] + xp[:, 2 : T + 2] @ w[2]
    return y, (xp, w)


def conv1d_backward(dy, cache):
    xp, w = cache
    T = dy.shape[1]
    dw = np.empty_like(w)
    dxp = np.zeros_like(xp)
    for k in range(3):
        dw[k] = np.tensordot(xp[:, k : k + T], dy, axes=([0, 1], [0, 1]))
        dxp[:, k : k + T] += dy @ w[k].T
    db = dy.sum(axis=(0, 1))
    return dxp[:, 1:-1], dw, db


def down(x):
    return 0.5 * (x[:, 0::2] + x[:, 1::2])


def down_backward(dy):
    return np.repeat(dy, 2, axis=1) * 0.5


def up(x):
    return np.repeat(x, 2, axis=1)


def up_backward(dy):
    return dy[:, 0::2] + dy[:, 1::2]


def leaky(x, a=0.2):
    return np.where(x > 0, x, a * x)


def leaky_backward(dy, x, a=0.2):
    return dy * np.where(x > 0, 1.0, a)


def step(params, x, target):
    w, b = params["w"], params["b"]
    # encoder
    e1, c_e1 = conv1d(x, w[0], b[0])
    s1 = leaky(e1)
    e2, c_e2 = conv1d(down(s1), w[1], b[1])
    s2 = leaky(e2)
    # bottleneck
    m, c_m = conv1d(down(s2), w[2], b[2])
    sm = leaky(m)
    # decoder
    u2 = np.concatenate([up(sm), s2], axis=-1)
    d2, c_d2 = conv1d(u2, w[3], b[3])
    sd2 = leaky(d2)
    u1 = np.concatenate([up(sd2), s1], axis=-1)
    out, c_out = conv1d(u1, w[4], b[4])
    diff = out - target
    loss = np.mean(diff**2)

    gw, gb = [None] * 5, [None] * 5
    g = 2 * diff / diff.size
    gu1, gw[4], gb[4] = conv1d_backward(g, c_out)
    n2 = sd2.shape[-1]
    gsd2 = up_backward(gu1[..., :n2])
    gs1 = gu1[..., n2:]
    gd2 = leaky_backward(gsd2, d2)
    gu2, gw[3], gb[3] = conv1d_backward(gd2, c_d2)
    nm = sm.shape[-1]
    gsm = up_backward(gu2[..., :nm])
    gs2 = gu2[..., nm:]
    gm = leaky_backward(gsm, m)
    gdown2, gw[2], gb[2] = conv1d_backward(gm, c_m)
    gs2 = gs2 + down_backward(gdown2)
    ge2 = leaky_backward(gs2, e2)
    gdown1, gw[1], gb[1] = conv1d_backward(ge2, c_e2)
    gs1 = gs1 + down_backward(gdown1)
    ge1 = leaky_backward(gs1, e1)
    _, gw[0], gb[0] = conv1d_backward(ge1, c_e1)
    return loss, {"w": gw, "b": gb}


def example(rng):
    r = rng.standard_normal
    w = [r((3, 1, 2)), r((3, 2, 3)), r((3, 3, 3)), r((3, 6, 2)), r((3, 4, 1))]
    b = [r(2), r(3), r(3), r(2), r(1)]
    return {"w": w, "b": b}, (r((2, 8, 1)), r((2, 8, 1)))
