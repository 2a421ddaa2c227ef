"""Fractions of polynomials: a quick proof that a formula is zero, without multiplying it out.

Sums, products and whole powers are computed with exact coefficients, each as a numerator over a product of
denominators. Everything else in the formula, such as tanh z or √v, is replaced by an unknown. So is e^m for every
term m of an exponent: e^(u-v) = e^u / e^v. A formula that is zero for all values of the unknowns is zero.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import sympy
from sympy.polys.rings import PolyElement, PolyRing


def is_zero_fraction(expression: Any) -> bool:
    """Whether the formula is zero for all values of its unknowns. False proves nothing: some may depend on others."""
    plain = _Unknowns().put_in(sympy.sympify(expression))
    symbols = sorted(plain.free_symbols, key=str)
    if not symbols:
        return bool(plain == 0)
    ring = PolyRing(symbols, sympy.QQ)
    known = {symbol: _Fraction(x, Counter()) for symbol, x in zip(symbols, ring.gens, strict=True)}
    try:
        return not _fraction(plain, known, ring).numerator
    except ZeroDivisionError:
        return False


class _Unknowns:
    """Symbols for the parts that are no sum, product or whole power: one for each different part."""

    def __init__(self) -> None:
        self._symbols: dict[Any, Any] = {}
        self._made: dict[Any, Any] = {}

    def put_in(self, expression: Any) -> Any:
        """The formula as sums, products and whole powers of symbols and numbers."""
        if expression not in self._made:
            self._made[expression] = self._written(expression)
        return self._made[expression]

    def _written(self, expression: Any) -> Any:
        if isinstance(expression, sympy.exp):
            terms = sympy.expand(expression.args[0]).as_coefficients_dict().items()
            return sympy.Mul(*(self._of(sympy.exp(term / count.q)) ** count.p for term, count in terms))
        if isinstance(expression, sympy.Pow) and expression.exp.is_Rational and not expression.exp.is_Integer:
            return (
                self._of(sympy.Pow(expression.base, sympy.Rational(1, expression.exp.q))) ** expression.exp.p
            )
        if isinstance(expression, sympy.Add | sympy.Mul) or (expression.is_Pow and expression.exp.is_Integer):
            return expression.func(*map(self.put_in, expression.args))
        return expression if expression.is_Rational else self._of(expression)

    def _of(self, expression: Any) -> Any:
        return self._symbols.setdefault(expression, sympy.Symbol(f"u{len(self._symbols)}"))


class _Fraction(NamedTuple):
    """A numerator over a product of denominators. over: the power of each denominator."""

    numerator: PolyElement
    over: Counter[PolyElement]


def _fraction(expression: Any, known: dict[Any, _Fraction], ring: PolyRing) -> _Fraction:
    """The expression as a fraction; `known` has the fractions of the symbols, and of every part met before."""
    if expression not in known:
        if expression.is_Rational:
            known[expression] = _Fraction(ring.ground_new(ring.domain.from_sympy(expression)), Counter())
        else:
            known[expression] = _computed(expression, known, ring)
    return known[expression]


def _computed(expression: Any, known: dict[Any, _Fraction], ring: PolyRing) -> _Fraction:
    if expression.is_Pow:
        numerator, over = _fraction(expression.base, known, ring)
        power, below = int(expression.exp), _product(ring, over)
        if power > 0:
            return _Fraction(numerator**power, Counter({one: k * power for one, k in over.items()}))
        if not numerator:
            raise ZeroDivisionError
        return _Fraction(below**-power, Counter({numerator: -power}))
    parts = [_fraction(part, known, ring) for part in expression.args]
    if expression.is_Mul:
        numerator = ring.one
        for part in parts:
            numerator *= part.numerator
        return _Fraction(numerator, sum((part.over for part in parts), Counter()))
    over = Counter()
    for part in parts:
        over |= part.over  # the least common denominator
    return _Fraction(
        sum((part.numerator * _product(ring, over - part.over) for part in parts), ring.zero), over
    )


def _product(ring: PolyRing, factors: Counter[PolyElement]) -> PolyElement:
    made = ring.one
    for factor, power in factors.items():
        made *= factor**power
    return made
