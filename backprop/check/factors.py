"""Factors: a gradient that is a multiple of the true one, or of its transpose or conjugate; or two of one wrong δ.

k = <got, expected> / <expected, expected>, in units of the tolerance
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.leaves import SINGLE
from backprop.check.numeric.quotients import FINEST, TINY
from backprop.check.patterns import CLEAR, ENOUGH, KNOWN_TO, Known, Suspect
from backprop.verify.agreement import norm

NEAR_ONE = 1e-6
"""A factor that is nearer to one is none: rounding in a narrower dtype explains it better."""
_SOLVED = 1e-6
"""The relative error of an adjoint through an iterative solver."""
_ROUNDINGS = 4
"""Roundings of its own dtype that the entries of a gradient are off, relative to its norm."""
_BLURRED = 1e-3
"""A factor that is known to no more than this does not fit to rounding."""
_SHARED = 1e-7
"""Two tensors have the same factor where it differs by less."""
_LARGEST_BATCH = 100_000
"""A fraction with a larger denominator is written in digits."""
_SHOWN = 4
"""Numbers that are equal and clearly not zero: by chance so many are not."""
_TELLING = 1000
"""A factor that is a whole number up to this one, or its inverse, to six digits or more, is so by no chance."""
_USUAL = (2, 0.5, 3, 4, 0.25, *(10.0**k for k in range(-9, 10) if k))
"""Factors that a single number must have to be called a multiple: it is always some multiple of another."""


def factor(suspect: Suspect) -> list[Finding]:
    """got = k · expected: sign, sum or mean over the batch, or another factor."""
    k = multiple(suspect.known, suspect.known.of(suspect.got))
    if k is None:
        return _nearly(suspect)
    if suspect.turned:  # its shape was that of the transpose, its values are a multiple
        return [*_turned(suspect), *name_factor(suspect, k)]
    return name_factor(suspect, k)


def shared_factor(suspect: Suspect, named: Sequence[tuple[Suspect, list[Finding]]]) -> list[Finding]:
    """A single number that is as many times too large as another tensor: by itself it is some multiple anyway."""
    k = multiple(suspect.known, suspect.known.of(suspect.got)) if suspect.got.size == 1 else None
    if k is None or abs(k - 1) < NEAR_ONE:
        return []
    for other, findings in named:
        if other.name == suspect.name or (other.got.size > 1 and not findings):
            continue
        same = multiple(other.known, other.known.of(other.got))
        if same is not None and abs(k - same) <= _SHARED * abs(same):
            kind = findings[0].kind if other.got.size > 1 else "constant-factor"
            return suspect.finding(kind, f"got = {number(k)} · expected, as in {other.name}.", "likely")
    return []


def _nearly(suspect: Suspect) -> list[Finding]:
    """got = -expected or a usual multiple of it, to the accuracy of a solver or of a narrow dtype."""
    (got, expected), dtype = suspect.compared, suspect.raw_dtype
    eps = float(np.finfo(dtype).eps) if dtype is not None and dtype.kind in "fc" else 0.0
    room, size = max(_SOLVED, _ROUNDINGS * eps), norm(expected)
    if got.size < 2 or not (suspect.known.informative() >= 2 or eps > SINGLE.eps):
        return []
    k = next((k for k in (-1, *_USUAL) if norm(got - k * expected) <= room * abs(k) * size), None)
    if k is None:
        return []
    why = "rounding leaves it" if room > _SOLVED else "a solver that stops early leaves it"
    off = f"to {norm(got - k * expected) / (abs(k) * size):.0e} of its norm, as {why}."
    if k == -1:
        return suspect.finding("sign", f"got = -expected {off}", "likely")
    return suspect.finding("constant-factor", f"got = {number(k)} · expected {off}", "likely")


def multiple(known: Known, got: Array) -> float | None:
    """The k for which `got` is k times what is known, to rounding; None where there is none, or it is about zero."""
    if not known.informative():
        return None
    (inverse,) = known.fitted([got])
    if not np.isfinite(inverse) or inverse == 0:
        return None
    k = 1 / float(inverse)
    with np.errstate(all="ignore"):
        fits = np.abs(got - k * known.values) <= 2 * abs(k) * known.tolerance  # else all fits a k of almost 0
    return k if np.all(fits[known.usable]) else None


def name_factor(suspect: Suspect, k: float) -> list[Finding]:
    """Name the mistake that the factor k stands for."""
    known, n, use = suspect.known, suspect.batch_size, suspect.known.usable
    precision = float(np.min(known.tolerance[use] / np.maximum(np.abs(known.values[use]), TINY)))
    near = max(KNOWN_TO * precision, FINEST)  # the precision to which single entries are told from the truth

    def is_about(value: float) -> bool:
        return abs(k - value) <= near * abs(value)

    count = known.informative()
    values = f"in {count} {'entry' if count == 1 else 'values'}."
    plain: Confidence = "possible" if near > _BLURRED else "certain" if count >= ENOUGH else "likely"
    seen = f"got = {number(k, near)} · expected, to {near:.0e}, {values}"
    if is_about(1) or abs(k - 1) < NEAR_ONE:
        return []
    if is_about(-1):
        return suspect.finding("sign", f"got = -expected, {values}", plain)
    size, sign = abs(k), "-" * (k < 0)
    if n is not None and n > 1 and (is_about(np.sign(k) * n) or is_about(np.sign(k) / n)):
        kind, text = "mean-instead-of-sum", "expected / n"
        if size > 1:
            kind, text = "sum-instead-of-mean", "n · expected"
        batch: Confidence = "likely" if n == 2 and plain == "certain" else plain
        findings = suspect.finding(kind, f"got = {sign}{text} with n = {n}, the batch size.", batch)
        return findings + (suspect.finding("sign", f"k is negative: {seen}", plain) if k < 0 else [])
    whole = round(size) if size > 1 else round(1 / size)
    is_whole = is_about(np.sign(k) * whole) or is_about(np.sign(k) / whole)
    is_telling = is_whole and whole <= _TELLING and near <= NEAR_ONE
    if count == 1 and not is_telling and not any(is_about(np.sign(k) * value) for value in _USUAL):
        return []
    hint = ""
    if n is None and whole > 2 and is_whole:
        way = "summed over a batch of" if size > 1 else "averaged twice over a batch of"
        hint = f" Is it {way} {whole}?"
    return suspect.finding("constant-factor", seen + hint, plain)


def number(k: float, precision: float = _SHARED) -> str:
    """A factor as one would write it: 2, 1/32, or its digits; `precision`: of itself, how well it is known."""
    for top in (1, 2, 3):
        bottom = round(abs(top / k)) if k else 0
        if 1 <= bottom <= _LARGEST_BATCH and abs(abs(k) - top / bottom) <= precision * abs(k):
            text = f"{top}/{bottom}" if bottom > 1 else f"{top}"
            return f"-{text}" if k < 0 else text
    if abs(k - round(k)) <= precision * abs(k):
        return str(round(k))
    return f"{k:.6g}" if abs(k - 1) > _BLURRED else f"{k:.10g}"


def conjugated(suspect: Suspect) -> list[Finding]:
    """got = the conjugate of expected, or a multiple of it, in a complex tensor."""
    if not suspect.is_complex:
        return []
    k = multiple(suspect.known, suspect.known.of(suspect.got * np.array([1, -1])))
    if k is None:
        return []
    if abs(k - 1) <= NEAR_ONE:
        return suspect.finding("conjugated", "got = the complex conjugate of expected, to rounding.")
    evidence = f"got = {number(k)} · the complex conjugate of expected, to rounding."
    return suspect.finding("conjugated", evidence) + name_factor(suspect, k)


def transposed(suspect: Suspect) -> list[Finding]:
    """got = expectedᵀ, or a multiple of it, in a square tensor that is not symmetric."""
    known, got = suspect.known, suspect.got
    if suspect.turned:
        return _turned(suspect) if known.fits(known.of(got), 2) else []
    if got.ndim < 2 or got.shape != got.shape[::-1] or known.informative() < 2:
        return []
    k = multiple(known, known.of(got.T))
    if k is None:
        return []
    if abs(k - 1) <= NEAR_ONE:
        return suspect.finding("transposed", "got = expectedᵀ, to rounding; expected is not symmetric.")
    evidence = f"got = {number(k)} · expectedᵀ, to rounding."
    return suspect.finding("transposed", evidence, "likely") + name_factor(suspect, k)


def _turned(suspect: Suspect) -> list[Finding]:
    shape = suspect.got.shape
    seen = f"Its shape is {shape[::-1]}, its parameter's {shape}, and its values are those of the transpose."
    return suspect.finding("transposed", seen)


def one_delta(suspects: Sequence[Suspect]) -> dict[str, Finding]:
    """Pairs x and W whose gradients dx = δ Wᵀ and dW = xᵀ δ were formed rightly, of one wrong δ.

    Then xᵀ dx = dW Wᵀ, of what was got as of the truth; of two other mistakes it holds by no chance.
    """
    found_ones: dict[str, Finding] = {}
    matrices = [each for each in suspects if each.is_whole and each.got.ndim == 2]
    for x, w in itertools.permutations(matrices, 2):
        if x.name in found_ones or w.name in found_ones:
            continue
        for turned in (False, True):
            if _is_of_one_delta(x, w, turned):
                product = f"{x.name} · {w.name}{'ᵀ' if turned else ''}"
                seen = (
                    f"The gradients by {x.name} and {w.name} are what the product {product} makes of one δ, to "
                    "rounding: the product is right, and δ before it is wrong."
                )
                found_ones |= {each.name: found("delta-wrong", each.name, seen) for each in (x, w)}
    return found_ones


def _is_of_one_delta(x: Suspect, w: Suspect, turned: bool) -> bool:
    """Whether xᵀ dx = dW Wᵀ, where `turned` with Wᵀ in the place of W, of both gradients: i² numbers."""
    if x.parameter is None or w.parameter is None:
        return False
    value, weight = x.parameter.reshape(x.got.shape), w.parameter.reshape(w.got.shape)
    by_weight = [w.got, w.expected, w.tolerance]
    if turned:
        weight, by_weight = weight.T, [each.T for each in by_weight]
    inner = x.got.shape[-1]
    if inner != len(weight) or inner < 2:
        return False
    for dx, dw in ((x.got, by_weight[0]), (x.expected, by_weight[1])):
        left, right = value.T @ dx, dw @ weight.T
        room = np.abs(value).T @ x.tolerance + by_weight[2] @ np.abs(weight).T
        if np.any(np.abs(left - right) > 2 * room) or np.sum(np.abs(left) > 2 * CLEAR * room) < _SHOWN:
            return False
    return True
