"""A step in the making: a strategy that takes one sample at a time forms its quantity n times."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.errors import UnsupportedError
from backprop.explain.names import SAMPLE_LOSS
from backprop.explain.step import Kind, Quantity, Step


@dataclass
class Draft:
    """A step that may go on with further samples.

    rows: the quantity of each sample that has been seen, where it has an axis n or belongs to the loss of one sample.
    whole: the quantity itself, where it is the same for all samples.
    """

    quantity: Quantity
    kind: Kind
    layer: str
    formula: str
    letters: str
    rows: dict[int, Array] = field(default_factory=dict)
    whole: Array | None = None

    def add(self, array: Array, samples: list[int]) -> bool:
        """Take in what was formed for these samples; False where other numbers are known for one of them.

        The same numbers once more, as of a strategy that recomputes activations on its way back, change nothing.
        """
        if not self.by_sample:
            if self.whole is None:
                self.whole = np.array(array)  # a copy: the strategy may write over it
            return _equal(self.whole, array)
        parts = list(array) if self.letters.startswith("n") else [array]
        if len(parts) != len(samples):
            raise UnsupportedError(
                f"A strategy forms {self.quantity} with {len(parts)} rows for {len(samples)} samples; expected a row "
                "for each sample."
            )
        pairs = list(zip(samples, parts, strict=True))
        if not all(_equal(self.rows[sample], part) for sample, part in pairs if sample in self.rows):
            return False
        for sample, part in pairs:
            self.rows.setdefault(sample, np.array(part))
        return True

    @property
    def by_sample(self) -> bool:
        """Whether every sample has a part of its own."""
        of = self.quantity.of if isinstance(self.quantity, tuple) else self.quantity
        return self.letters.startswith("n") or of == SAMPLE_LOSS

    def finish(self, number: int, n: int) -> Step:
        """The step, assembled from the samples' parts; raises `UnsupportedError` where a sample has none."""
        letters, array = self.letters, self.whole
        if self.by_sample:
            if len(self.rows) < n:
                raise UnsupportedError(
                    f"A strategy forms {self.quantity} of {len(self.rows)} of {n} samples; expected all of them."
                )
            letters = letters if letters.startswith("n") else f"n{letters}"
            array = np.stack([self.rows[sample] for sample in range(n)])
        assert array is not None  # a draft is made with its first numbers
        return Step(number, self.quantity, self.kind, self.layer, self.formula, letters, array)


def _equal(old: Array, new: Array) -> bool:
    """Whether two arrays hold the same numbers up to rounding."""
    if old.shape != np.shape(new):
        return False
    if old.dtype.kind != "f":
        return bool(np.array_equal(old, new))
    room = 1e3 * float(np.finfo(old.dtype).eps)
    largest = float(np.max(np.abs(old), initial=0))
    return bool(np.allclose(old, new, rtol=room, atol=room * largest))
