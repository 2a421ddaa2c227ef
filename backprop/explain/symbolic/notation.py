"""One notation for formulas, drawn with characters, on one line, in LaTeX and in MathML.

    z₁[0,1]     the element [0, 1] of z₁
    max(z, 0)   the larger of both
    θ(z)        the step function: 1 where z > 0, 0 where z < 0

SymPy writes the step function as θ(z) or Θ(z, 1/2) or θ(z, 0), by what it says of z = 0, where nothing is claimed
here; it calls max by other names, and shows the name of a symbol as it stands.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.pretty_symbology import pretty_use_unicode
from sympy.printing.pretty.stringpict import prettyForm

from backprop.explain.names import plain_name
from backprop.explain.step import Derivative

_NAME = re.compile(r"(?P<letters>.*?)(?P<number>[₀-₉]*)(?P<primes>′*)(?P<index>\[.*\])?")
_WIDE = 100_000  # columns: SymPy folds nothing


@functools.lru_cache(maxsize=256)
def drawn(expression: Any, name: str = "") -> tuple[str, ...]:
    """The lines of a formula, or of `name = formula`, that is drawn with characters, of any length."""
    shown = _with_calls(expression)
    if name:
        shown = sympy.Eq(sympy.Symbol(name), shown, evaluate=False)
    before = pretty_use_unicode(True)
    try:
        printer = _Drawn({"use_unicode": True, "num_columns": _WIDE})
        return tuple(str(printer.doprint(shown)).splitlines())
    finally:
        pretty_use_unicode(before)


@functools.lru_cache(maxsize=2048)
def on_one_line(expression: Any) -> str:
    """The formula on one line: a⋅b, a^2."""
    return str(sympy.sstr(_with_calls(expression))).replace("**", "^").replace("*", "⋅")


def latex(expression: Any) -> str:
    """The formula in LaTeX, for its mathematical mode."""
    return str(_LaTeX({"mat_str": "matrix"}).doprint(_with_calls(expression, r"\max", r"\min", r"\theta")))


def latex_name(name: Derivative | str) -> str:
    """A quantity in LaTeX; a derivative as a fraction."""
    if isinstance(name, str):
        return latex(sympy.Symbol(name))
    of, by = map(latex_name, name)
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def mathml(expression: Any) -> str:
    """The formula in MathML, without the element math around it."""
    return str(_MathML().doprint(_with_calls(expression)))


def mathml_name(name: Derivative | str) -> str:
    """A quantity in MathML; a derivative as a fraction."""
    if isinstance(name, str):
        return mathml(sympy.Symbol(name))
    over, under = map(mathml_name, name)
    return f"<mfrac><mrow><mo>∂</mo>{over}</mrow><mrow><mo>∂</mo>{under}</mrow></mfrac>"


def _with_calls(expression: Any, largest: str = "max", smallest: str = "min", step: str = "θ") -> Any:
    """The formula with max, min and the step as calls, numbers behind symbols: max(z, 0), θ(z)."""
    for kind, name in ((sympy.Max, largest), (sympy.Min, smallest)):
        expression = expression.replace(kind, functools.partial(_call, name))
    return expression.replace(sympy.Heaviside, lambda edge, *_: _call(step, edge))


def _call(name: str, *arguments: Any) -> Any:
    return sympy.Function(name)(*sorted(arguments, key=lambda one: (one.is_number, str(one))))


class _Drawn(PrettyPrinter):  # type: ignore[misc]
    def _print_Symbol(self, e: Any, bold_name: bool = False) -> Any:
        return prettyForm(e.name)


class _LaTeX(LatexPrinter):  # type: ignore[misc]
    def _print_Symbol(self, e: Any, style: str = "plain") -> str:
        """Write z₁[0,1] as z_{1}[0,1]."""
        letters, number, primes, index = _parts(e.name)
        text = str(super()._print_Symbol(sympy.Symbol(letters), style))
        return text + (f"_{{{number}}}" if number else "") + "'" * len(primes) + index


class _MathML(MathMLPresentationPrinter):  # type: ignore[misc]
    def _print_Symbol(self, e: Any, style: str = "plain") -> Any:
        """Write z₁[0,1] as z with the index 1, and [0,1] behind it."""
        letters, number, primes, index = _parts(e.name)
        base = super()._print_Symbol(sympy.Symbol(letters), style)
        if number:
            base = self._node("msub", base, self._leaf("mn", number))
        if not (primes or index):
            return base
        shown = [self._leaf("mo", "′")] * bool(primes) + [self._leaf("mn", index)] * bool(index)
        return self._node("mrow", base, *shown)

    def _leaf(self, tag: str, text: str) -> Any:
        leaf = self.dom.createElement(tag)
        leaf.appendChild(self.dom.createTextNode(text))
        return leaf

    def _node(self, tag: str, *children: Any) -> Any:
        node = self.dom.createElement(tag)
        for child in children:
            node.appendChild(child)
        return node

    def _print_MatrixBase(self, m: Any) -> Any:
        """Draw the brackets by the style sheet: few fonts have brackets that grow with the matrix."""
        rows = [
            self._node("mtr", *(self._node("mtd", self._print(m[i, j])) for j in range(m.cols)))
            for i in range(m.rows)
        ]
        table = self._node("mtable", *rows)
        table.setAttribute("class", "matrix")
        return table


def _parts(name: str) -> tuple[str, str, str, str]:
    """A name's letters, its number in plain digits, its primes, and its index: z, 1, "", [0,1]."""
    found = _NAME.fullmatch(name)
    assert found is not None  # every part may be empty
    letters, number, primes, index = (found[part] or "" for part in ("letters", "number", "primes", "index"))
    return letters, plain_name(number), primes, index
