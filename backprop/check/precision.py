"""Precision: numbers of a narrower dtype, and numbers that were made whole.

An answer is called less precise only where every entry is a number of the narrower dtype, so that it was stored in
it, or where the gradient gives the same answer for arguments that are rounded to that dtype. Errors of the size of
its rounding prove nothing: an ε in a logarithm or a step taken too early leaves as much.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding
from backprop.check.suspect import Suspect
from backprop.verify.agreement import norm

_FORMATS = (("float32", 2.0**-23), ("float16", 2.0**-10), ("bfloat16", 2.0**-7))
"""Narrower formats, and their eps."""
_SINGLE = 2.0**-20
"""Eight roundings of float32: what float32 arguments may make of a gradient, relative to its norm."""


def lower_precision(suspect: Suspect) -> list[Finding]:
    """Numbers of a narrower dtype, or a gradient that rounds what it is given to float32."""
    got, expected = suspect.compared
    scale = norm(expected)
    error = norm(got - expected) / scale if scale else 0.0
    if error == 0:  # it is wrong at kinks alone
        return []
    off = f"‖got - expected‖ / ‖expected‖ = {error:.1e}."
    for name, eps in _FORMATS:
        if np.any(got) and _stored(suspect.got.reshape(-1), name) and error <= eps:
            return suspect.finding("lower-precision", f"Every entry is a {name} number; {off}")
    narrow = suspect.in_float32
    if narrow is not None and np.array_equal(narrow, suspect.got) and error <= _SINGLE:
        evidence = f"The gradient is the same at the point rounded to float32; {off}"
        return suspect.finding("lower-precision", evidence)
    return []


def _stored(values: Array, name: str) -> bool:
    """Whether every value is a number of the format."""
    with np.errstate(all="ignore"):
        single = values.astype(np.float32)
        if name == "bfloat16":  # the upper half of a float32
            return bool(np.all(single == values) and not np.any(single.view(np.uint32) & np.uint32(0xFFFF)))
        return bool(np.all(values.astype(np.dtype(name)).astype(values.dtype) == values))


def truncated(suspect: Suspect) -> list[Finding]:
    """Whole numbers where the truth has fractions: an array of integers has cut them off."""
    dtype, known = suspect.raw_dtype, suspect.known
    if dtype is None or dtype.kind not in "iu" or known.directions is not None:
        return []
    got, expected = suspect.compared
    if not np.all(np.abs(got - expected) < 1 + known.tolerance[known.usable]):
        return []
    evidence = f"Its dtype is {dtype}, and its entries are the true ones without their fractions."
    return suspect.finding("wrong-dtype", evidence)
