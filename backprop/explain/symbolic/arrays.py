"""Arrays of SymPy expressions on which the library's own code runs, unchanged.

A layer calls NumPy and SciPy: np.exp, np.maximum, expit, ndtr, … An array of this class answers each call with the
SymPy function of the same meaning, element by element, and leaves sums and products to NumPy, which adds and
multiplies objects as they are. So the result is the formula that the code computes, not a copy of it.

    np.maximum(x, 0)  → Max(x, 0)         np.greater(y, 0)  → Heaviside(y, 0), 1 where y > 0 and else 0
    x.max(axis=1)     → a symbol m        subtracted to keep exp small; it has to cancel, whatever its value
    np.where(y > 0, …) → Piecewise        of a condition that is a comparison, or several
    0.3989422804…     → 1/√(2π)           a float is taken for the constant, or the fraction of small numbers,
                                          that rounds to it

A NumPy function that is not known here is refused with `UnderivableError`: NumPy would ask an expression whether it
is true, which every expression is, and the formula would be another one than the code's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.symbolic.zero import UndecidedError

_CONSTANTS = {1 / math.sqrt(2 * math.pi): 1 / sympy.sqrt(2 * sympy.pi)}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _above(a: Any, b: Any) -> Any:
    return sympy.Heaviside(a - b, 0)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in _names("exp log sqrt sign sin cos sinh cosh tanh erf")},
    "arctan": sympy.atan,
    "log1p": lambda x: sympy.log(1 + x),
    "expm1": lambda x: sympy.exp(x) - 1,
    "logaddexp": lambda a, b: sympy.log(sympy.exp(a) + sympy.exp(b)),
    "maximum": sympy.Max,
    "minimum": sympy.Min,
    "clip": lambda x, low, high: sympy.Min(sympy.Max(x, low), high),
    "greater": _above,
    "less": lambda a, b: _above(b, a),
    "greater_equal": lambda a, b: 1 - _above(b, a),
    "less_equal": lambda a, b: 1 - _above(a, b),
    "logical_and": lambda a, b: a * b,
    "bitwise_and": lambda a, b: a * b,
    "logical_or": lambda a, b: a + b - a * b,
    "bitwise_or": lambda a, b: a + b - a * b,
    "logical_not": lambda a: 1 - a,
    "invert": lambda a: 1 - a,
    "conjugate": lambda x: x,
    "fabs": sympy.Abs,
    "expit": lambda x: 1 / (1 + sympy.exp(-x)),
    "ndtr": lambda x: (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
    "absolute": sympy.Abs,
}

_OF_MASKS = ("logical_and", "bitwise_and", "logical_or", "bitwise_or", "logical_not", "invert")

_ARITHMETIC = _names("add subtract multiply divide negative positive power square reciprocal matmul")
"""What NumPy does with the elements' own operators."""

_MOVING = _names("""
    einsum sum mean var std prod cumsum dot vdot inner outer tensordot trace
    reshape ravel transpose swapaxes moveaxis expand_dims squeeze broadcast_to diagonal
    concatenate stack hstack vstack tile repeat roll flip split copy copyto diff
    zeros_like ones_like empty_like full_like shape ndim size atleast_2d broadcast_arrays
    array_equal iscomplexobj isrealobj result_type may_share_memory shares_memory column_stack
""")
"""NumPy functions that add and multiply elements, or move them, and never ask what they are."""

_MOST_COMPARISONS = 6


class UnderivableError(UndecidedError):
    """Code of which it is not known what it computes on symbols, so that it gives no formula."""


