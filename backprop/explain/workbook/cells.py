"""The formulas of layers and losses as a spreadsheet writes them, as their files state them (`Layer.cells`).

{x} and {y} are a layer's input and output in the same place, {xs} and {ys} their whole row. In a Jacobian {yi} is the
output at i, and {same} is 1 where o is i and else 0. {t} and {ts} are the one-hot label and its row, {c} the classes,
{d} and {ds} the derivative of the loss by the output and its row.
"""

from __future__ import annotations

from backprop.errors import UnsupportedError
from backprop.layers import Layer
from backprop.losses import Loss


def formula(form: str, subject: Layer | Loss, **cells: object) -> str:
    """The formula of a form of a layer or loss; raises `UnsupportedError` where its file states none."""
    known = dict(subject.cells)
    if "derivative" in known:  # f' of an activation
        known["vjp"] = f"{known['derivative']}*{{d}}"
    if form not in known:
        raise UnsupportedError(
            f"A workbook has no formula for {subject.name}; expected one whose file gives the cells of {form!r}."
        )
    return "=" + known[form].format_map(cells)


def total(terms: list[tuple[str, str]]) -> str:
    """A sum of products, written out so that it can be read."""
    return "=" + "+".join(f"{first}*{second}" for first, second in terms)
