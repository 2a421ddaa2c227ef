"""The formulas of layers and losses as a spreadsheet writes them.

{x} and {y} are a layer's input and output in the same place, {xs} and {ys} their whole row, {t} and {ts} the
one-hot label and its row, {d} and {ds} the derivative of the loss by the output.
"""

from __future__ import annotations

from backprop.errors import UnsupportedError

_SHIFTED = "EXP({xs}-MAX({xs}))"

FORWARD = {
    "relu": "MAX({x},0)",
    "tanh": "TANH({x})",
    "sigmoid": "1/(1+EXP(-{x}))",
    "gelu": "{x}*NORMSDIST({x})",
    "softmax": f"EXP({{x}}-MAX({{xs}}))/SUMPRODUCT({_SHIFTED})",
}

SLOPE = {
    "relu": "IF({x}>0,1,0)",
    "tanh": "(1-{y}^2)",
    "sigmoid": "{y}*(1-{y})",
    "gelu": "(NORMSDIST({x})+{x}*EXP(-({x}^2)/2)/SQRT(2*PI()))",
}

VJP = {
    "softmax": "{y}*({d}-SUMPRODUCT({ys},{ds}))",
    **{name: f"{slope}*{{d}}" for name, slope in SLOPE.items()},
}

LOSS = {
    "cross-entropy": "-LN(SUMPRODUCT({ys},{ts}))",
    "softmax-cross-entropy": "LN(SUMPRODUCT(EXP({ys}-MAX({ys}))))+MAX({ys})-SUMPRODUCT({ys},{ts})",
    "mean-squared-error": "SUMXMY2({ys},{ts})/{c}",
}

LOSS_GRADIENT = {
    "cross-entropy": "-{t}/{y}",
    "softmax-cross-entropy": f"({FORWARD['softmax'].format(x='{y}', xs='{ys}')}-{{t}})",
    "mean-squared-error": "2/{c}*({y}-{t})",
}
"""Of the loss of one sample."""


def formula(table: dict[str, str], name: str, **cells: object) -> str:
    """The formula of a layer or loss; raises `UnsupportedError` where no spreadsheet function is known."""
    if name not in table:
        raise UnsupportedError(f"A workbook has no formula for {name}; expected {', '.join(sorted(table))}.")
    return "=" + table[name].format_map(cells)


def total(terms: list[tuple[str, str]]) -> str:
    """A sum of products, written out so that it can be read."""
    return "=" + "+".join(f"{first}*{second}" for first, second in terms)
