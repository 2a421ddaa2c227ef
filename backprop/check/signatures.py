"""Signatures: which mistake turns the true gradient of one tensor into the one that was got.

Each signature is tried on its own, and is named only where it explains the whole difference to rounding:

    zero           got = 0
    sign, factor   got = k · expected               k = -1, n, 1/n, or another number
    conjugated     got = the conjugate of expected
    transposed     got = expectedᵀ                  or k · expectedᵀ
    weight decay   got - expected = λ · parameter
    swapped        got = the gradient of another tensor
    precision      every entry is a number of a narrower dtype
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backprop.check.factors import conjugated, factor, transposed
from backprop.check.kinds import Finding, found
from backprop.check.leaves import BFLOAT, HALF, SINGLE, round_to
from backprop.check.numeric.quotients import FINEST
from backprop.check.patterns import CLEAR, ENOUGH, Known, Suspect, pattern
from backprop.check.ratios import along_an_axis, by_case, epsilon, log_parameter, penalty
from backprop.check.rearranged import (
    clipped,
    diagonal,
    left_out,
    moved,
    sum_of_another,
    summed,
)
from backprop.verify.agreement import norm


def signatures(suspect: Suspect) -> list[Finding]:
    """The findings whose signature the error has; none where it has no known one."""
    if not np.any(suspect.known.usable):
        return []
    for signature in (
        summed,
        _zero,
        clipped,
        factor,
        conjugated,
        transposed,
        _weight_decay,
        swapped,
        truncated,
        lower_precision,
        sum_of_another,
        left_out,
        diagonal,
        log_parameter,
        epsilon,
        penalty,
        along_an_axis,
        moved,
        by_case,
    ):
        findings = [] if suspect.linear and signature in _NOT_LINEAR else signature(suspect)
        if findings:
            return findings
    return []


def unknown(suspect: Suspect) -> Finding:
    """The finding that no kind of mistake was recognised, with the pattern of the error.

    In a network an error along an axis, or in the order of the entries, is evidence and no kind of its own.
    """
    said = [pattern(suspect.got, suspect.known)]
    said += [each.evidence for each in along_an_axis(suspect) or moved(suspect)]
    evidence = f"No kind of mistake was recognised. {' '.join(said)}"
    got, expected = suspect.compared
    off, size = np.max(np.abs(got - expected), initial=0), norm(expected) / np.sqrt(max(1, expected.size))
    if not FINEST * size < off < _NEARLY_RIGHT * size:
        return found("unknown", suspect.name, evidence, "possible")
    enough = 10.0 ** np.ceil(np.log10(off / size))
    fix = "If a solver that stops early leaves as much, say how exact the gradient need be:"
    return replace(found("unknown", suspect.name, evidence, "possible"), fix=f"{fix} rtol={enough:.0e}.")


_NEARLY_RIGHT = 1e-5
"""Of the root mean square: errors of less than that may be those of an iteration that was stopped."""


_DUST = 2.0**-40
"""Of what is right: rounding in float64 leaves as much of a sum of some thousand terms that is zero."""


def _zero(suspect: Suspect) -> list[Finding]:
    known = suspect.known
    if not known.informative():
        return []
    got, expected = (np.abs(values) for values in suspect.compared)
    largest = float(np.max(expected))
    if np.any(got > _DUST * largest):
        return []
    what = "Every entry is 0" if suspect.got.size > 1 else "It is 0"
    if np.any(got):
        what += f" to rounding, up to {float(np.max(got)):.1e}"
    truth = "the truth goes up to"
    if known.directions is not None:
        truth = "the true slope along a random direction is"
    return suspect.finding("zero-gradient", f"{what}; {truth} {largest:.3g}.")


def _weight_decay(suspect: Suspect) -> list[Finding]:
    """got - expected = λ · parameter, with λ by least squares."""
    known, parameter = suspect.known, suspect.parameter
    if parameter is None or not np.any(parameter):
        return []
    got, decay = known.of(suspect.got), known.of(parameter)
    difference = replace(known, values=got - known.values)
    (rate,) = difference.fitted([decay])
    use = known.usable & (np.abs(rate * decay) > CLEAR * known.tolerance)
    if min(np.sum(use), suspect.got.size) < 2 or not difference.fits(rate * decay, 2):
        return []
    # Where the parameter is a multiple of the gradient, λ·parameter is a constant factor as well.
    multiple = Known(decay, known.tolerance)
    (along,) = multiple.fitted([known.values])
    likely = np.sum(use) < ENOUGH or multiple.fits(along * known.values, 2)
    kind = "weight-decay-extra" if rate > 0 else "weight-decay-missing"
    sides = "got - expected" if rate > 0 else "expected - got"
    evidence = f"{sides} = λ · {suspect.name} with λ = {abs(rate):.4g}, to rounding."
    return suspect.finding(kind, evidence, "likely" if likely else "certain")


_NOT_LINEAR = (clipped, _weight_decay, penalty)
"""What no multiple of an upstream gradient shows: a cut, or a term of the parameter alone."""


def swapped(suspect: Suspect) -> list[Finding]:
    """got = the gradient of another tensor of as many entries, or a part of another one."""
    got = suspect.got.reshape(-1)
    for other, known in suspect.truths.items():
        whole = known.directions is None and known.values.shape == got.shape and known.informative() >= 2
        if whole and known.fits(got.astype(known.values.dtype), 2):
            return suspect.finding("swapped-tensors", f"It is the gradient of {other}, to rounding.")
    for other in [each for each in suspect.truths if each in suspect.point]:
        known, larger = suspect.truths[other], suspect.point[other].shape
        if known.directions is not None or len(larger) != suspect.got.ndim or larger == suspect.got.shape:
            continue
        if known.values.size != np.prod(larger, dtype=int) or any(np.less(larger, suspect.got.shape)):
            continue
        part = tuple(slice(size) for size in suspect.got.shape)
        of_part = Known(*(each.reshape(larger)[part].reshape(-1) for each in (known.values, known.tolerance)))
        if of_part.informative() > ENOUGH and of_part.fits(got.astype(known.values.dtype), 2):
            listed = ", ".join(f":{size}" for size in suspect.got.shape)
            seen = f"It is [{listed}] of the gradient of {other}, to rounding."
            return suspect.finding("swapped-tensors", seen)
    return []


# Precision: numbers of a narrower dtype, and numbers without their fractions.
#
# A finding says "lower precision" in two cases only. Every entry is a number of the narrower dtype, so the answer was
# stored in it. Or the gradient gives the same answer for arguments that are rounded to that dtype. The size of an
# error proves nothing: an ε in a logarithm or an early update can be as small as that rounding.

_MOVED = 8 * SINGLE.eps
"""How far float32 arguments may move a gradient, relative to its norm."""


_SHORTER = 4
"""Numbers of so many bits less than a format has, such as 1 and 0.5, are numbers of any format."""


def lower_precision(suspect: Suspect) -> list[Finding]:
    """Numbers of a narrower dtype, or a gradient that rounds what it is given to float32."""
    got, expected = suspect.compared
    scale = norm(expected)
    error = norm(got - expected) / scale if scale else 0.0
    if error == 0 or suspect.known.fits(suspect.known.of(suspect.got)):  # it is wrong only at kinks
        return []
    off = f"‖got - expected‖ / ‖expected‖ = {error:.1e}."
    for form in (SINGLE, HALF, BFLOAT):
        if (
            np.any(got)
            and error <= form.eps
            and np.array_equal(round_to(suspect.got, form.bits), suspect.got)
            and not np.array_equal(round_to(suspect.got, form.bits - _SHORTER), suspect.got)
        ):
            return suspect.finding("lower-precision", f"Every entry is a {form.name} number; {off}")
    narrow = suspect.in_float32
    if narrow is not None and np.array_equal(narrow, suspect.got) and error <= _MOVED:
        evidence = f"The gradient is the same at the point rounded to float32; {off}"
        return suspect.finding("lower-precision", evidence)
    return []


def truncated(suspect: Suspect) -> list[Finding]:
    """Whole numbers, although the truth has fractions: an array of integers has cut them off."""
    dtype, known = suspect.raw_dtype, suspect.known
    if dtype is None or dtype.kind not in "iu" or known.directions is not None:
        return []
    got, expected = suspect.compared
    if not np.all(np.abs(got - expected) < 1 + known.tolerance[known.usable]):
        return []
    evidence = f"Its dtype is {dtype}, and its entries are the true ones without their fractions."
    return suspect.finding("wrong-dtype", evidence)
