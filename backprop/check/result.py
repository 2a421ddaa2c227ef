"""The result of a check: a verdict per tensor, the worst entries, the evidence, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backprop.check.kinds import Finding

Verdict = Literal["right", "wrong", "undecided"]
"""undecided: every entry that can be compared is right, but some cannot be, or truth is less certain than needed."""


@dataclass(frozen=True)
class Entry:
    """One entry of a tensor: its index, what the gradient says, what is right, and how sure that is.

    uncertainty: the most that `expected` may be off, in its own units; 0 where it is exact to rounding.
    """

    index: tuple[int, ...]
    got: float
    expected: float
    uncertainty: float = 0.0


@dataclass(frozen=True)
class TensorCheck:
    """One tensor of the gradient.

    error: ‖g - g*‖ / ‖g*‖ over the entries that were compared; tolerance: up to where that is rounding.
    compared: how many entries were compared one by one; 0 where random directions alone were enough.
    worst: the entries that are most wrong, the worst first; empty where the tensor is right.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    error: float
    tolerance: float
    compared: int
    worst: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Kink:
    """An entry at which the function has no derivative, or so close to such a point that none can be measured."""

    tensor: str
    index: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class StepCurve:
    """Error of a difference quotient along one direction, against its step: a V where the gradient is right.

    A right gradient goes down with the step until rounding; a wrong one stays at a level, its error.
    """

    steps: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` and `backprop check` found out.

    verdict: right, wrong or undecided; `ok` is whether it is right. method: where the truth came from, in words.
    taylor_slope: the slope of |f(x + hv) - f(x) - h g·v| against h in logarithms: 2 for a right gradient of a
    smooth function, 1 for a wrong one; None where it was not measured.
    calls: how often the function was called; gradient_calls: how often the gradient.
    """

    verdict: Verdict
    tensors: tuple[TensorCheck, ...]
    findings: tuple[Finding, ...]
    method: str
    kinks: tuple[Kink, ...] = ()
    step_curve: StepCurve | None = None
    taylor_slope: float | None = None
    calls: int = 0
    gradient_calls: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.verdict == "right"

    def __str__(self) -> str:
        from backprop.check.text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from backprop.check.html import as_html

        return as_html(self)
