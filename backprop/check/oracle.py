"""Oracles: the user's function and gradient as callables whose calls are counted.

In the order of this file: the budget of calls; the function oracle; the gradient oracle.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.answers import Answer, read_answer, value_and_gradient
from backprop.check.leaves import (
    BFLOAT,
    HALF,
    SINGLE,
    bits_of,
    float64_in_jax,
    format_of,
    read_numbers,
    round_to,
)
from backprop.check.numeric.directions import Bounds, is_within
from backprop.check.points import Structure
from backprop.check.trees import copied
from backprop.check.words import describe
from backprop.errors import CheckError

# Budget: what a check is asked for: at most how many calls, and how exact a gradient.

MAX_CALLS = 2000
"""Allowed where nobody says how many: ten times what a right gradient takes, to find where a wrong one is wrong."""
_ROOMY = 200
"""With fewer calls the noise is measured at one place only, and each entry is given few calls."""


@dataclass
class Budget:
    """The number of calls of the function and the gradient together that are allowed, and that were made."""

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """The number of calls that are left."""
        return self.limit - self.used

    @property
    def is_roomy(self) -> bool:
        """Whether the calls allow more than the noise at one place and a few steps."""
        return self.limit >= _ROOMY

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return calls <= self.left


@contextlib.contextmanager
def _quiet(*, wide: bool) -> Iterator[None]:
    """Call the user's code without warnings, and in float64 where its arguments are `wide`."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), float64_in_jax(wide):
        warnings.simplefilter("ignore")
        yield


# The user's function as a black box from a vector (p,) to its values (m,); calls are counted, output is suppressed.
#
# m is 1 for a function to a number, the size of its value for a function to an array.

_SEEN, _DISTINCT = 40, 4
"""Values that are kept to see their format, and how many different ones it takes to tell a format."""


_TOWARDS_ZERO = (0.5, 0.25)
"""Of the point: where a function that is flat at the point may move."""


class OutOfCalls(Exception):
    """The function may not be called as often as a slope needs. A check never lets this exception out."""


