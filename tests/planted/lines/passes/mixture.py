"""A mixture of Gaussians by factors of its precisions, a log-sum-exp over the parts, and a Wishart prior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Prior(NamedTuple):
    gamma: float = 0.7
    dof: int = 2


def logsumexp(a: Array, *, axis: int = -1) -> Array:
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top, axis=axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def factors(log_diag: Array, lower: Array) -> Array:
    """(k, d) and (k, d(d-1)/2) to lower triangular (k, d, d)."""
    k, d = log_diag.shape
    rows, cols = np.tril_indices(d, -1)
    out = np.zeros((k, d, d), dtype=np.result_type(log_diag, lower))
    out[:, rows, cols] = lower
    out[:, range(d), range(d)] = np.exp(log_diag)
    return out


def negative_log_likelihood(
    theta: dict[str, Array], x: Array, *, prior: Prior
) -> tuple[Array, dict[str, Array]]:
    logits, mu = theta["logits"], theta["mu"]
    n, d = x.shape
    ell = factors(theta["log_diag"], theta["lower"])
    centred = x[:, None, :] - mu[None, :, :]
    white = np.einsum("kij,nkj->nki", ell, centred)
    log_det = theta["log_diag"].sum(axis=1)
    joint = logits + log_det - 0.5 * (white**2).sum(axis=2)
    evidence = logsumexp(joint, axis=1)
    frobenius = 0.5 * prior.gamma**2 * np.sum(ell**2)
    value = logsumexp(logits) - evidence.mean() + (frobenius - prior.dof * log_det.sum()) / n

    resp = np.exp(joint - evidence[:, None])
    share = resp.mean(axis=0)
    g_white = resp[:, :, None] * white / n
    g_ell = np.einsum("nki,nkj->kij", g_white, centred)
    g_ell += prior.gamma**2 * ell / n
    g_centred = np.einsum("kij,nki->nkj", ell, g_white)
    g_log_det = -share - prior.dof / n
    g_diag = np.einsum("kii->ki", g_ell) * np.einsum("kii->ki", ell)
    rows, cols = np.tril_indices(d, -1)
    return value, {
        "logits": np.exp(logits - logsumexp(logits)) - share,
        "mu": -g_centred.sum(axis=0),
        "log_diag": g_diag + g_log_det[:, None],
        "lower": g_ell[:, rows, cols],
    }


def step(theta, x):
    return negative_log_likelihood(theta, x, prior=Prior(dof=3))


def example(rng):
    theta = {
        "logits": rng.standard_normal(3),
        "mu": rng.standard_normal((3, 3)),
        "log_diag": 0.3 * rng.standard_normal((3, 3)),
        "lower": 0.5 * rng.standard_normal((3, 3)),
    }
    return theta, (rng.standard_normal((7, 3)),)
