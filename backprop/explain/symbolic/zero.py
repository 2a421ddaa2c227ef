"""Whether an expression is zero: by algebra, with the cases of a kink one by one; else a point where it is not.

Exponentials of sums are split, e^(x-m) = e^x e^-m; what is left is a quotient of polynomials in e^x, tanh x,
erf x, …, whose normal form decides. A kink, max(z, 0), is taken apart: z > 0 and z < 0, each by itself; at z = 0
there is no derivative to prove anything about.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.relational import Relational

from backprop.errors import BackpropError
from backprop.explain.symbolic.fractions import is_zero_fraction


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
    neutral = {symbol: _neutral(k, symbol) for k, symbol in enumerate(symbols)}
    found = _difference(apart.xreplace(neutral))
    if found is None:
        return None
    if found.by == 0:
        raise UndecidedError(
            f"SymPy cannot tell whether {apart} is zero; expected a smaller --size, where it may."
        )
    names = {str(neutral[symbol]): str(symbol) for symbol in symbols}
    return Difference({names[name]: value for name, value in found.point.items()}, found.by)


def _neutral(k: int, symbol: Any) -> Any:
    """The symbol number k of any expression that is like this one but for its symbols."""
    return sympy.Symbol(f"{k:03d}", **symbol.assumptions0)


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
