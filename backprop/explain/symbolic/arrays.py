"""Arrays of SymPy expressions on which the library's own code runs, unchanged.

A layer calls NumPy and SciPy: np.exp, np.maximum, expit, ndtr, … An array of this class answers each of them
with the SymPy function of the same meaning, element by element, and leaves sums and products to NumPy, which
adds and multiplies objects as they are. So what comes out is the formula that the code computes, not a copy.

    np.maximum(x, 0)  → Max(x, 0)         np.greater(y, 0)  → Heaviside(y, 0), 1 where y > 0 and else 0
    x.max(axis=1)     → a symbol m        what is subtracted to keep exp small; it must cancel, whatever it is
    0.3989422804…     → 1/√(2π)           a float is taken for the constant, or the fraction of small numbers,
                                          that rounds to it
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array

_CONSTANTS = {1 / math.sqrt(2 * math.pi): 1 / sympy.sqrt(2 * sympy.pi)}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "tanh": sympy.tanh,
    "maximum": sympy.Max,
    "greater": lambda a, b: sympy.Heaviside(a - b, 0),
    "expit": lambda x: 1 / (1 + sympy.exp(-x)),
    "ndtr": lambda x: (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
    "absolute": sympy.Abs,
    "sign": sympy.sign,
}


class Symbolic(np.ndarray[Any, Any]):
    """An array of SymPy expressions."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """The SymPy function of the ufunc's name; of sums and products, NumPy's own on objects."""
        out = kwargs.pop("out", None)
        arrays = [plain(value) for value in inputs]
        if ufunc is np.maximum and method == "reduce":
            result = _shift(arrays[0], kwargs["axis"], kwargs.get("keepdims", False))
        elif ufunc.__name__ in _FUNCTIONS and method == "__call__":
            function = np.frompyfunc(_FUNCTIONS[ufunc.__name__], len(arrays), 1)
            result = np.asarray(function(*arrays), object)
        else:
            kwargs = {name: value for name, value in kwargs.items() if name not in ("casting", "subok")}
            result = np.asarray(getattr(ufunc, method)(*arrays, **kwargs), object)
        if out is not None:
            np.asarray(out[0])[...] = result
            return out[0]
        return symbolic(result)


def symbolic(array: Any) -> Symbolic:
    """The same memory where it is an array of objects, otherwise its numbers as exact ones."""
    given = np.asarray(array)
    if given.dtype != object:
        given = np.frompyfunc(exact, 1, 1)(given)
    return np.asarray(given, object).view(Symbolic)


def symbols(name: str, *shape: int) -> Symbolic:
    """Real symbols: name_0_1 for index (0, 1)."""
    array = np.empty(shape, object)
    for index in np.ndindex(*shape):
        array[index] = sympy.Symbol("_".join([name, *map(str, index)]), real=True)
    return array.view(Symbolic)


def plain(value: Any) -> Any:
    """An operand as NumPy can work on: an array of objects, or an exact number."""
    if isinstance(value, np.ndarray):
        array: Array = np.asarray(value) if value.dtype == object else np.asarray(symbolic(value))
        return array
    return exact(value)


def exact(value: Any) -> Any:
    """A number of the code as an exact one; 0.5 is 1/2, and 0.398942… is 1/√(2π)."""
    if isinstance(value, (float, np.floating)):
        return _CONSTANTS.get(float(value)) or _fraction(float(value))
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return sympy.Integer(int(value))
    return value


def _fraction(value: float) -> Any:
    """The fraction of small numbers that rounds to the float, 2/9 for 0.2222222222222222; or the float itself."""
    near = Fraction(value).limit_denominator(10_000)
    return sympy.Rational(near if float(near) == value else Fraction(value))


def _shift(array: Array, axis: int, keepdims: bool) -> Array:
    """A symbol for every maximum."""
    shape = list(array.shape)
    shape[axis] = 1
    shifts = np.empty(shape, object)
    for index in np.ndindex(*shape):
        row = tuple(np.moveaxis(array, axis, -1)[index[:axis] + index[axis + 1 :]])
        shifts[index] = sympy.Dummy(
            "m", dummy_index=hash(row), real=True
        )  # one and the same for the same row
    return shifts if keepdims else shifts.squeeze(axis)
