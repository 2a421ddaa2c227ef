"""An explanation as one HTML page that needs nothing else: for a phone, a screen in light or dark, and paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.names import LOSS, Names
from backprop.explain.numbers import ZERO, Matrix, matrices
from backprop.explain.step import Row, Step


def render_html(explanation: Explanation) -> str:
    """The whole page; every text in it is escaped, no script, no file beside it."""
    strategies = " and ".join(escape(trace.strategy) for trace in explanation.traces)
    title = f"Every matrix of {strategies}"
    given = "".join(_given(step) for step in explanation.traces[0].given)
    rows = "".join(_row(explanation, row) for row in explanation.rows)
    totals = "".join(
        f"<li><b>{escape(trace.strategy)}</b>: {escape(words.totals(trace))}.</li>"
        for trace in explanation.traces
    )
    return page(
        title,
        f"<p><b>{escape(words.answer(explanation))}.</b></p><ul>{totals}</ul>"
        + "".join(
            f"<p>{escape(said)}</p>" for said in (words.verdict(explanation), explanation.origin) if said
        )
        + f'<p class="legend">{escape(words.legend(explanation.network))}</p>{_colours()}'
        f'<h2>Given</h2><section class="given">{given}</section>'
        f"<h2>Step by step</h2><p>{words.ORDER}</p>{rows}",
    )


def page(title: str, body: str) -> str:
    """A page with the style of this package; `title` and `body` are HTML."""
    style = files("backprop.explain").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{title}</title><style>\n{style}</style></head>\n"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def _colours() -> str:
    return (
        '<p class="legend">'
        + " ".join(f'<span class="key {kind}">{escape(meaning)}</span>' for kind, meaning in COLOURS.items())
        + "</p>"
    )


COLOURS = {
    "given": "given",
    "value": "value, loss",
    "jacobian": "Jacobian of one layer",
    "product": "derivative on the way back",
    "gradient": "gradient: ∂L/∂ of a weight or bias",
}
"""What the colours mean, by the name that the style sheet gives them."""


def colour(step: Step, names: Names) -> str:
    """The colour of a step, by its name in the style sheet."""
    if isinstance(step.quantity, str):
        return "given" if step.kind == "given" else "value"
    if step.kind in ("jacobian", "factor"):
        return "jacobian"
    of, by = step.quantity
    return "gradient" if of == LOSS and names.is_parameter(by) else "product"


def _given(step: Step) -> str:
    return f'<div class="step given"><h3>{escape(step.name)}</h3>{_facts(step)}{_numbers(step)}</div>'


def _row(explanation: Explanation, row: Row) -> str:
    shown = words.entries(explanation, row)
    columns = "two" if len(shown) > 1 else "one"
    names = explanation.traces[0].names
    steps = "".join(_entry(entry, names) for entry in shown)
    heading = f"<h3>{row.number}. {escape(row.name)}</h3>"
    return f'<section class="row">{heading}<div class="columns {columns}">{steps}</div></section>'


def _entry(entry: words.Entry, names: Names) -> str:
    step, who = entry.step, escape(entry.who)
    if step is None:
        return f'<div class="step none"><p class="who">{who}</p><p>not formed</p></div>'
    return (
        f'<div class="step {colour(step, names)}{" drawn" * (step.kind == "drawn")}"><p class="who">{who}</p>'
        f'<p class="formula">{escape(words.equation(step))}</p>{_facts(step)}'
        + (f'<p class="note">{escape(entry.note)}</p>' if entry.note else "")
        + f"{_numbers(step)}</div>"
    )


def _facts(step: Step) -> str:
    return f'<p class="facts">{escape(words.facts(step))}</p>'


def _numbers(step: Step) -> str:
    tables = "".join("".join(_table(matrix)) for matrix in matrices(step.array, step.letters))
    return f'<div class="numbers" tabindex="0" role="region" aria-label="{escape(step.name)}">{tables}</div>'


def _table(matrix: Matrix) -> Iterator[str]:
    yield "<table>"
    if matrix.caption or any(matrix.columns):
        heads = "".join(f"<th>{escape(head)}</th>" for head in matrix.columns)
        yield f"<tr><th>{escape(matrix.caption)}</th>{heads}</tr>"
    for name, row in zip(matrix.rows, matrix.cells, strict=True):
        cells = "".join(
            f'<td class="zero">{ZERO}</td>' if cell == ZERO else f"<td>{cell}</td>" for cell in row
        )
        yield f"<tr><th>{escape(name)}</th>{cells}</tr>"
    yield "</table>"
