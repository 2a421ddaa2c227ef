"""Blocks of cells: an array on a sheet, with its name, its formula in words, its indices, and its colour.

The formulas of layers and losses stand in their own files (`Layer.cell`, `Loss.cells`). In the braces of a loss {y}
and {ys} are an output and its row, {t} and {ts} the one-hot label and its row, {c} the number of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from backprop.arrays import Array
from backprop.errors import UnsupportedError
from backprop.explain.explanation import TooLargeError
from backprop.explain.numbers import heads
from backprop.layers import Layer
from backprop.layers.cells import total
from backprop.losses import Loss

COLOURS = {
    "input": "#FFE5CC",
    "parameter": "#FFF4B8",
    "intermediate": "#DCEBFA",
    "jacobian": "#EADFF7",
    "gradient": "#D6F0DC",
}
"""The colours of cells: inputs and parameters can be changed, all others follow from them."""

LONGEST = 8192
"""The letters of a formula that Excel reads."""

Cell = Callable[[int, int], str | float]
"""What stands in row and column of a block: a formula that begins with "=", or a number that never changes."""

Heads = tuple[Sequence[str], Sequence[str]]
"""The heads of a block's rows and of its columns."""


def loss_cell(form: str, loss: Loss, **cells: object) -> str:
    """The formula of a form of a loss; raises `UnsupportedError` where its file states none."""
    if form not in loss.cells:
        raise UnsupportedError(
            f"A workbook has no formula for {loss.name}; expected one whose file gives the cells of {form!r}."
        )
    return "=" + loss.cells[form].format_map(cells)


def as_rows(array: Array) -> Array:
    """An array as it stands on a sheet: a vector is one row, and the axes after the first are one."""
    return array.reshape(len(array) if array.ndim > 1 else 1, -1)


def array_heads(letters: Sequence[str], shape: tuple[int, ...]) -> Heads:
    """The heads of an array of these axes, as `as_rows` has it."""
    first = int(len(shape) > 1)  # the axes of the rows
    rows = heads(letters[0], shape[:1]) if first else ("",)
    return rows, heads("".join(letters[first:]), shape[first:])


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
        return f"{self.sheet}!{self.local(row, column)}"

    def line(self, row: int) -> str:
        """A whole row."""
        return f"{self.at(row, 0)}:{self.local(row, self.columns - 1)}"

    @property
    def all(self) -> str:
        """Every cell."""
        return f"{self.at(0, 0)}:{self.local(self.rows - 1, self.columns - 1)}"

    def local(self, row: int, column: int) -> str:
        """One cell, as its own sheet names it."""
        return str(xl_rowcol_to_cell(self.row + row, self.column + column))


@dataclass(frozen=True)
class Places:
    """The cells of sample n at a layer, for `Layer.cell`: of x, y, its parameters and ∂L/∂y."""

    n: int
    values: list[Block]
    parameters: dict[str, Block]
    delta: Block | None = None

    def x(self, i: int) -> str:
        """Input i."""
        return self.values[0].at(self.n, i)

    def y(self, o: int) -> str:
        """Output o."""
        return self.values[1].at(self.n, o)

    def d(self, o: int) -> str:
        """∂L/∂y at o."""
        return self._block("d").at(self.n, o)

    def span(self, letter: str, first: int = 0, count: int | None = None) -> str:
        """Neighbouring numbers of x, y or d."""
        block = self._block(letter)
        last = block.columns - 1 if count is None else first + count - 1
        return f"{block.at(self.n, first)}:{block.local(self.n, last)}"

    def own(self, name: str, k: int) -> str:
        """Number k of a parameter."""
        block = self.parameters[name]
        return block.at(*divmod(k, block.columns))

    def whole(self, name: str) -> str:
        """A whole parameter."""
        return self.parameters[name].all

    def _block(self, letter: str) -> Block:
        if letter == "d":
            assert self.delta is not None  # a layer asks for it on the way back alone
            return self.delta
        return self.values["xy".index(letter)]


def products(places: Iterable[Places], layer: Layer, form: str, of: int) -> str:
    """Σ over samples and outputs of ∂L/∂y times the column `of` of a Jacobian, without what is always zero."""
    return "=" + total(
        (at.d(o), layer.cell(form, at, o, of) or 0) for at in places for o in range(at.values[1].columns)
    )


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
        if len(own) > LONGEST:
            raise TooLargeError(
                f"A formula of the workbook has {len(own):,} letters; expected at most {LONGEST:,}, which programs "
                "read, so take smaller layers or fewer samples."
            )
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
