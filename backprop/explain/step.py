"""A step of a derivation: what was formed, by which formula, its shape and its numbers; and the steps of two traces
side by side, lined up where they compute the same quantity, and numbered in the order of reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.errors import UnsupportedError
from backprop.explain.names import LOSS, SAMPLE_LOSS, Names
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


@dataclass
class StepBuilder:
    """A step in the making: a strategy that takes one sample at a time forms its quantity n times.

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
        if not self._by_sample:
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
    def _by_sample(self) -> bool:
        """Whether every sample has a part of its own."""
        of = self.quantity.of if isinstance(self.quantity, Derivative) else self.quantity
        return self.letters.startswith("n") or of == SAMPLE_LOSS

    def build(self, n: int) -> Step:
        """Assemble the recorded parts into one step; raises `UnsupportedError` where a sample has none."""
        letters, array = self.letters, self.whole
        if self._by_sample:
            if len(self.rows) < n:
                raise UnsupportedError(
                    f"A strategy forms {self.quantity} of {len(self.rows)} of {n} samples; expected all of them."
                )
            letters = letters if letters.startswith("n") else f"n{letters}"
            array = np.stack([self.rows[sample] for sample in range(n)])
        assert array is not None  # a builder is made with its first numbers
        return Step(self.quantity, self.kind, self.layer, self.formula, letters, array)


def _equal(old: Array, new: Array) -> bool:
    """Whether two arrays hold the same numbers up to rounding."""
    if old.shape != np.shape(new):
        return False
    if old.dtype.kind != "f":
        return bool(np.array_equal(old, new))
    room = 1e3 * float(np.finfo(old.dtype).eps)
    largest = float(np.max(np.abs(old), initial=0))
    return bool(np.allclose(old, new, rtol=room, atol=room * largest))


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


# Side by side -----------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One quantity: its number in the order of reading, from 1; its name; the step that forms it in each trace."""

    number: int
    name: str
    steps: tuple[Step | None, ...]


def line_up(*traces: Trace) -> list[Row]:
    """The quantities of all traces, forward first, then from the last layer back to the first.

    A trace that forms a quantity twice, in two kinds, has two rows of it; one that does not form it has None. Where
    one trace goes back with ∂L/∂z and another with ∂ℓ/∂z, the step between them, ∂L/∂z = 1/n ∂ℓ/∂z, is drawn: the two
    could not be compared without it.
    """
    names = traces[0].names
    rows: dict[
        tuple[Quantity, int], list[Step | None]
    ] = {}  # by quantity, and how often the trace formed it before
    for k, trace in enumerate(traces):
        times: dict[Quantity, int] = {}
        for step in trace.steps:
            times[step.quantity] = times.get(step.quantity, -1) + 1
            rows.setdefault((step.quantity, times[step.quantity]), [None] * len(traces))[k] = step
    for (quantity, _), steps in rows.items():
        for k, trace in enumerate(traces):
            steps[k] = steps[k] or _drawn(trace, quantity)
    ordered = sorted(rows, key=lambda key: (*_place(names, key[0]), key[1]))
    return [Row(number, str(key[0]), tuple(rows[key])) for number, key in enumerate(ordered, 1)]


def _drawn(trace: Trace, quantity: Quantity) -> Step | None:
    """∂L/∂z = 1/n ∂ℓ/∂z of a value z, of a trace that forms ∂ℓ/∂z alone; None for every other quantity."""
    if isinstance(quantity, str) or quantity.of != LOSS or trace.names.is_parameter(quantity.by):
        return None
    of_samples = Derivative(SAMPLE_LOSS, quantity.by)
    formed = next((step for step in trace.steps if step.quantity == of_samples), None)
    if formed is None or any(step.quantity == quantity for step in trace.steps):
        return None
    text = f"1/n {formed.name}[{','.join(formed.letters)}]"
    mean = formed.array / len(formed.array)
    return replace(formed, quantity=quantity, kind="drawn", layer="", formula=text, array=mean)


def _place(names: Names, quantity: Quantity) -> tuple[int, ...]:
    """Where a quantity stands: forward by layer; backward by layer, local derivatives before products.

    A value inside a layer stands before the parameters that enter there, and they before the layer's inputs.
    """
    if isinstance(quantity, str):
        return (0, names.values.index(quantity) if quantity in names.values else len(names.values))
    of, by = quantity
    layer = names.layer_of(by)
    local = of in names.values[layer + 1 : layer + 2] or any(of in inside.values() for inside in names.inner)
    kind = 1 if names.is_parameter(by) else 2 if by in names.values else 0
    return (1, -layer, kind, by.startswith("b"), 0 if local else 2 if of == LOSS else 1)
