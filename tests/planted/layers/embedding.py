"""Embedding: y = E[tokens], with E (v, d), tokens (n, t), of which some come twice."""

import numpy as np
from planted.layers.layer import Layer, Slip, library_of, like, one_hot


def forward(E, tokens):
    return E[tokens]


def is_last(tokens, x):
    """Whether a token does not come again."""
    flat = np.asarray(tokens).reshape(-1)
    last = np.array([token not in flat[k + 1 :] for k, token in enumerate(flat)])
    return like(last.reshape(tokens.shape), x)


def backward(dy, E, tokens):
    places = one_hot(tokens, len(E), E)
    return library_of(dy).einsum("ntv,ntd->vd", places, dy), None


def inputs(rng):
    return rng.normal(size=(6, 3)), np.array([[0, 2, 2, 5], [4, 0, 5, 0]])


LAYER = Layer(
    "embedding",
    forward,
    backward,
    inputs,
    (
        Slip(
            "the last of equal tokens wins",
            "places, dy",
            "places * is_last(tokens, E)[..., None], dy",
            ("upstream-left-out",),
        ),
        Slip("averaged over the batch", "dy), None", "dy) / len(dy), None", ("constant-factor",)),
        Slip("first sample alone", "places, dy", "places[:1], dy[:1]", ("only-first-upstream",)),
        Slip("last position left out", "places, dy", "places[:, :-1], dy[:, :-1]", ("upstream-left-out",)),
        Slip("tokens from one", "one_hot(tokens,", "one_hot((tokens - 1) % len(E),", ("reordered",)),
        Slip(
            "averaged over equal tokens",
            "places, dy",
            "places / (places.sum((0, 1)) + 1e-30), dy",
            ("factor-along-axis",),
        ),
        Slip("times the embedding", "places, dy", "places, dy * E[tokens]", ("log-parameter",)),
        Slip("upstream left out", "places, dy", "places, 0 * dy + 1", ("upstream-ignored",)),
        Slip("sign", "dy), None", "-dy), None", ("sign",)),
    ),
)
