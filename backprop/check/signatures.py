"""Signatures: which kind of mistake a wrong tensor shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.patterns import Known, entries, pattern

# Factors: a gradient that is a multiple of the true one, or of its transpose.
#
# k = <got, expected> / <expected, expected>, in units of the tolerance.


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


# Precision: numbers of a narrower dtype, and numbers that were made whole.
#
# An answer is called less precise only where every entry is a number of the narrower dtype, so that it was stored
# in it, or where the gradient gives the same answer for arguments that are rounded to that dtype. Errors of the
# size of its rounding prove nothing: an ε in a logarithm or a step taken too early leaves as much.


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


# Signatures: which mistake turns the true gradient of one tensor into the one that was got.
#
# Each signature is tried on its own, and is named only where it explains the whole difference to rounding:
#
#     zero           got = 0
#     sign, factor   got = k · expected               k = -1, n, 1/n, or another number
#     transposed     got = expectedᵀ                  or k · expectedᵀ
#     weight decay   got - expected = λ · parameter
#     swapped        got = the gradient of another tensor
#     precision      every entry is a number of a narrower dtype

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
