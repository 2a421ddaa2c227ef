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

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.patterns import Known, pattern
from backprop.verify.agreement import norm


@dataclass(frozen=True)
class Suspect:
    """A tensor that is wrong: what was got, what is known of the truth, and what else may explain it.

    got: in the parameter's shape (for a Jacobian, the outputs' before it). parameter: its values, None for a
    Jacobian. batch_size: n, where it is known. others: what is known of other tensors of the same shape. turned:
    whether `got` has been transposed to fit. raw_dtype: of the answer. in_float32: the tensor that the gradient
    returns at the point rounded to float32, where it was asked. is_complex: whether the last axis holds real and
    imaginary parts.
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
    is_complex: bool = False

    @property
    def compared(self) -> tuple[Array, Array]:
        """The values that can be compared: got, and expected."""
        use = self.known.usable
        return self.known.of(self.got)[use], self.known.values[use]

    def finding(self, kind: str, evidence: str, confidence: Confidence = "certain") -> list[Finding]:
        """The one finding of a kind in this tensor."""
        return [found(kind, self.name, evidence, confidence)]


def signatures(suspect: Suspect) -> list[Finding]:
    """The findings whose signature the error has; none where it has no known one."""
    if not np.any(suspect.known.usable):
        return []
    for signature in (
        _zero,
        _factor,
        _conjugated,
        _transposed,
        _weight_decay,
        _swapped,
        _truncated,
        _lower_precision,
    ):
        findings = signature(suspect)
        if findings:
            return findings
    return []


def unknown(suspect: Suspect) -> Finding:
    """The finding that no kind of mistake was recognised, with the pattern of the error."""
    evidence = f"No kind of mistake was recognised. {pattern(suspect.got, suspect.known)}"
    return found("unknown", suspect.name, evidence, "possible")


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
    truth = (
        "the truth goes up to" if known.directions is None else "the true slope along a random direction is"
    )
    return suspect.finding("zero-gradient", f"{what}; {truth} {largest:.3g}.")


# Factors: a gradient that is a multiple of the true one, or of its transpose.
#
# k = <got, expected> / <expected, expected>, in units of the tolerance.

_NEAR_ONE = 1e-6
"""Of a factor so near to one, rounding in a narrower dtype is the better explanation."""
_SOLVED = 1e-6
"""The relative error of an adjoint through an iterative solver."""
_BLURRED = 1e-3
"""A factor that is known to no more than this does not fit to rounding."""
_FINEST = 1e-9
"""A factor is told from another one no better than an entry from its truth."""
_TINY = 1e-300
"""Instead of a value of zero."""
_USUAL = (2, 0.5, 3, 4, 0.25)
"""Factors that a single number must have to be called a multiple: it is always some multiple of another."""


def _factor(suspect: Suspect) -> list[Finding]:
    """got = k · expected: sign, sum or mean over the batch, or another factor."""
    k = _multiple(suspect.known, suspect.known.of(suspect.got))
    if k is None:
        return _nearly_opposite(suspect)
    if suspect.turned:  # its shape was that of the transpose, its values are a multiple
        return [*_turned(suspect), *_name(suspect, k)]
    return _name(suspect, k)


def _nearly_opposite(suspect: Suspect) -> list[Finding]:
    """got = -expected to the accuracy of a solver: beside a wrong sign its error is small."""
    got, expected = suspect.compared
    size, off = norm(expected), norm(got + expected)
    if suspect.known.informative() < 2 or off > _SOLVED * size:
        return []
    evidence = f"got = -expected to {off / size:.0e} of its norm, as a solver that stops early leaves it."
    return suspect.finding("sign", evidence, "likely")


def _multiple(known: Known, got: Array) -> float | None:
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
    """Name the mistake that the factor k stands for."""
    known, n, use = suspect.known, suspect.batch_size, suspect.known.usable
    precision = float(np.min(known.tolerance[use] / np.maximum(np.abs(known.values[use]), _TINY)))
    near = max(4 * precision, _FINEST)

    def is_about(value: float) -> bool:
        return abs(k - value) <= near * abs(value)

    count = known.informative()
    values = f"in {count} {'entry' if count == 1 else 'values'}."
    plain: Confidence = "possible" if near > _BLURRED else "certain" if count >= 3 else "likely"
    seen = f"got = {_number(k, near)} · expected, to {near:.0e}, {values}"
    if is_about(1) or abs(k - 1) < _NEAR_ONE:
        return []
    if is_about(-1):
        return suspect.finding("sign", f"got = -expected, {values}", plain)
    size, sign = abs(k), "-" * (k < 0)
    if n is not None and n > 1 and (is_about(np.sign(k) * n) or is_about(np.sign(k) / n)):
        kind, text = (
            ("sum-instead-of-mean", "n · expected") if size > 1 else ("mean-instead-of-sum", "expected / n")
        )
        batch: Confidence = "likely" if n == 2 and plain == "certain" else plain
        findings = suspect.finding(kind, f"got = {sign}{text} with n = {n}, the batch size.", batch)
        return findings + (suspect.finding("sign", f"k is negative: {seen}", plain) if k < 0 else [])
    if count == 1 and not any(is_about(np.sign(k) * value) for value in _USUAL):
        return []
    hint = ""
    whole = round(size) if size > 1 else round(1 / size)
    if n is None and whole > 2 and (is_about(np.sign(k) * whole) or is_about(np.sign(k) / whole)):
        way = "summed over a batch of" if size > 1 else "averaged twice over a batch of"
        hint = f" Is it {way} {whole}?"
    return suspect.finding("constant-factor", seen + hint, plain)


def _number(k: float, precision: float) -> str:
    """A factor as one would write it: 2, 1/32, or its digits."""
    for top in (1, 2, 3):
        bottom = round(abs(top / k)) if k else 0
        if 1 <= bottom <= 100000 and abs(abs(k) - top / bottom) <= precision * abs(k):
            text = f"{top}/{bottom}" if bottom > 1 else f"{top}"
            return f"-{text}" if k < 0 else text
    if abs(k - round(k)) <= precision * abs(k):
        return str(round(k))
    return f"{k:.6g}" if abs(k - 1) > _BLURRED else f"{k:.10g}"


def _conjugated(suspect: Suspect) -> list[Finding]:
    """got = the conjugate of expected, or a multiple of it, in a complex tensor."""
    if not suspect.is_complex:
        return []
    k = _multiple(suspect.known, suspect.known.of(suspect.got * np.array([1, -1])))
    if k is None:
        return []
    if abs(k - 1) <= _NEAR_ONE:
        return suspect.finding("conjugated", "got = the complex conjugate of expected, to rounding.")
    evidence = f"got = {_number(k, _NEAR_ONE)} · the complex conjugate of expected, to rounding."
    return suspect.finding("conjugated", evidence) + _name(suspect, k)


def _transposed(suspect: Suspect) -> list[Finding]:
    """got = expectedᵀ, or a multiple of it, in a square tensor that is not symmetric."""
    known, got = suspect.known, suspect.got
    if suspect.turned:
        return _turned(suspect) if known.fits(known.of(got), 2) else []
    if got.ndim < 2 or got.shape != got.shape[::-1] or known.informative() < 2:
        return []
    k = _multiple(known, known.of(got.T))
    if k is None:
        return []
    if abs(k - 1) <= _NEAR_ONE:
        return suspect.finding("transposed", "got = expectedᵀ, to rounding; expected is not symmetric.")
    evidence = f"got = {_number(k, _NEAR_ONE)} · expectedᵀ, to rounding."
    return suspect.finding("transposed", evidence, "likely") + _name(suspect, k)


def _turned(suspect: Suspect) -> list[Finding]:
    shape = suspect.got.shape
    seen = f"Its shape is {shape[::-1]}, its parameter's {shape}, and its values are those of the transpose."
    return suspect.finding("transposed", seen)


def _weight_decay(suspect: Suspect) -> list[Finding]:
    """got - expected = λ · parameter, with λ by least squares."""
    known, parameter = suspect.known, suspect.parameter
    if parameter is None or not np.any(parameter):
        return []
    got, decay = known.of(suspect.got), known.of(parameter)
    difference = replace(known, values=got - known.values)
    (rate,) = difference.fitted([decay])
    use = known.usable & (np.abs(rate * decay) > 20 * known.tolerance)
    if np.sum(use) < 2 or not difference.fits(rate * decay, 2):
        return []
    # Where the parameter is a multiple of the gradient, λ·parameter is a constant factor as well.
    multiple = Known(decay, known.tolerance)
    (along,) = multiple.fitted([known.values])
    likely = np.sum(use) < 3 or multiple.fits(along * known.values, 2)
    kind = "weight-decay-extra" if rate > 0 else "weight-decay-missing"
    sides = "got - expected" if rate > 0 else "expected - got"
    evidence = f"{sides} = λ · {suspect.name} with λ = {abs(rate):.4g}, to rounding."
    return suspect.finding(kind, evidence, "likely" if likely else "certain")


def _swapped(suspect: Suspect) -> list[Finding]:
    got = suspect.got.reshape(-1)
    for other, known in suspect.others.items():
        whole = known.directions is None and known.informative() >= 2
        if whole and known.fits(got.astype(known.values.dtype), 2):
            return suspect.finding("swapped-tensors", f"It is the gradient of {other}, to rounding.")
    return []


# Precision: numbers of a narrower dtype, and numbers that were made whole.
#
# An answer is called less precise only where every entry is a number of the narrower dtype, so that it was stored
# in it, or where the gradient gives the same answer for arguments that are rounded to that dtype. Errors of the
# size of its rounding prove nothing: an ε in a logarithm or a step taken too early leaves as much.

_FORMATS = (("float32", 2.0**-23), ("float16", 2.0**-10), ("bfloat16", 2.0**-7))
"""Narrower formats, and their eps."""
_SINGLE = 2.0**-20
"""Eight roundings of float32: what float32 arguments may make of a gradient, relative to its norm."""


def _lower_precision(suspect: Suspect) -> list[Finding]:
    """Numbers of a narrower dtype, or a gradient that rounds what it is given to float32."""
    got, expected = suspect.compared
    scale = norm(expected)
    if scale == 0:
        return []
    error = norm(got - expected) / scale
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


def _truncated(suspect: Suspect) -> list[Finding]:
    """Whole numbers where the truth has fractions: an array of integers has cut them off."""
    dtype, known = suspect.raw_dtype, suspect.known
    if dtype is None or dtype.kind not in "iu" or known.directions is not None:
        return []
    got, expected = suspect.compared
    if not np.all(np.abs(got - expected) < 1 + known.tolerance[known.usable]):
        return []
    evidence = f"Its dtype is {dtype}, and its entries are the true ones without their fractions."
    return suspect.finding("wrong-dtype", evidence)
