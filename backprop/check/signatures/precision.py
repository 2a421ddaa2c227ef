"""Precision: numbers of a narrower dtype, and numbers that were made whole.

An answer is called less precise only where every entry is a number of the narrower dtype, so that it was stored in
it, or where the gradient gives the same answer for arguments that are rounded to that dtype. Errors of the size of
its rounding prove nothing: an ε in a logarithm or a step taken too early leaves as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backprop.arrays import Array
from backprop.check.findings import Finding
from backprop.check.kinds import found
from backprop.check.signatures.known import Known

if TYPE_CHECKING:
    from backprop.check.signatures.recognise import Suspect

_FORMATS = (("float32", 2.0**-23), ("float16", 2.0**-10), ("bfloat16", 2.0**-7))
_SINGLE = 2.0**-20  # what float32 arguments may make of a gradient, relative to its norm


def lower_precision(suspect: Suspect) -> list[Finding]:
    """Numbers of a narrower dtype, or a gradient that rounds what it is given to float32."""
    known = suspect.known
    use = known.usable
    got, expected = known.of(suspect.got)[use], known.values[use]
    scale = float(np.linalg.norm(expected.astype(np.float64)))
    if scale == 0:
        return []
    error = float(np.linalg.norm((got - expected).astype(np.float64))) / scale
    for name, eps in _FORMATS:
        if np.any(got) and _stored(suspect.got.reshape(-1), name) and error <= eps:
            evidence = f"Every entry is a {name} number; ‖got - expected‖ / ‖expected‖ = {error:.1e}."
            return [found("lower-precision", suspect.name, evidence)]
    if (
        suspect.in_float32 is not None
        and np.array_equal(suspect.in_float32, suspect.got)
        and error <= _SINGLE
    ):
        evidence = (
            "The gradient is the same at the point rounded to float32; "
            f"‖got - expected‖ / ‖expected‖ = {error:.1e}."
        )
        return [found("lower-precision", suspect.name, evidence)]
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
    dtype = suspect.raw_dtype
    known: Known = suspect.known
    if dtype is None or dtype.kind not in "iu" or known.directions is not None:
        return []
    use = known.usable
    got, expected = known.of(suspect.got)[use], known.values[use]
    slack = known.tolerance[use]
    if np.all(np.abs(got - expected) < 1 + slack):
        evidence = f"Its dtype is {dtype}, and its entries are the true ones without their fractions."
        return [found("wrong-dtype", suspect.name, evidence)]
    return []
