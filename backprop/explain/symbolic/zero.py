"""Whether an expression is zero: by algebra, with the cases of a kink one by one; else a point where it is not.

Exponentials of sums are split, e^(x-m) = e^x e^-m; what is left is a quotient of polynomials in e^x, tanh x,
erf x, …, whose normal form decides. A kink, max(z, 0), is taken apart: z > 0 and z < 0, each by itself; at z = 0
there is no derivative to prove anything about.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import sympy
from sympy.core.relational import Relational
from sympy.polys.rings import PolyElement, PolyRing

from backprop.errors import BackpropError


class UndecidedError(BackpropError, ArithmeticError):
    """An expression that SymPy can neither show to be zero nor give a number that is not."""


@dataclass(frozen=True)
class Difference:
    """A point at which two formulas that should be equal are not: values by symbol, and by how much."""

    point: dict[str, float]
    by: float

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {value:g}" for name, value in self.point.items())
        return f"they differ by {self.by:.3g} at {at}" if at else f"they differ by {self.by:.3g}"


def difference(first: Any, second: Any) -> Difference | None:
    """None where both are equal for every value of their symbols; else a point where they are not.

    Raises `UndecidedError` where SymPy can tell neither.
    """
    apart = sympy.sympify(first) - sympy.sympify(second)
    if apart == 0:
        return None
    symbols = sorted(apart.free_symbols, key=str)
    # Expressions that are alike but for their symbols become the same.
    neutral = {symbol: sympy.Symbol(f"{k:03d}", **symbol.assumptions0) for k, symbol in enumerate(symbols)}
    found = _difference(apart.xreplace(neutral))
    if found is None:
        return None
    if found.by == 0:
        raise UndecidedError(
            f"SymPy cannot tell whether {apart} is zero; expected a smaller --size, where it may."
        )
    names = {str(neutral[symbol]): str(symbol) for symbol in symbols}
    return Difference({names[name]: value for name, value in found.point.items()}, found.by)


@lru_cache(maxsize=4096)
def _difference(apart: Any) -> Difference | None:
    """Where an expression is not zero, by 0 where that cannot be told.

    The elements of a matrix are often alike but for their symbols, and so are decided once.
    """
    if is_zero_fraction(apart):
        return None
    for case in _cases(apart):
        tidy = _in_steps(case)
        if not is_zero_fraction(tidy) and sympy.simplify(simplified(tidy)) != 0:
            return _counterexample(case)
    return None


@lru_cache(maxsize=4096)
def simplified(expression: Any) -> Any:
    """The normal form as a quotient of polynomials."""
    return sympy.cancel(sympy.together(sympy.expand(sympy.sympify(expression), power_exp=True)))


def _cases(expression: Any) -> Iterator[Any]:
    """The expression itself, or with every symbol under a kink once above and once below zero."""
    kinks = expression.atoms(sympy.Max, sympy.Min, sympy.Heaviside, sympy.Abs, sympy.sign, Relational)
    kinked = sorted({symbol for kink in kinks for symbol in kink.free_symbols}, key=str)
    for signs in itertools.product((1, -1), repeat=len(kinked)):
        sides = {
            symbol: sign * sympy.Symbol(f"{symbol}_size", positive=True)
            for symbol, sign in zip(kinked, signs, strict=True)
        }
        yield expression.subs(sides)


def _in_steps(expression: Any) -> Any:
    """Edges that the signs leave open, such as that of min(x, 6), written in one way: with steps θ(e, 0)."""

    def step(e: Any) -> Any:
        return 1 - sympy.Heaviside(-e, 0) if e.could_extract_minus_sign() else sympy.Heaviside(e, 0)

    def of_two_cases(e: Any) -> bool:
        return isinstance(e, sympy.Piecewise) and len(e.args) == 2 and hasattr(e.args[0].cond, "gts")

    def by_step(e: Any) -> Any:
        (yes, condition), (no, _) = e.args
        return no + (yes - no) * step(condition.gts - condition.lts)

    steps = expression.replace(of_two_cases, by_step)
    return steps.replace(lambda e: isinstance(e, sympy.Heaviside), lambda e: step(e.args[0]))


def _at_an_edge(expression: Any, point: dict[Any, Any]) -> bool:
    """Whether a kink lies exactly at the point, where nothing is claimed."""
    edges = [
        kink.args[0] for kink in expression.atoms(sympy.Heaviside, sympy.Abs, sympy.sign, sympy.DiracDelta)
    ]
    edges += [relation.lhs - relation.rhs for relation in expression.atoms(Relational)]
    for kink in expression.atoms(sympy.Max, sympy.Min):
        edges += [one - other for one, other in itertools.combinations(kink.args, 2)]
    return any(sympy.N(edge.subs(point), 30) == 0 for edge in edges)


def _counterexample(expression: Any) -> Difference:
    free = sorted(expression.free_symbols, key=str)
    for start in range(1, 6):
        point = {symbol: sympy.Rational(start + 2 * k, 3 + 2 * k) for k, symbol in enumerate(free)}
        if _at_an_edge(expression, point):
            continue
        value = sympy.N(expression.subs(point), 30)
        if value.is_number and abs(value) > sympy.Float("1e-20"):
            shown = {str(symbol).removesuffix("_size"): float(number) for symbol, number in point.items()}
            return Difference(shown, float(abs(value)))
    return Difference({}, 0.0)


# Fractions of polynomials -----------------------------------------------------------------------------


def is_zero_fraction(expression: Any) -> bool:
    """Whether the formula is zero for all values of its unknowns, by a quick proof that multiplies nothing out.

    Sums, products and whole powers are computed with exact coefficients, each as a numerator over a product of
    denominators. Everything else in the formula, such as tanh z or √v, is replaced by an unknown. So is e^m for every
    term m of an exponent: e^(u-v) = e^u / e^v. False proves nothing: some unknowns may depend on others.
    """
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
