"""Equality of expressions is decided, kinks case by case, and a difference is shown at a point."""

import numpy as np
import pytest
import sympy
from tables import sentence

from backprop.explain.symbolic.arrays import Symbolic, exact, symbolic, symbols
from backprop.explain.symbolic.zero import UndecidedError, difference, is_zero_fraction

x, y = sympy.symbols("x y", real=True)

EQUAL = {
    "powers": (sympy.exp(x - y), sympy.exp(x) / sympy.exp(y)),
    "quotients": (1 / (1 + sympy.exp(-x)), sympy.exp(x) / (1 + sympy.exp(x))),
    "relu": (sympy.diff(sympy.Max(x, 0), x), sympy.Heaviside(sympy.Max(x, 0), 0)),
    "modulus": (sympy.Max(x, 0) - sympy.Max(-x, 0), x),
    "tanh": (sympy.diff(sympy.tanh(x), x), 1 - sympy.tanh(x) ** 2),
    "sine": (sympy.sin(x) ** 2 + sympy.cos(x) ** 2, 1),
}
DIFFERENT = {
    "sign": (x, -x),
    "one side of a kink": (sympy.Max(x, 0), x),
    "the other side": (sympy.Max(x, 0), sympy.Integer(0)),
    "a small term": (x, x + sympy.Rational(1, 10**12)),
    "another variable": (x * y, x * x),
    "constants": (sympy.Integer(2), sympy.Integer(3)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_formulas_are_equal(name):
    assert difference(*EQUAL[name]) is None


e, root = sympy.exp, sympy.sqrt(x**2 + y + 1)
ZERO = {
    "a product": (x + y) ** 3 - (x + y) * (x + y) ** 2,
    "exponents": e(x * (y + 1) - 2) * e(2) - e(x * y) * e(x),
    "a softmax of one": e((x + 1) * (y + 1)) * e(-(x + 1) * (y + 1)) - 1,
    "a softmax of two": e(x) / (e(x) + e(y)) + 1 / (1 + e(x - y)) - 1,
    "other functions": sympy.tanh(x) ** 2 / (1 - sympy.tanh(x)) - 1 / (1 - sympy.tanh(x)) + 1 + sympy.tanh(x),
    "roots": (root + x) * (root - x) / root - (1 - x / root) * (root + x),
}


@pytest.mark.parametrize("zero", ZERO.values(), ids=ZERO)
def test_a_fraction_is_zero_as_it_stands_and_not_with_a_small_term_more(zero):
    assert is_zero_fraction(zero)
    assert not is_zero_fraction(zero + x * sympy.Rational(1, 10**12))
    assert not is_zero_fraction(zero * y + y / (1 + e(x)))


def test_a_fraction_over_zero_is_not_known_to_be_zero():
    assert not is_zero_fraction(1 / (x * y - (x * (y + 1) - x)))


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_shown_at_a_point(name):
    first, second = DIFFERENT[name]
    found = difference(first, second)
    assert found.by > 0
    assert "they differ by" in str(found)


def test_the_point_that_is_shown_is_one_where_they_differ():
    found = difference(x**2, x**2 + x * y)
    assert found.by == pytest.approx(abs(found.point["x"] * found.point["y"]))


def test_what_sympy_cannot_decide_is_said():
    riddle = sympy.Function("f")(x)
    with pytest.raises(UndecidedError) as error:
        difference(riddle, 0)
    assert "expected" in sentence(error.value)


# Arrays


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.5, sympy.Rational(1, 2)),
        (2 / 9, sympy.Rational(2, 9)),
        (1 / np.sqrt(2 * np.pi), 1 / sympy.sqrt(2 * sympy.pi)),
        (np.float64(0.1), sympy.Rational(1, 10)),
        (3, sympy.Integer(3)),
        (True, sympy.Integer(1)),
    ],
)
def test_numbers_of_the_code_are_exact(number, expected):
    assert exact(number) == expected


def test_a_float_that_is_no_fraction_stays_what_it_is():
    assert float(exact(0.39894)) == 0.39894
    assert exact(np.pi) == sympy.Rational(
        *np.pi.as_integer_ratio() if hasattr(np.pi, "as_integer_ratio") else 0
    )
    assert exact(np.pi) != sympy.pi


def test_numpy_answers_with_sympy():
    a = symbols("a", 2, 2)
    assert isinstance(np.exp(a), Symbolic)
    assert np.tanh(a)[0, 1] == sympy.tanh(a[0, 1])
    assert (a @ a)[0, 0] == a[0, 0] ** 2 + a[0, 1] * a[1, 0]
    assert np.maximum(a, 0)[1, 1] == sympy.Max(a[1, 1], 0)


def test_out_is_written():
    a, out = symbols("a", 2), np.empty(2, object)
    assert np.exp(a, out=out) is out
    assert out[1] == sympy.exp(a[1])


def test_a_maximum_is_one_symbol_for_one_row_and_another_for_another():
    a = symbols("a", 2, 3)
    first, second = a.max(axis=1)
    assert first == a[:1].max(axis=1)[0]
    assert first != second
    assert a.max(axis=1, keepdims=True).shape == (2, 1)


def test_numbers_become_exact_arrays():
    np.testing.assert_array_equal(
        np.asarray(symbolic(np.array([0.5, 0.25]))), [sympy.Rational(1, 2), sympy.Rational(1, 4)]
    )