@dataclass
class FunctionOracle:
    """The function at any point near the one that is checked.

    code: as the user wrote it. budget: shared with the gradient. outputs: the shape of its value. dtype: of every
    tensor that the function is called with; None for each one's own. given: the eps of its last value, 0 where that
    is not floating. coarse: the eps of the narrower format to which the function was seen to round its arguments;
    0 where it was not. bounds: beyond which it is not called. seen: its first different values beside the point.
    """

    code: Callable[[Any], Any]
    structure: Structure
    point: Array
    budget: Budget
    outputs: tuple[int, ...] = ()
    dtype: DType | None = None
    calls: int = 0
    coarse: float = 0.0
    given: float = 0.0
    seen: dict[bytes, Array] = field(default_factory=dict)
    _grids: dict[tuple[int, float], Array] = field(default_factory=dict, init=False)
    value: Array = field(default_factory=lambda: np.zeros(0))
    bounds: Bounds | None = None

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return self.budget.room(calls)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape of the derivative by a tensor: the shape of the value, followed by that of the tensor."""
        return self.outputs + self.structure.leaf(name).shape

    def count(self, calls: int) -> None:
        """Note calls of the function that were made elsewhere."""
        self.calls += calls
        self.budget.used += calls

    def start(self, raw: Any, *, jacobian: bool) -> None:
        """Take the value at the point itself, as the function gave it.

        Raises `CheckError` where it is no real number (for a Jacobian, no array of them), or not finite.
        """
        value, _ = read_numbers(raw)
        if value is None or value.dtype.kind not in "iuf":
            wanted = "an array of real numbers" if jacobian else "a real number"
            is_complex = value is not None and value.dtype.kind == "c"
            got = "complex numbers" if is_complex else describe(raw)
            raise CheckError(f"The function gave {got}; expected {wanted}.")
        if not jacobian and value.size != 1:
            wanted = "a number, or jacobian= in place of the gradient"
            raise CheckError(f"The function gave an array of shape {value.shape}; expected {wanted}.")
        if value.size == 0:
            raise CheckError("The function gave an array without entries; expected at least one number.")
        if not np.all(np.isfinite(value)):
            got = "NaN" if np.isnan(value[~np.isfinite(value)][0]) else "infinite"
            raise CheckError(f"The function is {got} at the point; expected a finite value.")
        self.outputs = value.shape if jacobian else ()
        self.value = value.astype(self._wide).reshape(-1)

    def at_format(self, point: Array) -> Array:
        """The point in numbers of the format to which the function rounds what it is given."""
        return round_to(point, bits_of(self.coarse)) if self.coarse else point

    def as_given(self, point: Array) -> Array:
        """The point in numbers that the function is given: rounded to its dtype, or to its own coarse format."""
        if self.dtype is not None and self.dtype.itemsize >= point.dtype.itemsize:
            return self.at_format(point)
        rounded = self.structure.views(point)
        for one in self.structure.leaves:
            own = rounded[one.name]
            rounded[one.name] = one.rounded(own) if self.dtype is None else own.astype(self.dtype)
        return self.structure.vector(rounded)

    def at(self, point: Array) -> Array:
        """The values (m,) at a point (p,); NaN where it raises, gives another shape, or may not be called."""
        nothing = np.full(self.value.shape, np.nan, self._wide)
        if not is_within(point, self.bounds):
            return nothing
        self.count(1)
        value, form = read_numbers(self._quietly(point, self.dtype))
        if value is None or value.dtype.kind not in "iufb" or value.size != self.value.size:
            return nothing
        self.given = 0.0 if form is None else form.eps
        found = value.astype(self._wide).reshape(-1)
        if len(self.seen) < _SEEN:
            self.seen.setdefault(found.tobytes(), found)
        return found

    def at_complex(self, point: Array) -> Array | None:
        """The complex values (m,) at a complex point (p,); None where the function does not take complex numbers."""
        if not self.structure.takes_complex:
            return None
        self.count(1)
        wide = np.result_type(self._wide, np.complex64)
        value, _ = read_numbers(self._quietly(point, wide, refuse_casts=True))
        if value is None or value.dtype.kind != "c" or value.size != self.value.size:
            return None
        return value.astype(wide).reshape(-1)

    def grid(self) -> Array:
        """The eps (m,) of the narrowest format of which all values so far are numbers; of float64 where of none."""
        key = len(self.seen), self.eps  # values are only added to those that were seen
        if key not in self._grids:
            self._grids[key] = self._narrowest()
        return self._grids[key]

    def _narrowest(self) -> Array:
        values = np.array(list(self.seen.values())).reshape(-1, self.value.size)
        found = np.full(self.value.shape, self.eps)
        for bits in (SINGLE.bits, HALF.bits, BFLOAT.bits):
            with np.errstate(all="ignore"):
                fits = np.all((round_to(values, bits) == values) | ~np.isfinite(values), axis=0)
            for k in np.flatnonzero(fits):  # a few values, or small whole numbers, are numbers of any format
                column = values[np.isfinite(values[:, k]), k]
                if len(np.unique(column)) >= _DISTINCT and np.any(round_to(column, bits - 2) != column):
                    found[k] = max(found[k], 2.0 ** (1 - bits))
        return found

    @cached_property
    def natural(self) -> Array:
        """The values (k, m) at the point and on the way from it to zero."""
        return np.array([self.value, *(self.at(factor * self.point) for factor in _TOWARDS_ZERO)])

    def natural_spread(self) -> Array:
        """The range (m,) of the function on the way from the point to zero."""
        return np.asarray(np.nan_to_num(np.ptp(self.natural, axis=0), nan=0, posinf=0))

    @property
    def eps(self) -> float:
        """The rounding of the dtype in which the function is called."""
        return (self.structure.format if self.dtype is None else format_of(self.dtype)).eps

    @property
    def _wide(self) -> DType:
        return self.structure.dtype

    def _quietly(self, point: Array, dtype: DType | None, refuse_casts: bool = False) -> Any:
        """Call the function near the point; an exception or a warning there counts as "no value"."""
        wide = dtype is not None and dtype.kind == "f"
        with _quiet(wide=wide):
            if refuse_casts:  # complex numbers that silently lose their imaginary part
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                return self.code(self.structure.build(point, dtype))
            except Exception:  # of whatever kind: it is the user's
                return None


# The user's gradient, at the point and elsewhere.


def rows_of(answer: Answer, function: FunctionOracle) -> Array:
    """The tensors of an answer side by side (m, p); NaN for those that cannot be compared."""
    structure, m = function.structure, function.value.size
    rows = np.full((m, structure.size), np.nan, structure.dtype)
    for name, tensor in answer.comparable.items():
        rows[:, structure.places[name]] = tensor.reshape(m, -1)
    return rows


@dataclass
class GradientOracle:
    """A gradient as a function, at other points or in a wider dtype (`wide`); it need not work there."""

    gradient: Callable[[Any], Any]
    function: FunctionOracle
    wide: bool = False
    calls: int = 0

    def at(self, point: Array) -> Answer | None:
        """Call the gradient at a point (p,); None if it raises, gives no gradient, or no call is left."""
        function, structure = self.function, self.function.structure
        if not function.room(1) or not is_within(point, function.bounds):
            return None
        self.calls += 1
        function.budget.used += 1
        try:
            with _quiet(wide=self.wide):
                raw = self.gradient(structure.build(point, structure.dtype if self.wide else None))
            answer = value_and_gradient(copied(raw), structure)[1]
            return read_answer(answer, structure, outputs=function.outputs)
        except Exception:  # of whatever kind: it is the user's
            return None

    def rows(self, point: Array) -> Array | None:
        """The gradient (m, p) at a point (p,); None where there is none."""
        answer = self.at(point)
        return None if answer is None else rows_of(answer, self.function)
