"""A claim: a formula that the library's code computes equals the one that SymPy derives; proven or refuted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.explain.symbolic.zero import Difference, difference


@dataclass(frozen=True)
class Claim:
    """`what` of the library against SymPy; `fault` is None where they are equal for all numbers."""

    what: str
    fault: str | None

    @property
    def holds(self) -> bool:
        """Whether it is proven."""
        return self.fault is None

    def __str__(self) -> str:
        return f"{self.what}: " + ("equal to what SymPy derives" if self.holds else f"WRONG, {self.fault}")


def claim_equal(what: str, got: Any, derived: Any) -> Claim:
    """Compare two arrays of expressions element by element."""
    got, derived = np.asarray(got, object), np.asarray(derived, object)
    if got.shape != derived.shape:
        return Claim(what, f"its shape is {got.shape} and should be {derived.shape}")
    for index in np.ndindex(got.shape):
        found = difference(got[index], derived[index])
        if found is not None:
            return Claim(what, _fault(index, found))
    return Claim(what, None)


def _fault(index: tuple[int, ...], found: Difference) -> str:
    return f"element {list(index)}: {found}" if index else str(found)
