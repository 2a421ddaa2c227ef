"""Evaluation: the user's function as a black box from a vector (p,) to its values (m,), counted and kept quiet.

m is 1 for a function to a number, the size of its value for a function to an array.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.budget import Budget
from backprop.check.forms.tensors import Form
from backprop.check.forms.tree import describe
from backprop.errors import CheckError

_SEEN, _DISTINCT = 40, 4


class OutOfCalls(Exception):
    """That the function may not be called as often as a slope needs; never seen outside of a check."""


@dataclass
class Probe:
    """The function at any point near the one that is checked.

    budget: shared with the gradient. dtype: of every tensor that the function is called with; None for each one's
    own. outputs: the shape of its value. seen: its first different values beside the point. coarse: the eps of the
    narrower format to which the function was seen to round its arguments; 0 where it was not. given: the dtype of
    its last value.
    """

    function: Callable[[Any], Any]
    form: Form
    point: Array
    budget: Budget
    outputs: tuple[int, ...] = ()
    dtype: DType | None = None
    calls: int = 0
    coarse: float = 0.0
    given: DType = field(default_factory=lambda: np.dtype(np.float64))
    seen: dict[bytes, Array] = field(default_factory=dict)
    value: Array = field(default_factory=lambda: np.zeros(0))

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return self.budget.room(calls)

    def count(self, calls: int) -> None:
        """Note calls of the function that were made elsewhere."""
        self.calls += calls
        self.budget.used += calls

    def start(self, raw: Any, *, jacobian: bool) -> None:
        """Take the value at the point itself, as the function gave it.

        Raises `CheckError` where it is no real number (for a Jacobian, no array of them), or not finite.
        """
        value = _array(raw)
        if value is None or value.dtype.kind not in "iufb":
            wanted = "an array of real numbers" if jacobian else "a real number"
            is_complex = value is not None and value.dtype.kind == "c"
            raise CheckError(
                f"The function gave {'complex numbers' if is_complex else describe(raw)}; expected {wanted}."
            )
        if not jacobian and value.size != 1:
            raise CheckError(
                f"The function gave an array of shape {value.shape}; expected a number, or jacobian= in place of "
                f"the gradient."
            )
        if value.size == 0:
            raise CheckError("The function gave an array without entries; expected at least one number.")
        if not np.all(np.isfinite(value)):
            raise CheckError(f"The function is {_first_bad(value)} at the point; expected a finite value.")
        self.outputs = value.shape if jacobian else ()
        self.value = value.astype(self._wide).reshape(-1)

    def at_format(self, point: Array) -> Array:
        """The point in numbers of the format to which the function rounds what it is given."""
        return round_to(point, 1 - round(math.log2(self.coarse))) if self.coarse else point

    def at(self, point: Array) -> Array:
        """The values (m,) at a point (p,); NaN where the function raises or gives another shape."""
        self.count(1)
        value = _array(self._quietly(self.form.build(point, self.dtype)))
        if value is None or value.dtype.kind not in "iufb" or value.size != self.value.size:
            return np.full(self.value.shape, np.nan, self._wide)
        self.given = np.dtype(value.dtype)
        found = value.astype(self._wide).reshape(-1)
        if len(self.seen) < _SEEN:
            self.seen.setdefault(found.tobytes(), found)
        return found

    def at_complex(self, point: Array) -> Array | None:
        """The complex values (m,) at a complex point (p,); None where the function does not take complex numbers."""
        self.count(1)
        wide = np.result_type(self._wide, np.complex64)
        value = _array(self._quietly(self.form.build(point, wide), refuse_casts=True))
        if value is None or value.dtype.kind != "c" or value.size != self.value.size:
            return None
        return value.astype(wide).reshape(-1)

    def grid(self) -> Array:
        """The eps (m,) of the narrowest format of which all values so far are numbers; of float64 where of none."""
        values = np.array(list(self.seen.values())).reshape(-1, self.value.size)
        found = np.full(self.value.shape, self.eps)
        for bits in (24, 11, 8):
            with np.errstate(all="ignore"):
                fits = np.all((round_to(values, bits) == values) | ~np.isfinite(values), axis=0)
            for k in np.flatnonzero(fits):  # a few values, or small whole numbers, are numbers of any format
                column = values[np.isfinite(values[:, k]), k]
                if len(np.unique(column)) >= _DISTINCT and np.any(round_to(column, bits - 2) != column):
                    found[k] = max(found[k], 2.0 ** (1 - bits))
        return found

    @property
    def eps(self) -> float:
        """The rounding of the dtype in which the function is called."""
        return float(np.finfo(self.dtype or self.form.own_dtype).eps)

    @property
    def _wide(self) -> DType:
        return self.form.dtype

    def _quietly(self, argument: Any, refuse_casts: bool = False) -> Any:
        """Call the function near the point; an exception or a warning there counts as "no value"."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if refuse_casts:  # complex numbers that silently lose their imaginary part
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                return self.function(argument)
            except Exception:  # of whatever kind: it is the user's
                return None


def round_to(point: Array, bits: int) -> Array:
    """The point in numbers of so many bits."""
    mantissa, exponent = np.frexp(point)
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**bits) * 2.0**-bits, exponent))


def _array(raw: Any) -> Array | None:
    """A value as an array; None where it is none."""
    try:
        array = np.asarray(raw)
        return array.astype(np.float64) if array.dtype.kind == "O" and raw is not None else array
    except (TypeError, ValueError, RuntimeError):
        return None


def _first_bad(value: Array) -> str:
    bad = value[~np.isfinite(value)].reshape(-1)[0]
    return "NaN" if math.isnan(bad) else "infinite"
