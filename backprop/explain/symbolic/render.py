"""A derivation as text, LaTeX, or an HTML page with MathML, which browsers draw without a script."""

from __future__ import annotations

from html import escape
from typing import Any

import sympy

from backprop.explain.html import page
from backprop.explain.names import plain_name
from backprop.explain.step import Derivative
from backprop.explain.symbolic.claim import Claim, Derivation, Line

_WIDE = 100_000  # columns: a matrix is not folded


def render_text(derivation: Derivation) -> str:
    """Formulas drawn with characters."""
    parts = [derivation.title, derivation.letters]
    for number, line in enumerate(derivation.lines, 1):
        parts.append(f"{number}. {line.words}:\n\n{_drawn(line)}")
    parts.append("\n".join(f"{_mark(claim)} {claim}" for claim in derivation.claims))
    return "\n\n".join([*parts, derivation.verdict]) + "\n"


def _mark(claim: Claim) -> str:
    return "✓" if claim.holds else "?" if claim.fault is None else "✗"


def _drawn(line: Line) -> str:
    left = sympy.Symbol(str(line.left))
    drawn = [
        sympy.pretty(_equation(left, right), use_unicode=True, num_columns=_WIDE) for right in line.right
    ]
    return "\n\n".join("\n".join(f"   {row}".rstrip() for row in part.splitlines()) for part in drawn)


def _equation(left: Any, right: Any) -> Any:
    return sympy.Eq(left, right, evaluate=False)


def render_latex(derivation: Derivation) -> str:
    """A document that LaTeX compiles as it stands."""
    parts = [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\usepackage[landscape, margin=1cm]{geometry}",
        r"\setcounter{MaxMatrixCols}{100}",
        r"\begin{document}",
        rf"\section*{{{_latex_text(derivation.title)}}}",
        _latex_text(derivation.letters),
        r"\begin{enumerate}",
    ]
    for line in derivation.lines:
        right = " = ".join(sympy.latex(part, mat_str="matrix") for part in line.right)
        parts += [rf"\item {_latex_text(line.words)}:", rf"\[ {_latex_name(line.left)} = {right} \]"]
    parts += [r"\end{enumerate}", r"\begin{itemize}"]
    parts += [rf"\item {_latex_text(str(claim))}" for claim in derivation.claims]
    parts += [r"\end{itemize}", _latex_text(derivation.verdict), r"\end{document}"]
    return "\n".join(parts) + "\n"


def _latex_name(name: Derivative | str) -> str:
    if isinstance(name, str):
        return str(sympy.latex(sympy.Symbol(plain_name(name))))
    of, by = (sympy.latex(sympy.Symbol(plain_name(part))) for part in name)
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


_LATEX = {
    "∂": r"$\partial$",
    "δ": r"$\delta$",
    "·": r"$\cdot$",
    "_": r"\_",
    "′": "$'$",
    "θ": r"$\theta$",
    "&": r"\&",
    "#": r"\#",
}
_LATEX |= {subscript: f"$_{digit}$" for digit, subscript in enumerate("₀₁₂₃₄₅₆₇₈₉")}


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def render_html(derivation: Derivation) -> str:
    """One page that needs nothing else."""
    lines = "".join(
        f'<section class="step"><p>{number}. {escape(line.words)}:</p>'
        + "".join(_mathml(line.left, right) for right in line.right)
        + "</section>"
        for number, line in enumerate(derivation.lines, 1)
    )
    claims = "".join(f"<li>{_mark(claim)} {escape(str(claim))}</li>" for claim in derivation.claims)
    letters = f'<p class="legend">{escape(derivation.letters)}</p>'
    body = (
        f'{letters}<div class="columns">{lines}</div><h2>{escape(derivation.verdict)}</h2><ul>{claims}</ul>'
    )
    return page(escape(derivation.title), body)


def _mathml(left: Derivative | str, right: Any) -> str:
    name = _mathml_name(left)
    formula = sympy.mathml(right, printer="presentation")
    return f'<math display="block"><mrow>{name}<mo>=</mo>{formula}</mrow></math>'


def _mathml_name(name: Derivative | str) -> str:
    if isinstance(name, str):
        return str(sympy.mathml(sympy.Symbol(plain_name(name)), printer="presentation"))
    over, under = (_mathml_name(part) for part in name)
    return f"<mfrac><mrow><mo>∂</mo>{over}</mrow><mrow><mo>∂</mo>{under}</mrow></mfrac>"
