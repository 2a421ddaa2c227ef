"""The index legend: the one meaning of every letter in shapes, docstrings and einsum strings.

A letter is an axis. `(n, o, i)` is an array with a sample axis, an output axis and an input axis;
`"nco,io->nci"` is the einsum over them. The loss is the mean over n.
"""

from __future__ import annotations

LEGEND: dict[str, str] = {
    "n": "samples of a batch",
    "i": "a layer's inputs",
    "o": "a layer's outputs",
    "c": "classes, the network's outputs",
    "p": "all parameters, flattened",
}

IMAGES: dict[str, str] = {
    "l": "channels of an image",
    "h, w": "its rows and columns, so that i runs over (l, h, w)",
    "q": "channels of a convolution's outputs",
    "s, t": "rows and columns of its places, so that o runs over (q, s, t), after a pooling over (l, s, t)",
    "u, v": "rows and columns of a window",
    "k": "the numbers of a window",
}
"""The letters of the formulas of convolution and pooling, beside those of the legend."""

TOKENS: dict[str, str] = {
    "t, u": "tokens, or steps, of a sample",
    "d": "the numbers of a token",
    "g, h": "the numbers of a recurrent layer's gates, and of its state",
    "e": "the numbers of a head of attention",
}
"""Those of the layers over a sequence."""
