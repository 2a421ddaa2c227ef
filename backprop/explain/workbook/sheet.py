"""Blocks of cells: an array on a sheet, with its name, its formula in words, its indices, and its colour.

The formulas of layers and losses stand in their own files (`Layer.cells`). In braces stand the cells at hand: {x} and
{y} are a layer's input and output in the same place, {xs} and {ys} their whole row. In a Jacobian {yi} is the output
at i, and {same} is 1 where o is i and else 0. {t} and {ts} are the one-hot label and its row, {c} the number of
classes, {d} and {ds} the derivative of the loss by the output and its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from backprop.arrays import Array
from backprop.errors import UnsupportedError
from backprop.layers import Layer
from backprop.losses import Loss

COLOURS = {
    "input": "#FFE5CC",
    "parameter": "#FFF4B8",
    "intermediate": "#DCEBFA",
    "jacobian": "#EADFF7",
    "gradient": "#D6F0DC",
}
"""The colours of cells: inputs and parameters can be changed, all others follow from them."""

Cell = Callable[[int, int], str | float]
"""What stands in row and column of a block: a formula that begins with "=", or a number that never changes."""

Heads = tuple[list[str], list[str]]
"""The heads of a block's rows and of its columns."""


def heads(letter: str, count: int) -> list[str]:
    """i=0, i=1, …"""
    return [f"{letter}={k}" for k in range(count)]


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


def total(terms: Iterable[tuple[str, str]]) -> str:
    """A sum of products, written out so that it can be read."""
    return "=" + "+".join(f"{first}*{second}" for first, second in terms)


@dataclass(frozen=True)
class Block:
    """Where an array stands."""

    sheet: str
    row: int
    column: int
    rows: int
    columns: int

    def at(self, row: int, column: int) -> str:
        """One cell, as any sheet can name it."""
        return f"{self.sheet}!{xl_rowcol_to_cell(self.row + row, self.column + column)}"

    def line(self, row: int) -> str:
        """A whole row."""
        return f"{self.at(row, 0)}:{self._end(row)}"

    @property
    def all(self) -> str:
        """Every cell."""
        return f"{self.at(0, 0)}:{self._end(self.rows - 1)}"

    def _end(self, row: int) -> str:
        return str(xl_rowcol_to_cell(self.row + row, self.column + self.columns - 1))


class Sheet:
    """A sheet on which blocks are placed one below the other."""

    def __init__(self, workbook: Workbook, name: str, formats: dict[str, Any]) -> None:
        self.name, self.formats = name, formats
        self.page: Worksheet = workbook.add_worksheet(name)
        self.page.set_column(0, 0, 12)
        self.page.set_column(1, 1, 22 if name == "Start" else 9)
        self.page.set_column(2, 200, 9)
        self.page.set_landscape()
        # In print: one page wide, and as long as needed; the numbers that a reader may change are on one page.
        self.page.fit_to_pages(1, 1 if name == "Inputs" else 0)
        self._row = 0

    def say(self, text: str, style: str = "text") -> None:
        """A line of text; an empty one is a space."""
        if text:
            self.page.write_string(self._row, 0, text, self.formats[style])
        self._row += 1

    def only_classes(self, block: Block, classes: int) -> None:
        """Let the cells of a block take class numbers alone."""
        last = (block.row + block.rows - 1, block.column + block.columns - 1)
        message = f"Labels are whole numbers from 0 to {classes - 1}."
        rule = {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": classes - 1}
        self.page.data_validation(block.row, block.column, *last, {**rule, "error_message": message})

    def place(self, title: str, values: Array, colour: str, cell: Cell, heads: Heads) -> Block:
        """An array of formulas, with its `values` (rows, columns) as they are before anything is changed."""
        rows, columns = values.shape
        self.say(title, "title")
        block = Block(self.name, self._row + 1, 1, rows, columns)
        for k, head in enumerate(heads[1]):
            self._write_head(self._row, k + 1, head)
        for row in range(rows):
            self._write_head(block.row + row, 0, heads[0][row])
            for column in range(columns):
                self._write(block, row, column, cell(row, column), values[row, column], colour)
        self._row = block.row + rows + 1
        return block

    def place_one(self, title: str, value: Any, colour: str, formula: str, head: str = "") -> Block:
        """A block of one cell."""
        array: Array = np.array([[value]], dtype=object if isinstance(value, str) else None)
        return self.place(title, array, colour, lambda *_: formula, ([""], [head]))

    def _write_head(self, row: int, column: int, text: str) -> None:
        if text:
            self.page.write_string(row, column, text, self.formats["head"])

    def _write(self, block: Block, row: int, column: int, what: str | float, value: Any, colour: str) -> None:
        place, style = (block.row + row, block.column + column), self.formats[colour]
        if not isinstance(what, str):
            faint = self.formats[f"{colour} zero"] if what == 0 and colour == "jacobian" else style
            self.page.write_number(*place, what, faint)
            return
        own = what.replace(f"{self.name}!", "")  # a sheet need not name itself
        shown = str(value) if isinstance(value, str) else float(value)
        self.page.write_formula(*place, own, style, shown)


def formats_of(workbook: Workbook) -> dict[str, Any]:
    """The styles of texts and colours of cells."""
    cell = {"num_format": "0.000;-0.000;0", "border": 1, "border_color": "#C8C8C8"}
    styles: dict[str, dict[str, Any]] = {
        "text": {},
        "name": {"bold": True, "font_size": 16},
        "part": {"bold": True, "font_size": 13},
        "title": {"bold": True},
        "head": {"font_color": "#707070", "align": "right"},
        "verdict": {"bold": True, "border": 1, "bg_color": COLOURS["gradient"]},
        "small": {**cell, "bg_color": COLOURS["gradient"], "num_format": "0.0E+00"},
        "jacobian zero": {**cell, "bg_color": "#F7F3FC", "font_color": "#A0A0A0"},
    }
    for name, colour in COLOURS.items():
        styles[name] = {**cell, "bg_color": colour}
        styles[f"{name} whole"] = {**cell, "bg_color": colour, "num_format": "0"}
    return {name: workbook.add_format(style) for name, style in styles.items()}