class Symbolic(np.ndarray[Any, Any]):
    """An array of SymPy expressions."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """The SymPy function of the ufunc's name; of sums and products, NumPy's own on objects."""
        out = kwargs.pop("out", None)
        arrays = [plain(value) for value in inputs]
        if ufunc is np.maximum and method == "reduce":
            result = _shift(arrays[0], kwargs["axis"], kwargs.get("keepdims", False))
        elif ufunc.__name__ in _FUNCTIONS and method == "__call__":
            of_masks = ufunc.__name__ in _OF_MASKS
            values = (sympy.sympify(value) for array in arrays for value in np.ravel(array))
            if of_masks and any(_truth_table(value) is None for value in values):
                raise UnderivableError(f"{ufunc.__name__} of symbols that are no comparison has no formula")
            function = np.frompyfunc(_FUNCTIONS[ufunc.__name__], len(arrays), 1)
            result = np.asarray(function(*arrays), object)
        elif ufunc.__name__ not in _ARITHMETIC:
            raise UnderivableError(f"np.{ufunc.__name__} is not among the functions whose formula is known")
        else:
            kwargs = {name: value for name, value in kwargs.items() if name not in ("casting", "subok")}
            result = np.asarray(getattr(ufunc, method)(*arrays, **kwargs), object)
        if out is not None:
            np.asarray(out[0])[...] = result
            return out[0]
        return symbolic(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """np.where by cases, np.clip by its bounds; NumPy's own functions that move or add elements; no others."""
        name = func.__name__
        if name == "where" and len(args) == 3:
            function = np.frompyfunc(_by_case, 3, 1)
            return symbolic(np.asarray(function(*(plain(value) for value in args)), object))
        if name == "clip" and len(args) == 3:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        if name not in _MOVING:
            raise UnderivableError(f"np.{name} is not among the functions whose formula is known")
        result = super().__array_function__(func, types, args, kwargs)
        # einsum returns an ordinary array
        return result.view(Symbolic) if isinstance(result, np.ndarray) and result.dtype == object else result

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The same symbols as floats; as whole numbers or truth values they would be others."""
        if np.dtype(dtype).kind not in "fO":
            raise UnderivableError(f"astype({np.dtype(dtype).name}) of symbols has no formula")
        return self.copy()


def _truth_table(expression: Any) -> dict[tuple[bool, ...], bool] | None:
    """Whether a mask holds, by what its comparisons say; None for what is no mask of a few comparisons."""
    comparisons = _comparisons(expression)
    if len(comparisons) > _MOST_COMPARISONS:
        return None
    table = {}
    for said in itertools.product((False, True), repeat=len(comparisons)):
        value = expression.subs({one: int(holds) for one, holds in zip(comparisons, said, strict=True)})
        if value not in (0, 1):
            return None
        table[said] = bool(value == 1)
    return table


def _comparisons(expression: Any) -> list[Any]:
    return sorted(expression.atoms(sympy.Heaviside), key=str)


def _by_case(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`."""
    mask = sympy.sympify(condition)
    table = _truth_table(mask)
    if table is None:
        raise UnderivableError("np.where of a condition that is no comparison has no formula")
    comparisons = _comparisons(mask)
    if not comparisons:
        return yes if table[()] else no
    edges = [comparison.args[0] for comparison in comparisons]
    cases = [
        sympy.And(*(edge > 0 if holds else edge <= 0 for edge, holds in zip(edges, said, strict=True)))
        for said, value in table.items()
        if value
    ]
    return sympy.Piecewise((yes, sympy.Or(*cases)), (no, True))


def symbolic(array: Any) -> Symbolic:
    """The same memory where it is an array of objects, otherwise its numbers as exact ones."""
    given = np.asarray(array)
    if given.dtype != object:
        given = np.frompyfunc(exact, 1, 1)(given)
    return np.asarray(given, object).view(Symbolic)


def symbols(name: str, *shape: int) -> Symbolic:
    """Real symbols: name[0,1] for index (0, 1)."""
    array = np.empty(shape, object)
    for index in np.ndindex(*shape):
        array[index] = sympy.Symbol(f"{name}[{','.join(map(str, index))}]" if index else name, real=True)
    return array.view(Symbolic)


def of_samples(name: str, n: int, *shape: int) -> Symbolic:
    """Real symbols of n samples (n, *shape): name[0,1] is element 1 of sample 0; of one sample alone, name[1]."""
    return symbols(name, n, *shape) if n > 1 else symbols(name, *shape)[None].view(Symbolic)


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
    """The fraction of small numbers that rounds to the float, 2/9 for 0.2222222222222222; or the float itself.

    A short decimal is such a fraction, too: 1/100000 for 1e-5.
    """
    near, decimal = Fraction(value).limit_denominator(10_000), Fraction(repr(value))
    if float(near) == value:
        return sympy.Rational(near)
    return sympy.Rational(decimal if decimal.denominator <= 10**12 else Fraction(value))


def _shift(array: Array, axis: int, keepdims: bool) -> Array:
    """A symbol for every maximum."""
    shape = list(array.shape)
    shape[axis] = 1
    shifts = np.empty(shape, object)
    for index in np.ndindex(*shape):
        row = tuple(np.moveaxis(array, axis, -1)[index[:axis] + index[axis + 1 :]])
        shifts[index] = sympy.Dummy("m", dummy_index=hash(row), real=True)  # the same for the same row
    return shifts if keepdims else shifts.squeeze(axis)
