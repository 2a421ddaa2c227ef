"""Suspect: a tensor that is wrong, with what is known of its truth and of all that may explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.patterns import Known


@dataclass(frozen=True)
class Suspect:
    """A tensor that is wrong: what was got, what is known of the truth, and what else may explain it.

    got: in the parameter's shape (for a Jacobian, the outputs' before it). parameter: its values, None for a
    Jacobian. batch_size: n, where it is known. truths: what is known of the gradient by each other tensor. turned:
    whether `got` has been transposed to fit. raw_dtype: of the answer. in_float32: the tensor that the gradient
    returns at the point rounded to float32, where it was asked. is_complex: whether the last axis holds real and
    imaginary parts. point: the values of every tensor. total: the norm of the whole gradient that was got. summed:
    the axes over which `got` was summed to fit. raw_shape: its shape before, where that was wrong. linear: whether it
    is a multiple of an upstream gradient, which no term of the parameter alone is.
    """

    name: str
    got: Array
    known: Known
    parameter: Array | None = None
    batch_size: int | None = None
    truths: Mapping[str, Known] = field(default_factory=dict)
    turned: bool = False
    raw_dtype: DType | None = None
    in_float32: Array | None = None
    is_complex: bool = False
    point: Mapping[str, Array] = field(default_factory=dict)
    total: float | None = None
    summed: tuple[int, ...] = ()
    raw_shape: tuple[int, ...] | None = None
    linear: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every entry of a gradient is known, so that those of one place can be compared with another's."""
        return (
            self.parameter is not None and self.known.directions is None and bool(np.all(self.known.usable))
        )

    @property
    def expected(self) -> Array:
        """The true gradient, where every entry is known."""
        return self.known.values.reshape(self.got.shape)

    @property
    def tolerance(self) -> Array:
        """How far each entry of a right gradient may be from `expected`."""
        return self.known.tolerance.reshape(self.got.shape)

    @property
    def compared(self) -> tuple[Array, Array]:
        """The values that can be compared: got, and expected."""
        use = self.known.usable
        return self.known.of(self.got)[use], self.known.values[use]

    def finding(self, kind: str, evidence: str, confidence: Confidence = "certain") -> list[Finding]:
        """The one finding of a kind in this tensor."""
        return [found(kind, self.name, evidence, confidence)]
