"""What the formulas of a spreadsheet can refer to: the cells of one sample at a layer, and sums of their products.

`Layer.cell` is handed an object of the kind `Cells` and writes a formula without its "=".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Cells(Protocol):
    """The cells of one sample at a layer, by the places of their numbers."""

    def x(self, i: int) -> str:
        """Input i."""

    def y(self, o: int) -> str:
        """Output o."""

    def d(self, o: int) -> str:
        """∂L/∂y at o."""

    def span(self, letter: str, first: int = 0, count: int | None = None) -> str:
        """Neighbouring numbers of "x", "y" or "d"; all where no count is given."""

    def own(self, name: str, k: int) -> str:
        """Number k of a parameter, its axes flattened."""

    def whole(self, name: str) -> str:
        """A whole parameter."""


def total(terms: Iterable[tuple[str, str | float]]) -> str:
    """A sum of products, written out so that it can be read; what is zero by structure is left out, and a one."""
    products = [first if second == 1 else f"{first}*{second}" for first, second in terms if second != 0]
    return "+".join(products) or "0"
