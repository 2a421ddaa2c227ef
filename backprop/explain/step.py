"""A step of a derivation as a record: what was formed, by which formula, its shape and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.explain.names import Names
from backprop.explain.numbers import primed

Kind = Literal["given", "value", "loss", "jacobian", "factor", "product", "vjp", "gradient", "drawn"]
"""How a quantity came about: handed in, a layer's output, a loss, a dense local Jacobian, an operand of einsum that
leaves axes out, a product of the chain, a closed form, what the strategy returned in the end, or drawn to be
compared with another strategy's, though the strategy does not form it."""


class Derivative(NamedTuple):
    """∂of/∂by, by the names of `Names`; of L, the gradient."""

    of: str
    by: str

    def __str__(self) -> str:
        return f"∂{self.of}/∂{self.by}"


Quantity = Derivative | str
"""What a step computes: a derivative, or a value by its name."""


@dataclass(frozen=True, eq=False)
class Step:
    """One quantity that a strategy has formed.

    formula: element by element, with the letters of the legend. letters: the axes of `array`, one letter each.
    layer: the name of the layer that was asked, or of the loss, or "" for what the strategy did by itself.
    """

    quantity: Quantity
    kind: Kind
    layer: str
    formula: str
    letters: str
    array: Array

    @property
    def name(self) -> str:
        """The quantity as it is written."""
        return str(self.quantity)

    @property
    def shape_letters(self) -> str:
        """(n, o, i), with a prime where a letter comes again: (n, o, i, o′)."""
        parts = primed(self.letters)
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    @property
    def shape_numbers(self) -> str:
        """2 × 4 × 3."""
        return " × ".join(str(size) for size in self.array.shape) or "1"

    @property
    def zeros(self) -> float:
        """The share of its numbers that are zero, 0 to 1."""
        return float(np.mean(self.array == 0))


@dataclass(frozen=True, eq=False)
class Trace:
    """What one call of a strategy formed, in the order in which it did.

    kind: the strategy's class. given: what it was handed, inputs, one-hot labels and parameters; the same for every
    strategy.
    """

    strategy: str
    kind: type
    names: Names
    given: tuple[Step, ...]
    steps: tuple[Step, ...]

    def find(self, name: str) -> Step:
        """The first step of that name, such as ∂z₁/∂W₁; raises `KeyError` where there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def numbers(self) -> int:
        """All numbers formed."""
        return sum(step.array.size for step in self.steps)
