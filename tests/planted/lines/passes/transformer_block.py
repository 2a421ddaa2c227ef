"""A block of a transformer: layer normalisation twice, heads in one matrix, a smooth gate, a residual stream."""

import math

import numpy as np


def layernorm_forward(x, w, b, eps=1e-5):
    C = x.shape[-1]
    mean = x.sum(-1, keepdims=True) / C
    xshift = x - mean
    var = (xshift**2).sum(-1, keepdims=True) / C
    rstd = (var + eps) ** -0.5
    norm = xshift * rstd
    out = norm * w + b
    return out, (x, w, mean, rstd)


def layernorm_backward(dout, cache):
    x, w, mean, rstd = cache
    norm = (x - mean) * rstd
    db = dout.sum((0, 1))
    dw = (dout * norm).sum((0, 1))
    dnorm = dout * w
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, dw, db


def gelu(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def gelu_backward(dout, x):
    scale = math.sqrt(2.0 / math.pi)
    tanh_out = np.tanh(scale * (x + 0.044715 * x**3))
    sech2 = 1.0 - tanh_out**2
    local = 0.5 * (1.0 + tanh_out) + 0.5 * x * sech2 * scale * (1.0 + 3.0 * 0.044715 * x**2)
    return dout * local


def attention_forward(qkv, n_head):
    B, T, C3 = qkv.shape
    C = C3 // 3
    hs = C // n_head
    q, k, v = np.split(qkv, 3, axis=2)
    q = q.reshape(B, T, n_head, hs).transpose(0, 2, 1, 3)
    k = k.reshape(B, T, n_head, hs).transpose(0, 2, 1, 3)
    v = v.reshape(B, T, n_head, hs).transpose(0, 2, 1, 3)
    preatt = q @ k.swapaxes(-2, -1) / math.sqrt(hs)
    mask = np.triu(np.ones((T, T), dtype=bool), k=1)
    preatt = np.where(mask, -1e9, preatt)
    maxval = preatt.max(-1, keepdims=True)
    att = np.exp(preatt - maxval)
    att = att / att.sum(-1, keepdims=True)
    y = att @ v
    out = y.transpose(0, 2, 1, 3).reshape(B, T, C)
    return out, (q, k, v, att)


def attention_backward(dout, cache, n_head):
    q, k, v, att = cache
    B, nh, T, hs = q.shape
    dy = dout.reshape(B, T, nh, hs).transpose(0, 2, 1, 3)
    datt = dy @ v.swapaxes(-2, -1)
    dv = att.swapaxes(-2, -1) @ dy
    dpreatt = att * (datt - (datt * att).sum(-1, keepdims=True))
    dq = dpreatt @ k / math.sqrt(hs)
    dk = dpreatt.swapaxes(-2, -1) @ q / math.sqrt(hs)

    def merge(t):
        return t.transpose(0, 2, 1, 3).reshape(B, T, nh * hs)

    return np.concatenate([merge(dq), merge(dk), merge(dv)], axis=2)


def matmul_backward(dout, inp, w):
    dinp = dout @ w.T
    dw = np.einsum("bti,bto->io", inp, dout)
    db = dout.sum(axis=(0, 1))
    return dinp, dw, db


def step(p, x, targets, n_head=2):
    B, T = targets.shape
    ln1, ln1_cache = layernorm_forward(x, p["ln1w"], p["ln1b"])
    qkv = ln1 @ p["qkvw"] + p["qkvb"]
    atty, att_cache = attention_forward(qkv, n_head)
    attproj = atty @ p["attprojw"] + p["attprojb"]
    residual2 = x + attproj
    ln2, ln2_cache = layernorm_forward(residual2, p["ln2w"], p["ln2b"])
    fch = ln2 @ p["fcw"] + p["fcb"]
    fch_gelu = gelu(fch)
    fcproj = fch_gelu @ p["fcprojw"] + p["fcprojb"]
    residual3 = residual2 + fcproj
    logits = residual3 @ p["wte"].T
    logits_shift = logits - logits.max(-1, keepdims=True)
    probs = np.exp(logits_shift)
    probs = probs / probs.sum(-1, keepdims=True)
    b, t = np.arange(B)[:, None], np.arange(T)[None, :]
    losses = -np.log(probs[b, t, targets])
    loss = losses.mean()

    grads = {}
    dlogits = probs.copy()
    dlogits[b, t, targets] -= 1.0
    dlogits /= B * T
    dresidual3 = dlogits @ p["wte"]
    grads["wte"] = np.einsum("btv,btc->vc", dlogits, residual3)
    dfch_gelu, grads["fcprojw"], grads["fcprojb"] = matmul_backward(dresidual3, fch_gelu, p["fcprojw"])
    dfch = gelu_backward(dfch_gelu, fch)
    dln2, grads["fcw"], grads["fcb"] = matmul_backward(dfch, ln2, p["fcw"])
    dresidual2, grads["ln2w"], grads["ln2b"] = layernorm_backward(dln2, ln2_cache)
    dresidual2 += dresidual3
    datty, grads["attprojw"], grads["attprojb"] = matmul_backward(dresidual2, atty, p["attprojw"])
    dqkv = attention_backward(datty, att_cache, n_head)
    dln1, grads["qkvw"], grads["qkvb"] = matmul_backward(dqkv, ln1, p["qkvw"])
    _, grads["ln1w"], grads["ln1b"] = layernorm_backward(dln1, ln1_cache)
    return loss, grads


def example(rng):
    C, V = 4, 5
    shapes = {
        "ln1w": (C,),
        "ln1b": (C,),
        "qkvw": (C, 3 * C),
        "qkvb": (3 * C,),
        "attprojw": (C, C),
        "attprojb": (C,),
        "ln2w": (C,),
        "ln2b": (C,),
        "fcw": (C, 6),
        "fcb": (6,),
        "fcprojw": (6, C),
        "fcprojb": (C,),
        "wte": (V, C),
    }
    p = {k: rng.standard_normal(s) for k, s in shapes.items()}
    return p, (rng.standard_normal((2, 3, C)), rng.integers(0, V, (2, 3)))
