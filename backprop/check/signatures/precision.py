"""Precision: errors of the size of a narrower dtype's rounding, and numbers that were made whole.

An answer whose every entry is a number of the narrower dtype was stored in it. An intermediate leaves no such trace:
there the errors must be of the right size in most entries, of either sign, and follow neither the gradient nor the
parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backprop.arrays import Array
from backprop.check.findings import Confidence, Finding
from backprop.check.kinds import found
from backprop.check.signatures.known import Known

if TYPE_CHECKING:
    from backprop.check.signatures.recognise import Suspect

_FORMATS = (("float32", 2.0**-23), ("float16", 2.0**-10), ("bfloat16", 2.0**-7))
_FEWEST = 8


def lower_precision(suspect: Suspect) -> list[Finding]:
    """An error as a narrower dtype leaves it."""
    known = suspect.known
    use = known.usable
    got, expected = known.of(suspect.got)[use], known.values[use]
    scale = float(np.linalg.norm(expected.astype(np.float64)))
    if scale == 0:
        return []
    error = float(np.linalg.norm((got - expected).astype(np.float64))) / scale
    for name, eps in _FORMATS:
        stored = bool(np.any(got)) and _stored(suspect.got.reshape(-1), name)
        if stored and error <= eps:
            evidence = f"Every entry is a {name} number; ‖got - expected‖ / ‖expected‖ = {error:.1e}."
            return [found("lower-precision", suspect.name, evidence)]
        if known.directions is not None and name == "float32" and 0.01 * eps <= error <= eps:
            evidence = (
                f"‖got - expected‖ / ‖expected‖ = {error:.1e}, of the size of {name}'s rounding ({eps:.1e})."
            )
            return [found("lower-precision", suspect.name, evidence, "possible")]
        if (
            known.directions is None
            and 0.01 * eps <= error <= 4 * eps
            and _without_pattern(suspect, got, expected, eps)
        ):
            evidence = (
                f"‖got - expected‖ / ‖expected‖ = {error:.1e}, of the size of {name}'s rounding ({eps:.1e}), "
                f"of either sign and without a pattern."
            )
            confidence: Confidence = "likely" if name == "float32" and len(got) >= _FEWEST else "possible"
            return [found("lower-precision", suspect.name, evidence, confidence)]
    return []


def _stored(values: Array, name: str) -> bool:
    """Whether every value is a number of the format."""
    with np.errstate(all="ignore"):
        single = values.astype(np.float32)
        if name == "bfloat16":  # the upper half of a float32
            return bool(np.all(single == values) and not np.any(single.view(np.uint32) & np.uint32(0xFFFF)))
        return bool(np.all(values.astype(np.dtype(name)).astype(values.dtype) == values))


def _without_pattern(suspect: Suspect, got: Array, expected: Array, eps: float) -> bool:
    """Whether the errors are spread, of both signs, and independent of the gradient and the parameter."""
    difference = (got - expected).astype(np.float64)
    size = len(difference)
    largest = float(np.max(np.abs(expected)))
    if np.max(np.abs(difference)) > 8 * eps * largest:
        return False
    if size < _FEWEST:  # too few for statistics: only where nothing else makes errors so small
        return eps < 1e-6
    moved = difference != 0
    bound = 4 / np.sqrt(size)
    balance = abs(np.mean(np.sign(difference)))
    others = (
        [expected]
        if suspect.parameter is None
        else [expected, suspect.known.of(suspect.parameter)[suspect.known.usable]]
    )
    return bool(
        np.mean(moved) > 0.5
        and balance < min(0.95, bound)
        and all(_correlation(difference, other) < max(0.2, bound) for other in others)
    )


def _correlation(one: Array, other: Array) -> float:
    other = other.astype(np.float64)
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return abs(float(one @ other)) / norms if norms else 0.0


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
