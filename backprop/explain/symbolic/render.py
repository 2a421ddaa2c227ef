"""A derivation as text, LaTeX, or an HTML page with MathML, which browsers draw without a script."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from html import escape
from typing import Any

import sympy

from backprop.explain.html import page
from backprop.explain.symbolic.claim import Derivation, Line
from backprop.explain.symbolic.notation import drawn, latex, latex_name, mathml, mathml_name, on_one_line

_INDENT = "   "


def _parts(derivation: Derivation) -> Iterator[tuple[str, list[tuple[int, Line]]]]:
    """The headings, each with the numbered lines below it."""
    numbered = enumerate(derivation.lines, 1)
    for heading, lines in itertools.groupby(numbered, key=lambda pair: pair[1].part):
        yield heading, list(lines)


# Text


def render_text(derivation: Derivation, width: int | None = None) -> str:
    """Formulas drawn with characters; `width` is that of a terminal, None where lines may be of any length.

    A matrix that is wider than the terminal is folded: its further columns stand below the first ones. A vector, and
    a matrix whose columns are wider, is written element by element, on lines that are folded.
    """
    prose = min(width or 100, 100)
    said = [derivation.title, derivation.verdict, derivation.given, derivation.letters]
    parts = ["\n".join(textwrap.wrap(text, prose)) for text in said if text]
    for heading, lines in _parts(derivation):
        parts.append(heading.upper())
        for number, line in lines:
            parts.append("\n".join(textwrap.wrap(f"{number}. {line.words}", prose)))
            for right in line.right:
                shown = _fitting(str(line.left), right, width and width - len(_INDENT))
                parts.append("\n".join(f"{_INDENT}{each}".rstrip() for each in shown))
    parts += [derivation.code.upper(), "\n".join(textwrap.wrap(derivation.forms, prose))]
    claims = [textwrap.wrap(claim.marked, prose, subsequent_indent="  ") for claim in derivation.claims]
    parts.append("\n".join(itertools.chain.from_iterable(claims)))
    parts.append("\n".join(textwrap.wrap(derivation.verdict, prose)))
    return "\n\n".join(filter(None, parts)) + "\n"


def _fitting(left: str, right: Any, room: int | None) -> list[str]:
    """The lines of `left = right`, none longer than `room` where that can be."""
    if room is None or not (isinstance(right, sympy.MatrixBase) and _width(right[:, 0]) > room):
        lines = drawn(right, left)
        if room is None or max(map(len, lines)) <= room:
            return list(lines)
    if isinstance(right, sympy.MatMul):
        factors = [_fitting(f"{left}, factor {k}", factor, room) for k, factor in enumerate(right.args, 1)]
        return [line for factor in factors for line in [*factor, ""]][:-1]
    if not isinstance(right, sympy.MatrixBase):
        return textwrap.wrap(f"{left} = {on_one_line(right)}", room, subsequent_indent=_INDENT)
    room_of_column = room - len(f"{left}, column {right.cols} = ")
    if right.rows == 1 or any(_width(right[:, k]) > room_of_column for k in range(right.cols)):
        return list(_elements(left, right, room))
    return [line for part in _columns(left, right, room) for line in [*part, ""]][:-1]


def _width(formula: Any) -> int:
    return max(map(len, drawn(formula)))


def _elements(left: str, matrix: Any, room: int) -> Iterator[str]:
    """The elements one by one; of a row vector, with one index."""
    for row, column in itertools.product(range(matrix.rows), range(matrix.cols)):
        index = f"{row},{column}" if matrix.rows > 1 else f"{column}"
        text = f"{left}[{index}] = {on_one_line(matrix[row, column])}"
        yield from textwrap.wrap(text, room, subsequent_indent=_INDENT)


def _columns(left: str, matrix: Any, room: int) -> Iterator[tuple[str, ...]]:
    """The matrix in groups of columns, as many in each as fit."""
    start = 0
    while start < matrix.cols:
        lines = drawn(matrix[:, start], f"{left}, column {start}")
        end = start + 1
        for further in range(end + 1, matrix.cols + 1):
            wider = drawn(matrix[:, start:further], f"{left}, columns {start} to {further - 1}")
            if max(map(len, wider)) > room:
                break
            lines, end = wider, further
        yield lines
        start = end


# LaTeX


def render_latex(derivation: Derivation) -> str:
    """A document that LaTeX compiles as it stands."""
    parts = [
        r"\documentclass{article}",
        r"\usepackage{amsmath, amssymb}",
        r"\usepackage[landscape, margin=1cm]{geometry}",
        r"\setcounter{MaxMatrixCols}{100}",
        r"\begin{document}",
        rf"\section*{{{_latex_text(derivation.title)}}}",
        *(_latex_text(text) + r"\par" for text in (derivation.verdict, derivation.given) if text),
        _latex_text(derivation.letters),
    ]
    for heading, lines in _parts(derivation):
        parts += [rf"\subsection*{{{_latex_text(heading)}}}"] if heading else []
        parts += [r"\begin{enumerate}", rf"\setcounter{{enumi}}{{{lines[0][0] - 1}}}"]
        for _, line in lines:
            right = " = ".join(map(latex, line.right))
            parts += [rf"\item {_latex_text(line.words)}", rf"\[ {latex_name(line.left)} = {right} \]"]
        parts.append(r"\end{enumerate}")
    parts += [rf"\subsection*{{{_latex_text(derivation.code)}}}", _latex_text(derivation.forms)]
    parts += [r"\begin{itemize}", *(rf"\item {_latex_text(claim.marked)}" for claim in derivation.claims)]
    parts += [r"\end{itemize}", _latex_text(derivation.verdict), r"\end{document}"]
    return "\n".join(parts) + "\n"


_LATEX = {
    "∂": r"$\partial$",
    "δ": r"$\delta$",
    "Σ": r"$\Sigma$",
    "Φ": r"$\Phi$",
    "φ": r"$\varphi$",
    "²": "$^2$",
    "ℓ": r"$\ell$",
    "·": r"$\cdot$",
    ">": "$>$",
    "<": "$<$",
    "_": r"\_",
    "′": "$'$",
    "θ": r"$\theta$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "√": r"$\surd$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
}
_LATEX |= {subscript: f"$_{digit}$" for digit, subscript in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_LATEX |= {"ₜ": "$_t$", "₋": "$_-$", "₊": "$_+$", "σ": r"$\sigma$"}


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


# HTML


def render_html(derivation: Derivation) -> str:
    """One page that needs nothing else; a formula that is wider than the page scrolls in its box."""
    said = [f"<p><b>{escape(derivation.verdict)}</b></p>"]
    said += [f"<p>{escape(derivation.given)}</p>"] if derivation.given else []
    said.append(f'<p class="legend">{escape(derivation.letters)}</p>')
    for heading, lines in _parts(derivation):
        said += [f"<h2>{escape(heading)}</h2>"] if heading else []
        said.append(f'<div class="columns">{"".join(_section(*pair) for pair in lines)}</div>')
    claims = "".join(f"<li>{escape(claim.marked)}</li>" for claim in derivation.claims)
    said.append(f"<h2>{escape(derivation.code)}</h2><p>{escape(derivation.forms)}</p>")
    said.append(f'<ul class="plain">{claims}</ul>')
    said.append(f"<p><b>{escape(derivation.verdict)}</b></p>")
    return page(escape(derivation.title), "".join(said))


def _section(number: int, line: Line) -> str:
    formulas = "".join(
        f'<div class="numbers" tabindex="0" role="region" aria-label="{escape(str(line.left))}">'
        f'<math display="block"><mrow>{mathml_name(line.left)}<mo>=</mo>{mathml(right)}</mrow></math></div>'
        for right in line.right
    )
    return f'<section class="step"><p>{number}. {escape(line.words)}</p>{formulas}</section>'
