"""Patterns: a wrong tensor with what is known of its truth and may explain it, and the pattern of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.numeric.quotients import TINY
from backprop.check.words import some

# Known: what is known of a tensor's true gradient, all its entries or its slopes along some directions.


CLEAR = 20
"""A value that is larger than this multiple of its tolerance is clearly not zero."""
EXCHANGED = 1e3
"""Times its tolerance: an entry that another one stands for is off by more."""
KNOWN_TO = 4
"""Times the tolerance of what it was fitted to: how well a factor is known."""
ENOUGH = 3
"""Values that a pattern must explain at least to be certain: two it may explain by chance."""


@dataclass(frozen=True)
class Known:
    """The truth about one tensor.

    values (k,): its entries in order, or its slopes along `directions` (k, size), for a Jacobian (m · k,) of every
    output in turn. tolerance: how far the values of a right gradient may be from them; infinite where nothing can be
    said, such as at a kink.
    """

    values: Array
    tolerance: Array
    directions: Array | None = None

    def of(self, tensor: Array) -> Array:
        """The entries or slopes (k,) of another tensor, in the same order."""
        flat = np.asarray(tensor, self.values.dtype).reshape(-1)
        if self.directions is None:
            return flat
        along: Array = flat.reshape(-1, self.directions.shape[1]) @ self.directions.T
        return along.reshape(-1)

    @property
    def usable(self) -> Array:
        """A mask (k,) of the values that can be compared."""
        return np.isfinite(self.tolerance) & np.isfinite(self.values)

    def fits(self, values: Array, factor: float = 1.0) -> bool:
        """Whether other values are these, each to `factor` times its tolerance."""
        use = self.usable
        fits = np.abs(values - self.values)[use] <= factor * self.tolerance[use]
        return bool(np.any(use) and np.all(fits))

    def informative(self) -> int:
        """The number of values that are clearly not zero."""
        use = self.usable
        return int(np.sum(np.abs(self.values[use]) > CLEAR * self.tolerance[use]))

    def fitted(self, others: list[Array]) -> Array:
        """The coefficients with which the sum of other values (k,) comes nearest, in units of the tolerance."""
        use = self.usable
        weight = 1 / np.maximum(self.tolerance[use], TINY)
        weight = weight / np.max(weight)
        columns = np.stack([other[use] * weight for other in others], axis=1).astype(np.float64)
        found, *_ = np.linalg.lstsq(columns, (self.values[use] * weight).astype(np.float64), rcond=None)
        return found


def entries(expected: Array, tolerance: Array | float) -> Known:
    """Every entry of a tensor, known to `tolerance`, one for all or one for each."""
    values = np.asarray(expected, np.result_type(expected, np.float64)).reshape(-1)
    each = np.broadcast_to(np.asarray(tolerance, np.float64), np.shape(expected)).reshape(-1)
    return Known(values, each)


# Patterns: where in a tensor the error sits, for an error that has no known signature.

_LISTED = 3
"""Wrong entries that are told one by one."""
_NEARLY_ALL = 0.9
"""Of the entries of a row, a column or a block: by chance one of its wrong entries may be right."""
_SAME, _NEAR_ONE = 1e-6, 1e-3
"""Ratios that differ by less are one factor; those that are nearer to one are shown as their distance from it."""


def pattern(got: Array, known: Known) -> str:
    """In one or two sentences: which entries are wrong, and how they differ."""
    values = known.of(got)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(values - known.values) <= known.tolerance) & known.usable
    if known.directions is not None:
        return f"It is wrong along {int(wrong.sum())} of {len(wrong)} random directions."
    if not np.any(wrong):
        return "It is wrong at kinks alone: it is not between the slopes on both sides, or not as a whole."
    return f"{where(wrong.reshape(got.shape))} {difference(values[wrong], known.values[wrong])}"


def where(wrong: Array) -> str:
    """The wrong entries of a mask in words: single entries, rows, columns, a block, or their share."""
    count, size = int(wrong.sum()), wrong.size
    if count == size:
        return "Every entry is wrong." if size > 1 else "It is wrong."
    if count <= _LISTED:
        places = ", ".join(str([int(k) for k in index]) for index in np.argwhere(wrong))
        return f"{count} of {size} entries {'is' if count == 1 else 'are'} wrong: {places}."
    share = f"{count} of {size} entries are wrong ({count / size:.0%})"
    for axis in range(wrong.ndim if wrong.ndim > 1 else 0):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        touched = np.flatnonzero(np.any(wrong, axis=others))
        full = np.mean(np.take(wrong, touched, axis=axis)) > _NEARLY_ALL
        if len(touched) < wrong.shape[axis] and full:
            word = ("row", "column")[axis] if wrong.ndim == 2 else f"axis {axis}, index"
            many = "s" * (len(touched) > 1 and wrong.ndim == 2)
            return f"{share}, all in {word}{many} {some(touched, count=True)}."
    if wrong.ndim == 2 and is_diagonal(wrong):
        return f"{share}, all on the diagonal."
    box = [
        np.flatnonzero(np.any(wrong, axis=tuple(k for k in range(wrong.ndim) if k != axis)))
        for axis in range(wrong.ndim)
    ]
    block = np.prod([edges[-1] - edges[0] + 1 for edges in box])
    if count > _NEARLY_ALL * block:
        return f"{share}, the block [{', '.join(f'{edges[0]}:{edges[-1] + 1}' for edges in box)}]."
    return f"{share}, spread over it."


def is_diagonal(mask: Array) -> bool:
    """Whether a square mask holds on its diagonal alone."""
    return mask.shape[0] == mask.shape[1] > 1 and not np.any(mask & ~np.eye(len(mask), dtype=bool))


def difference(got: Array, expected: Array) -> str:
    """The difference of the wrong entries from the true ones, in words."""
    nonzero = expected != 0
    if not np.any(got):
        return "They are 0." if len(got) > 1 else "It is 0."
    if not np.all(nonzero):
        return f"They differ by up to {float(np.max(np.abs(got - expected))):.3g}."
    ratio = (got / expected).astype(np.float64)
    low, high = float(np.min(ratio)), float(np.max(ratio))
    one = len(got) == 1
    if high != 1 and abs(high - low) <= _SAME * min(abs(high), abs(high - 1)):
        if abs(high + 1) < _SAME:
            return "Its sign is reversed." if one else "Their signs are reversed."
        return f"{'It is' if one else 'They are'} {high:.6g} times what {'it' if one else 'they'} should be."
    if max(abs(low - 1), abs(high - 1)) < _NEAR_ONE:
        return f"got / expected - 1 lies between {low - 1:.1e} and {high - 1:.1e}."
    return f"got / expected lies between {low:.3g} and {high:.3g}."


# Suspect: a tensor that is wrong, with all that may explain it.


@dataclass(frozen=True)
class Suspect:
    """A tensor that is wrong: what was got, what is known of the truth, and what else may explain it.

    got: in the parameter's shape (for a Jacobian after the outputs' shape). parameter: its values, None for a
    Jacobian. batch_size: n, if it is known. truths: what is known of the gradient by each other tensor. turned:
    whether `got` was transposed to fit. raw_dtype: the dtype of the answer. in_float32: the tensor that the gradient
    returns at the point rounded to float32, if it was called there. is_complex: whether the last axis holds real and
    imaginary parts. point: the values of every tensor. total: the norm of the whole gradient that was got. summed:
    the axes over which `got` was summed to fit. raw_shape: its shape before, if that was wrong. linear: whether it is
    linear in an upstream gradient, as no term in the parameter alone is. outputs: for a Jacobian, the outputs' shape.
    """

    name: str
    got: Array
    known: Known
    parameter: Array | None = None
    batch_size: int | None = None
    truths: Mapping[str, Known] = field(default_factory=dict)
    turned: bool = False
    raw_dtype: DType | None = None
    in_float32: Array | None = None
    is_complex: bool = False
    point: Mapping[str, Array] = field(default_factory=dict)
    total: float | None = None
    summed: tuple[int, ...] = ()
    raw_shape: tuple[int, ...] | None = None
    linear: bool = False
    outputs: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every entry of the true gradient is known, so that entries can be compared across places."""
        return self.parameter is not None and self._is_known

    @property
    def is_jacobian(self) -> bool:
        """Whether it is a Jacobian of which every entry is known."""
        return bool(self.outputs) and self._is_known

    @property
    def _is_known(self) -> bool:
        return self.known.directions is None and bool(np.all(self.known.usable))

    @property
    def expected(self) -> Array:
        """The true gradient, where every entry is known."""
        return self.known.values.reshape(self.got.shape)

    @property
    def tolerance(self) -> Array:
        """How far each entry of a right gradient may be from `expected`."""
        return self.known.tolerance.reshape(self.got.shape)

    @property
    def wrong(self) -> Array:
        """Where an entry is off by more than twice its tolerance."""
        return np.asarray(np.abs(self.got - self.expected) > 2 * self.tolerance)

    @property
    def clear(self) -> Array:
        """Where an entry should clearly not be zero."""
        return np.asarray(np.abs(self.expected) > CLEAR * self.tolerance)

    def is_product(self, k: Array) -> bool:
        """Whether got = k · expected in every entry, to rounding."""
        off = np.abs(self.got - self.expected * k)
        return bool(np.all(off <= 2 * np.where(k == 0, 1, np.abs(k)) * self.tolerance))

    @property
    def compared(self) -> tuple[Array, Array]:
        """The values that can be compared: those got, and those expected."""
        use = self.known.usable
        return self.known.of(self.got)[use], self.known.values[use]

    def finding(self, kind: str, evidence: str, confidence: Confidence = "certain") -> list[Finding]:
        """The one finding of a kind in this tensor."""
        return [found(kind, self.name, evidence, confidence)]
