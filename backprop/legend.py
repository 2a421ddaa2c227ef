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
