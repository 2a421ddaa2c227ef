"""A derivation as a record: the lines that a person would write, and the claims that are proven at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.step import Derivative
from backprop.explain.symbolic.claim import Claim


@dataclass(frozen=True)
class Line:
    """`left` = right₁ = right₂ …, and why, in words."""

    words: str
    left: Derivative | str
    right: tuple[Any, ...]


@dataclass(frozen=True)
class Derivation:
    """What is derived, how, and what of the library is proven by it."""

    title: str
    lines: tuple[Line, ...]
    claims: tuple[Claim, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim is proven."""
        return all(claim.holds for claim in self.claims)

    @property
    def letters(self) -> str:
        """How to read the symbols."""
        text = "x_0_1 is x[0, 1]: sample 0, element 1."
        steps = any(part.has(sympy.Heaviside) for line in self.lines for part in line.right)
        return text + (" θ(z, 0) is 1 where z > 0 and else 0; at z = 0 nothing is claimed." if steps else "")

    @property
    def verdict(self) -> str:
        """The claims in one sentence."""
        wrong = [claim for claim in self.claims if claim.fault is not None]
        unknown = [claim for claim in self.claims if claim.obstacle is not None]
        if unknown and not wrong:
            return f"NOT DERIVED: {len(unknown)} of {len(self.claims)} formulas; nothing is known of those."
        if not wrong:
            return f"Proven: all {len(self.claims)} formulas of the library equal what SymPy derives."
        return f"REFUTED: {len(wrong)} of {len(self.claims)} formulas of the library are wrong."


def matrix(array: Any) -> Any:
    """An array of one or two axes as a SymPy matrix; a vector is one row."""
    plain: Array = np.atleast_2d(np.asarray(array, object))
    return sympy.ImmutableMatrix(plain.tolist())
