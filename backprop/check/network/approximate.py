"""Difference quotients: a gradient that is right but for an error which cancellation leaves, the same everywhere.

A quotient (L(θ + h) - L(θ - h)) / 2h is off by about eps L / h, whatever its own size. Rounding of a formula is off
in proportion to the terms that were summed. So the errors are small, of either sign, and do not follow their bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.network.comparison import Truth

_FEWEST = 12


def difference_quotient(got: Mapping[str, Array], wrong: frozenset[str], truth: Truth) -> Finding | None:
    """The finding where every tensor has such an error; None where any has another."""
    if set(wrong) < set(got):
        return None
    difference = np.concatenate(
        [(got[k].astype(np.float64) - truth.gradient[k].astype(np.float64)).ravel() for k in got]
    )
    expected = np.concatenate([truth.gradient[k].astype(np.float64).ravel() for k in got])
    bound = np.concatenate([truth.bound[k].ravel() for k in got])
    moved = difference != 0
    eps = float(np.finfo(next(iter(got.values())).dtype).eps) if got else 0.0
    scale = float(np.linalg.norm(expected))
    if moved.sum() < _FEWEST or scale == 0:
        return None
    error = float(np.linalg.norm(difference)) / scale
    if not 10 * eps < error < 100 * eps ** (2 / 3):
        return None
    size, sign = np.abs(difference[moved]), np.sign(difference[moved])
    balanced = abs(float(np.mean(sign))) < max(0.3, 4 / np.sqrt(len(sign)))
    even = float(np.quantile(size, 0.9) / np.median(size)) < 6
    follows = _rank_correlation(size, bound[moved])
    along = abs(float(difference @ expected)) / (np.linalg.norm(difference) * scale)
    if not (balanced and even and abs(follows) < 0.3 and along < 0.3):
        return None
    evidence = (
        f"‖got - expected‖ / ‖expected‖ = {error:.1e}; the errors are of either sign and about {np.median(size):.1e} "
        "everywhere, however large the entry is, as cancellation leaves them."
    )
    return found("difference-quotient", None, evidence, "likely" if eps < 1e-10 else "possible")


def _rank_correlation(one: Array, other: Array) -> float:
    """Spearman's correlation."""
    first, second = (np.argsort(np.argsort(each)).astype(np.float64) for each in (one, other))
    return float(np.corrcoef(first, second)[0, 1])
