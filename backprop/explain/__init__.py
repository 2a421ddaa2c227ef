"""Every matrix of a derivation, seen while the real strategy forms it, and every shortcut, proven.

trace(strategy, network, params, batch)            what a strategy forms, step by step
explain(network, params, batch, strategies)        one or two strategies, lined up, with their shortcuts
read_values(path)                                  one's own numbers from an .npz file, completed by drawn ones
render_text, render_markdown, render_html          an explanation to read
"""

from __future__ import annotations

from backprop.explain.explanation import Explanation, TooLargeError, check_printable, example, explain, trace
from backprop.explain.html import render_html
from backprop.explain.markdown import render_markdown
from backprop.explain.step import Derivative, Row, Step, Trace, line_up
from backprop.explain.text import render_text
from backprop.explain.values import Values, read_values

__all__ = [
    "Derivative",
    "Explanation",
    "Row",
    "Step",
    "TooLargeError",
    "Trace",
    "Values",
    "check_printable",
    "example",
    "explain",
    "line_up",
    "read_values",
    "render_html",
    "render_markdown",
    "render_text",
    "trace",
]
