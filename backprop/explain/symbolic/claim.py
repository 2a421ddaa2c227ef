"""Claims and derivations.

A claim says that a formula which the code computes equals the one that SymPy derives; it is proven, refuted, or could
not be derived. A derivation is the lines that a person would write, with the claims that are proven at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import sympy

from backprop.arrays import Array
from backprop.explain.step import Derivative
from backprop.explain.symbolic.arrays import UnderivableError
from backprop.explain.symbolic.zero import UndecidedError, difference


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

    @property
    def marked(self) -> str:
        """The claim in a list: ✓ before one that is proven, ✗ before a wrong one, ? before one that is not known."""
        return f"✓ {self.what}" if self.holds else f"{'?' if self.fault is None else '✗'} {self}"

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
            return Claim(what, f"element {list(index)}: {found}" if index else str(found))
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


@dataclass(frozen=True)
class Line:
    """`left` = right₁ = right₂ …, and why, in a sentence. part: the heading that the line stands under."""

    words: str
    left: Derivative | str
    right: tuple[Any, ...]
    part: str = ""


_WEIGHT = re.compile(r"W[₀-₉]*\[\d+,\d+\]")


@dataclass(frozen=True)
class Derivation:
    """What is derived, how, and what of the library is proven by it.

    given: what was chosen, such as the label, in sentences, or "". result: what the lines end in, such as
    ∂L/∂x = p - t, or "". forms: what the names in the claims mean.
    """

    title: str
    lines: tuple[Line, ...]
    claims: tuple[Claim, ...]
    given: str = ""
    result: str = ""
    forms: str = ""

    code: ClassVar[str] = "The library's code, run on symbols and compared with SymPy"
    """The heading of the claims."""

    @property
    def holds(self) -> bool:
        """Whether every claim is proven."""
        return all(claim.holds for claim in self.claims)

    @property
    def letters(self) -> str:
        """How to read the symbols."""
        formulas = [part for line in self.lines for part in line.right]
        names = {symbol.name for part in formulas for symbol in part.free_symbols}
        several, stated = "x[0,0]" in names, " ".join(line.words for line in self.lines)
        said = {
            "x[0,1] is element 1 of sample 0, counted from 0.": several,
            "x[1] is element 1 of the sample's x, counted from 0.": not several,
            "W[0,1] is the weight from input 0 to output 1.": any(_WEIGHT.fullmatch(name) for name in names),
            "δ[o,i] is 1 where o = i, else 0.": "δ" in stated,
            "erf is the error function: Φ(x) = (1 + erf(x/√2))/2.": any(
                part.has(sympy.erf) for part in formulas
            ),
            "θ(z) is the step function: 1 where z > 0, 0 where z < 0; at z = 0 nothing is claimed.": any(
                part.has(sympy.Heaviside) for part in formulas
            ),
        }
        return " ".join(sentence for sentence, needed in said.items() if needed)

    @property
    def verdict(self) -> str:
        """The claims in one sentence."""
        wrong = [claim for claim in self.claims if claim.fault is not None]
        unknown = [claim for claim in self.claims if claim.obstacle is not None]
        if unknown and not wrong:
            return f"NOT DERIVED: {len(unknown)} of {len(self.claims)} formulas; nothing is known of those."
        if not wrong:
            result = f"{self.result}, and " if self.result else ""
            return f"Proven: {result}all {len(self.claims)} formulas of the library equal what SymPy derives."
        return f"REFUTED: {len(wrong)} of {len(self.claims)} formulas of the library are wrong."


def matrix(array: Any) -> Any:
    """An array as a SymPy matrix; a vector is one row, and the axes after the first are one."""
    plain: Array = np.atleast_2d(np.asarray(array, object))
    return sympy.ImmutableMatrix(plain.reshape(len(plain), -1).tolist())
