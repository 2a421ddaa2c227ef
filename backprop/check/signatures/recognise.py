"""Signatures: which mistake turns the true gradient of one tensor into the one that was got.

Each signature is tried on its own, and is named only where it explains the whole difference to rounding:

    zero           got = 0
    sign, factor   got = k · expected               k = -1, n, 1/n, or another number
    transposed     got = expectedᵀ                  or k · expectedᵀ
    weight decay   got - expected = λ · parameter
    swapped        got = the gradient of another tensor
    precision      every entry is a number of a narrower dtype
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.findings import Finding
from backprop.check.kinds import found
from backprop.check.signatures.factors import factor, transposed
from backprop.check.signatures.known import Known, entries
from backprop.check.signatures.patterns import pattern
from backprop.check.signatures.precision import lower_precision, truncated

_DUST = 2.0**-40  # of what is right: rounding in float64 leaves as much of a sum that is zero


@dataclass(frozen=True)
class Suspect:
    """A tensor that is wrong: what was got, what is known of the truth, and what else may explain it.

    got: in the parameter's shape (for a Jacobian, the outputs' before it). parameter: its values, None for a
    Jacobian. batch_size: n, where it is known. others: what is known of other tensors of the same shape. turned:
    whether `got` has been transposed to fit. raw_dtype: of the answer. in_float32: the tensor that the gradient
    returns at the point rounded to float32, where it was asked.
    """

    name: str
    got: Array
    known: Known
    parameter: Array | None = None
    batch_size: int | None = None
    others: Mapping[str, Known] = field(default_factory=dict)
    turned: bool = False
    raw_dtype: DType | None = None
    in_float32: Array | None = None


def diagnose(
    name: str,
    got: Array,
    expected: Array,
    parameter: Array | None = None,
    *,
    tolerance: Array | float,
    batch_size: int | None = None,
    others: Mapping[str, Array] | None = None,
) -> list[Finding]:
    """What is wrong with `got` where `expected` is right to `tolerance` (absolute; per entry or for all).

    Infinity as an entry's tolerance leaves it out. One finding; two where two mistakes are in the tensor; one of the
    kind `unknown`, with the pattern of the error, where no signature fits.
    """
    known = entries(expected, tolerance)
    rest = {
        other: entries(values, float(np.max(known.tolerance[known.usable], initial=0)))
        for other, values in (others or {}).items()
        if other != name and np.shape(values) == np.shape(got)
    }
    suspect = Suspect(name, np.asarray(got), known, parameter, batch_size, rest, False, np.asarray(got).dtype)
    return signatures(suspect) or [unknown(suspect)]


def signatures(suspect: Suspect) -> list[Finding]:
    """The findings whose signature the error has; none where it has no known one."""
    if not np.any(suspect.known.usable):
        return []
    for signature in (_zero, factor, transposed, _weight_decay, _swapped, truncated, lower_precision):
        findings = signature(suspect)
        if findings:
            return findings
    return []


def unknown(suspect: Suspect) -> Finding:
    """That no kind of mistake was recognised, and the pattern of the error."""
    evidence = f"No kind of mistake was recognised. {pattern(suspect.got, suspect.known)}"
    return found("unknown", suspect.name, evidence, "possible")


def _zero(suspect: Suspect) -> list[Finding]:
    known = suspect.known
    if not known.informative():
        return []
    largest = float(np.max(np.abs(known.values[known.usable])))
    got = np.abs(known.of(suspect.got))[known.usable]
    if np.any(got > _DUST * largest):
        return []
    what = "Every entry is 0" if suspect.got.size > 1 else "It is 0"
    if np.any(got):
        what += f" to rounding, up to {float(np.max(got)):.1e}"
    if known.directions is not None:
        evidence = f"{what}; the true slope along a random direction is {largest:.3g}."
        return [found("zero-gradient", suspect.name, evidence)]
    return [found("zero-gradient", suspect.name, f"{what}; the truth goes up to {largest:.3g}.")]


def _weight_decay(suspect: Suspect) -> list[Finding]:
    """got - expected = λ · parameter, with λ by least squares."""
    known, parameter = suspect.known, suspect.parameter
    if parameter is None or not np.any(parameter):
        return []
    got, decay = known.of(suspect.got), known.of(parameter)
    difference = Known(got - known.values, known.tolerance, known.directions)
    (rate,) = difference.fitted([decay])
    use = known.usable & (np.abs(rate * decay) > 20 * known.tolerance)
    if np.sum(use) < 2 or not difference.fits(rate * decay, 2):
        return []
    # Where the parameter is a multiple of the gradient, λ·parameter is a constant factor as well.
    (along,) = Known(decay, known.tolerance).fitted([known.values])
    likely = np.sum(use) < 3 or Known(decay, known.tolerance).fits(along * known.values, 2)
    kind = "weight-decay-extra" if rate > 0 else "weight-decay-missing"
    sides = "got - expected" if rate > 0 else "expected - got"
    evidence = f"{sides} = λ · {suspect.name} with λ = {abs(rate):.4g}, to rounding."
    return [found(kind, suspect.name, evidence, "likely" if likely else "certain")]


def _swapped(suspect: Suspect) -> list[Finding]:
    got = suspect.got.reshape(-1)
    for other, known in suspect.others.items():
        if (
            known.directions is None
            and known.informative() >= 2
            and known.fits(got.astype(known.values.dtype), 2)
        ):
            return [found("swapped-tensors", suspect.name, f"It is the gradient of {other}, to rounding.")]
    return []
