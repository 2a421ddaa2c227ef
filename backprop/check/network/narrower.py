"""A narrower dtype somewhere in the computation: the errors are those that its rounding leaves, and have no pattern.

The bound of rounding (`backprop.check.network.rounding`) grows with eps, so that of float32 is known, entry by
entry. Where all errors lie within it, are a good part of it, have no outlier, and follow neither the gradient nor
the parameters, that dtype is the likely cause. A float16 leaves so much room that it stays possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backprop.arrays import Array
from backprop.check.findings import Finding
from backprop.check.kinds import found
from backprop.check.network.comparison import Truth
from backprop.check.network.rounding import ROOM

_DTYPES = (("float32", 2.0**-23), ("float16", 2.0**-10))
_LEAST, _MOST = 0.004, 1.5
"""The root mean square of the errors, in units of bound / ROOM: one cast leaves little, a whole pass about 0.3."""
_FEWEST = 8
_SHARE = 0.4
"""Of the entries are beyond their own dtype's rounding: a single wrong one is no lack of precision."""
_FOLLOWS = {"float32": 0.85, "float16": 0.6}
"""The cosine from which on errors follow the gradient or the parameters. A few rounded δ make errors that are alike;
little else makes any as small as those of float32."""


def narrower_dtype(
    names: Sequence[str],
    got: Mapping[str, Array],
    expected: Mapping[str, Array],
    parameters: Mapping[str, Array],
    truth: Truth,
) -> Finding | None:
    """The finding where the errors of all these tensors are what a narrower dtype leaves."""
    own = float(np.finfo(got[names[0]].dtype).eps) if got[names[0]].dtype.kind == "f" else 0.0
    bound = _joined(truth.bound, names)
    use = bound > 1e-12 * np.max(bound)  # the others are zero for certain
    error = _joined(got, names) - _joined(expected, names)
    ratio = (error / bound)[use]
    moved = ratio[ratio != 0]
    if not own or len(moved) < _FEWEST or np.mean(np.abs(ratio) > 1) < _SHARE:
        return None
    others = [(_joined(other, names) / bound)[use] for other in (expected, parameters)]
    if abs(float(np.mean(np.sign(moved)))) > 0.9:
        return None
    follows = max(_along(ratio, other) for other in others)
    spread = float(np.sqrt(np.mean(np.square(moved))))
    if np.max(np.abs(moved)) > 12 * spread:
        return None
    for dtype, eps in _DTYPES:
        units = spread * ROOM * own / eps
        if eps > 2 * own and units <= _MOST:
            if units < _LEAST:
                return None
            total, size = _norm(error), _norm(_joined(expected, names))
            if total > 4 * eps * size or follows > _FOLLOWS[dtype]:
                return None
            evidence = (
                f"‖got - expected‖ / ‖expected‖ = {total / size:.1e} in {', '.join(names)}, as {dtype}'s rounding "
                f"({eps:.1e}) leaves it, of either sign and without a pattern."
            )
            return found(
                "lower-precision", names[0], evidence, "likely" if dtype == "float32" else "possible"
            )
    return None


def _joined(tensors: Mapping[str, Array], names: Sequence[str]) -> Array:
    """The entries of several tensors in one array of float64."""
    return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in names])


def _along(error: Array, other: Array) -> float:
    size = _norm(error) * _norm(other)
    return abs(float(np.vdot(error, other))) / size if size else 0.0


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))
