"""A recurrence both ways over sentences with gaps: masks, caches, a loss over the words that are there."""

import numpy as np


def rnn_step_forward(x, prev_h, Wx, Wh, b, keep):
    cand = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    next_h = keep * cand + (1 - keep) * prev_h
    cache = x, prev_h, cand, Wx, Wh, keep
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, cand, Wx, Wh, keep = cache
    dcand = dnext_h * keep
    da = dcand * (1 - cand * cand)
    dprev_h = da.dot(Wh.T) + dnext_h * (1 - keep)
    return da.dot(Wx.T), dprev_h, x.T.dot(da), prev_h.T.dot(da), np.sum(da, axis=0)


def rnn_forward(x, Wx, Wh, b, mask):
    N, T, _ = x.shape
    h, caches = np.zeros((N, len(b))), []
    out = np.zeros((N, T, len(b)))
    for t in range(T):
        h, cache = rnn_step_forward(x[:, t], h, Wx, Wh, b, mask[:, t, None])
        out[:, t] = h
        caches.append(cache)
    return out, caches


def rnn_backward(dout, caches):
    N, T, H = dout.shape
    dx = np.zeros((N, T, caches[0][0].shape[1]))
    dWx = dWh = db = 0
    dh = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx[:, t], dh, dWx_t, dWh_t, db_t = rnn_step_backward(dout[:, t] + dh, caches[t])
        dWx, dWh, db = dWx + dWx_t, dWh + dWh_t, db + db_t
    return dx, dWx, dWh, db


def temporal_softmax_loss(scores, y, mask):
    N, T, V = scores.shape
    flat, y_flat, mask_flat = scores.reshape(N * T, V), y.reshape(-1), mask.reshape(-1)
    probs = np.exp(flat - flat.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    words = mask_flat.sum()
    loss = -np.sum(mask_flat * np.log(probs[np.arange(N * T), y_flat])) / words
    dflat = probs.copy()
    dflat[np.arange(N * T), y_flat] -= 1
    dflat *= mask_flat[:, None]
    dflat /= words
    return loss, dflat.reshape(N, T, V)


def step(params, ids, y, mask):
    x = params["embed"][ids]
    fwd, fwd_caches = rnn_forward(x, params["Wx_f"], params["Wh_f"], params["b_f"], mask)
    bwd, bwd_caches = rnn_forward(x[:, ::-1], params["Wx_b"], params["Wh_b"], params["b_b"], mask[:, ::-1])
    both = np.concatenate([fwd, bwd[:, ::-1]], axis=2)
    loss, dscores = temporal_softmax_loss(both @ params["Wo"], y, mask)

    H = fwd.shape[2]
    grads = {"Wo": np.einsum("nth,ntv->hv", both, dscores)}
    dboth = dscores @ params["Wo"].T
    dx_f, grads["Wx_f"], grads["Wh_f"], grads["b_f"] = rnn_backward(dboth[:, :, :H], fwd_caches)
    dx_b, grads["Wx_b"], grads["Wh_b"], grads["b_b"] = rnn_backward(dboth[:, ::-1, H:], bwd_caches)
    dx = dx_f + dx_b[:, ::-1]
    grads["embed"] = np.zeros_like(params["embed"])
    np.add.at(grads["embed"], ids, dx)
    return loss, grads


def example(rng):
    shapes = {"embed": (6, 3), "Wo": (8, 4)}
    shapes |= {
        f"{name}_{way}": s for way in "fb" for name, s in (("Wx", (3, 4)), ("Wh", (4, 4)), ("b", (4,)))
    }
    params = {name: 0.7 * rng.standard_normal(shape) for name, shape in shapes.items()}
    mask = np.array([[1.0, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0]])
    return params, (rng.integers(0, 6, (3, 4)), rng.integers(0, 4, (3, 4)), mask)
