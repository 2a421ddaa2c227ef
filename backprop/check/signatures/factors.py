"""Factors: a gradient that is a multiple of the true one, or of its transpose.

k = <got, expected> / <expected, expected>, in units of the tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backprop.check.findings import Confidence, Finding
from backprop.check.kinds import found
from backprop.check.signatures.known import Known

if TYPE_CHECKING:
    from backprop.check.signatures.recognise import Suspect


_NEAR_ONE = 1e-6  # of a factor so near to one, rounding in a narrower dtype is the better explanation


_SOLVED = 1e-6  # the relative error of an adjoint through an iterative solver

_BLURRED = 1e-3  # a factor that is known to no more than this does not fit to rounding


def factor(suspect: Suspect) -> list[Finding]:
    """got = k · expected: sign, sum or mean over the batch, or another factor."""
    k = multiple(suspect.known, suspect.known.of(suspect.got))
    if k is None:
        return _nearly_opposite(suspect)
    if suspect.turned:  # its shape was that of the transpose, its values are a multiple
        return [_turned(suspect), *_name(suspect, k)]
    return _name(suspect, k)


def _nearly_opposite(suspect: Suspect) -> list[Finding]:
    """got = -expected to the accuracy of a solver: beside a wrong sign its error is small."""
    known = suspect.known
    use = known.usable
    got, expected = known.of(suspect.got)[use], known.values[use]
    size = float(np.linalg.norm(expected.astype(np.float64)))
    off = float(np.linalg.norm((got + expected).astype(np.float64)))
    if known.informative() < 2 or off > _SOLVED * size:
        return []
    evidence = f"got = -expected to {off / size:.0e} of its norm, as a solver that stops early leaves it."
    return [found("sign", suspect.name, evidence, "likely")]


def multiple(known: Known, got: np.ndarray) -> float | None:
    """The k for which `got` is k times what is known, to rounding; None where there is none, or it is about zero."""
    if not known.informative():
        return None
    (inverse,) = known.fitted([got])
    if not np.isfinite(inverse) or inverse == 0:
        return None
    k = 1 / float(inverse)
    with np.errstate(all="ignore"):
        fits = np.abs(got - k * known.values) <= 2 * max(1.0, abs(k)) * known.tolerance
    return k if np.all(fits[known.usable]) else None


def _name(suspect: Suspect, k: float) -> list[Finding]:
    known, n = suspect.known, suspect.batch_size
    use = known.usable
    precision = float(np.min(known.tolerance[use] / np.maximum(np.abs(known.values[use]), 1e-300)))
    near = max(4 * precision, 1e-9)

    def is_about(value: float) -> bool:
        return abs(k - value) <= near * abs(value)

    count = known.informative()
    plain: Confidence = "possible" if near > _BLURRED else "certain" if count >= 3 else "likely"
    seen = f"got = {number(k, near)} · expected, to {near:.0e}, in {count} {'entry' if count == 1 else 'values'}."
    if is_about(1) or abs(k - 1) < _NEAR_ONE:
        return []
    if is_about(-1):
        return [
            found(
                "sign",
                suspect.name,
                f"got = -expected, in {count} {'entry' if count == 1 else 'values'}.",
                plain,
            )
        ]
    for sign in (1, -1):
        batch: Confidence = "likely" if n == 2 and plain == "certain" else plain
        extra = [found("sign", suspect.name, f"k is negative: {seen}", plain)] if sign < 0 else []
        if n is not None and n > 1 and is_about(sign * n):
            evidence = f"got = {'-' * (sign < 0)}n · expected with n = {n}, the batch size."
            return [found("sum-instead-of-mean", suspect.name, evidence, batch), *extra]
        if n is not None and n > 1 and is_about(sign / n):
            evidence = f"got = {'-' * (sign < 0)}expected / n with n = {n}, the batch size."
            return [found("mean-instead-of-sum", suspect.name, evidence, batch), *extra]
    if count == 1 and not any(is_about(sign * value) for sign in (1, -1) for value in (2, 0.5, 3, 4, 0.25)):
        return []  # one number is always some multiple of another
    hint = ""
    whole = round(abs(k)) if abs(k) > 1 else round(1 / abs(k))
    if n is None and whole > 2 and (is_about(np.sign(k) * whole) or is_about(np.sign(k) / whole)):
        way = "summed over a batch of" if abs(k) > 1 else "averaged twice over a batch of"
        hint = f" Is it {way} {whole}?"
    return [found("constant-factor", suspect.name, seen + hint, plain)]


def number(k: float, precision: float) -> str:
    """A factor as one would write it: 2, 1/32, or its digits."""
    for top in (1, 2, 3):
        bottom = round(abs(top / k)) if k else 0
        if 1 <= bottom <= 100000 and abs(abs(k) - top / bottom) <= precision * abs(k):
            text = f"{top}/{bottom}" if bottom > 1 else f"{top}"
            return f"-{text}" if k < 0 else text
    if abs(k - round(k)) <= precision * abs(k):
        return str(round(k))
    return f"{k:.6g}" if abs(k - 1) > 1e-3 else f"{k:.10g}"


def transposed(suspect: Suspect) -> list[Finding]:
    """Got = expectedᵀ, or a multiple of it, in a square tensor that is not symmetric."""
    known, got = suspect.known, suspect.got
    if suspect.turned:
        return [_turned(suspect)] if known.fits(known.of(got), 2) else []
    if got.ndim < 2 or got.shape != got.shape[::-1] or known.informative() < 2:
        return []
    k = multiple(known, known.of(got.T))
    if k is None:
        return []
    findings = [found("transposed", suspect.name, "got = expectedᵀ, to rounding; expected is not symmetric.")]
    if abs(k - 1) > 1e-6:
        findings += [finding for finding in _name(suspect, k) if finding.kind != "unknown"]
        findings[0] = found(
            "transposed", suspect.name, f"got = {number(k, 1e-6)} · expectedᵀ, to rounding.", "likely"
        )
    return findings


def _turned(suspect: Suspect) -> Finding:
    shape = suspect.got.shape
    evidence = (
        f"Its shape is {shape[::-1]}, its parameter's {shape}, and its values are those of the transpose."
    )
    return found("transposed", suspect.name, evidence)
