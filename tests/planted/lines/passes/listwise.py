"""Ranking of padded lists: a scorer of documents in the light of their query, ListNet, and RankNet over the pairs."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass
class Scorer:
    doc: np.ndarray
    query: np.ndarray
    shift: np.ndarray
    out: np.ndarray
    log_temp: np.ndarray


MIX = 0.4
DECAY = 0.05


def top_one(values, mask):
    """Probability of each document of a list to be the first; padding has none."""
    e = np.where(mask, np.exp(values), 0.0)
    return e / e.sum(axis=1, keepdims=True)


def step(net, docs, queries, gains, mask):
    lists = len(docs)
    better = (gains[:, :, None] > gains[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    pairs = better.sum()
    temp = np.exp(net.log_temp)

    hidden = np.tanh(docs @ net.doc + (queries @ net.query)[:, None, :] + net.shift)
    score = hidden @ net.out
    ideal = top_one(gains, mask)
    guess = top_one(score / temp, mask)
    margin = score[:, :, None] - score[:, None, :]

    def listnet():
        return -np.sum(ideal[mask] * np.log(guess[mask])) / lists

    def ranknet():
        return np.sum(np.log1p(np.exp(-margin))[better]) / pairs

    loss = (
        (1 - MIX) * listnet()
        + MIX * ranknet()
        + 0.5 * DECAY * sum(np.sum(w**2) for w in (net.doc, net.query))
    )

    def back_listnet(g):
        g_logit = g * (guess - ideal) / lists
        return g_logit / temp, -np.sum(g_logit * score) / temp

    def back_ranknet(g):
        g_margin = -g * better / (1 + np.exp(margin)) / pairs
        return g_margin.sum(axis=2) - g_margin.sum(axis=1)

    def back_scorer(g_score):
        g_out = np.einsum("ld,ldh->h", g_score, hidden)
        g_hidden = g_score[:, :, None] * net.out
        g_pre = g_hidden * (1 - hidden * hidden)
        g_query_in = g_pre.sum(axis=1)
        g_doc = np.einsum("ldf,ldh->fh", docs, g_pre) + DECAY * net.doc
        g_query = queries.T @ g_query_in + DECAY * net.query
        g_shift = g_query_in.sum(axis=0)
        return g_doc, g_query, g_shift, g_out

    g_score, g_log_temp = back_listnet(1 - MIX)
    g_score = g_score + back_ranknet(MIX)
    found = Scorer(*back_scorer(g_score), log_temp=g_log_temp)
    assert all(np.shape(getattr(found, f.name)) == np.shape(getattr(net, f.name)) for f in fields(net))
    return loss, found


def example(rng):
    net = Scorer(
        doc=rng.standard_normal((4, 5)),
        query=rng.standard_normal((3, 5)),
        shift=rng.standard_normal(5),
        out=rng.standard_normal(5),
        log_temp=np.array(0.3),
    )
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]], dtype=bool)
    gains = np.array([[2.0, 0, 1, 0], [0, 1, 1, 2], [0, 1, 0, 0]])
    return net, (rng.standard_normal((3, 4, 4)), rng.standard_normal((3, 3)), gains, mask)
