"""A step in the making: a strategy that takes one sample at a time forms its quantity n times."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.explain.names import SAMPLE_LOSS
from backprop.explain.step import Kind, Quantity, Step


@dataclass
class Draft:
    """A step that may go on: a strategy that takes one sample at a time forms its quantity n times."""

    quantity: Quantity
    kind: Kind
    layer: str
    formula: str
    letters: str
    parts: list[Array] = field(default_factory=list)

    def finish(self, number: int) -> Step:
        """The step, of all parts."""
        letters, parts = self.letters, self.parts
        if letters.startswith("n"):
            array = np.concatenate(parts)
        elif isinstance(self.quantity, tuple) and self.quantity.of == SAMPLE_LOSS:
            letters, array = f"n{letters}", np.stack(parts)
        elif self.quantity == SAMPLE_LOSS:
            letters, array = "n", np.array(parts)
        else:
            array = parts[-1]
        return Step(number, self.quantity, self.kind, self.layer, self.formula, letters, array)
