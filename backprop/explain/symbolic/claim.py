"""A claim: a formula that the code computes equals the one that SymPy derives; proven, refuted or not derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.explain.symbolic.arrays import UnderivableError
from backprop.explain.symbolic.zero import Difference, UndecidedError, difference


@dataclass(frozen=True)
class Claim:
    """`what` of the library against SymPy; `fault` is None where they are equal for all numbers.

    obstacle: why the code's formula could not be had, or compared, in a sentence; None where it could.
    """

    what: str
    fault: str | None
    obstacle: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it is proven."""
        return self.fault is None and self.obstacle is None

    def __str__(self) -> str:
        if self.obstacle is not None:
            return f"{self.what}: could not be derived, {self.obstacle}"
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


def claim(what: str, code: Callable[[], Any], derived: Any) -> Claim:
    """Run the code on symbols and compare what it gives, which may be that it could not be derived."""
    try:
        return claim_equal(what, on_symbols(code), derived)
    except UndecidedError as error:
        return Claim(what, None, str(error).rstrip("."))


def on_symbols(code: Callable[[], Any]) -> Any:
    """What the code gives; raises `UnderivableError` where it asks symbols for what only numbers have."""
    try:
        return code()
    except UndecidedError:
        raise
    except Exception as error:  # any code may meet symbols in any way
        said = " ".join(str(error).split()).rstrip(".")
        raise UnderivableError(f"on symbols the code raises {type(error).__name__}: {said}") from error


def _fault(index: tuple[int, ...], found: Difference) -> str:
    return f"element {list(index)}: {found}" if index else str(found)
