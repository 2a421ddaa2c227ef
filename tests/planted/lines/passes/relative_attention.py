"""Embedded tokens, a layer norm, causal attention of two heads with a learnt bias for each distance, squares."""

import numpy as np

EPS = 1e-5
HEADS = 2


def norm_fwd(x, scale, offset):
    centred = x - x.mean(-1, keepdims=True)
    inv = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS)
    hat = centred * inv
    return scale * hat + offset, (hat, inv)


def norm_bwd(grad, scale, cache):
    hat, inv = cache
    grad_scale = np.einsum("btd,btd->d", grad, hat)
    grad_offset = np.einsum("btd->d", grad)
    grad_hat = grad * scale
    mean = grad_hat.mean(-1, keepdims=True)
    proj = (grad_hat * hat).mean(-1, keepdims=True)
    return inv * (grad_hat - mean - hat * proj), grad_scale, grad_offset


def split(x):
    return x.reshape(*x.shape[:2], HEADS, -1)


def merge(x):
    return x.reshape(*x.shape[:2], -1)


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def step(params, ids, target):
    embed, wq, wk, wv, wo, bias, scale, offset = params
    x = embed[ids]
    T = ids.shape[1]
    distance = np.arange(T)[:, None] - np.arange(T)[None, :]
    seen = distance >= 0

    normed, cache = norm_fwd(x, scale, offset)
    q, k, v = split(normed @ wq), split(normed @ wk), split(normed @ wv)
    root = np.sqrt(q.shape[-1])
    scores = np.einsum("bihc,bjhc->bhij", q, k) / root
    scores = scores + bias[:, np.abs(distance)]
    prob = softmax(np.where(seen, scores, -1e9))
    context = merge(np.einsum("bhij,bjhc->bihc", prob, v))
    out = x + np.tanh(context @ wo)
    err = out - target
    loss = 0.5 * np.sum(err**2) / T

    grad_pre = err / T * (1 - (out - x) ** 2)
    grad_wo = np.einsum("bti,bto->io", context, grad_pre)
    grad_context = split(grad_pre @ wo.T)
    grad_prob = np.einsum("bihc,bjhc->bhij", grad_context, v)
    grad_v = merge(np.einsum("bhij,bihc->bjhc", prob, grad_context))
    inner = np.sum(grad_prob * prob, axis=-1, keepdims=True)
    grad_scores = prob * (grad_prob - inner)
    grad_bias = np.zeros_like(bias)
    for i in range(T):
        for j in range(i + 1):
            grad_bias[:, i - j] += grad_scores[:, :, i, j].sum(axis=0)
    grad_scores = grad_scores / root
    grad_q = merge(np.einsum("bhij,bjhc->bihc", grad_scores, k))
    grad_k = merge(np.einsum("bhij,bihc->bjhc", grad_scores, q))
    grad_wq, grad_wk, grad_wv = (np.einsum("bti,bto->io", normed, g) for g in (grad_q, grad_k, grad_v))
    grad_normed = grad_q @ wq.T + grad_k @ wk.T
    grad_normed += grad_v @ wv.T
    grad_x, grad_scale, grad_offset = norm_bwd(grad_normed, scale, cache)
    grad_x += err / T  # the residual
    grad_embed = np.zeros_like(embed)
    np.add.at(grad_embed, ids, grad_x)
    return loss, [grad_embed, grad_wq, grad_wk, grad_wv, grad_wo, grad_bias, grad_scale, grad_offset]


def example(rng):
    d, t = 4, 3
    weights = [rng.standard_normal((d, d)) for _ in range(4)]
    rest = [rng.standard_normal((HEADS, t)), 1 + 0.3 * rng.standard_normal(d), 0.3 * rng.standard_normal(d)]
    embed = rng.standard_normal((5, d))
    return [embed, *weights, *rest], (np.array([[0, 3, 1], [4, 1, 1]]), rng.standard_normal((2, t, d)))
