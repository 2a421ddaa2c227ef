"""Kinds of mistakes, as `kinds.toml` has them, and the findings that name them with their evidence and remedy."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its kebab-case name, what it is, how it is recognised, what to do, and code that has it.

    functions_only: whether it is a mistake in the derivative of a function, and of no network's gradient.
    """

    name: str
    summary: str
    signature: str
    fix: str
    example: str
    functions_only: bool = False


_TABLE = tomllib.loads(files("backprop.check").joinpath("kinds.toml").read_text(encoding="utf-8"))

KINDS: dict[str, Kind] = {name: Kind(name, **said) for name, said in _TABLE.items()}
"""Every kind by its name."""

Confidence = Literal["certain", "likely", "possible"]
"""certain: the signature fits to rounding and no other known mistake has it.

likely: it fits to rounding, and another mistake would look the same here. possible: it fits, but not to rounding.
"""


@dataclass(frozen=True)
class Finding:
    """One mistake in one tensor, named only where the error has the signature of the mistake.

    kind: a name of `KINDS`, or "unknown" where the error has no known signature.
    tensor: its name; None where the mistake is of the whole gradient, such as a modified input.
    evidence: what was seen, in one sentence with its numbers. fix: what to change, in one sentence; empty where the
    kind is unknown.
    """

    kind: str
    tensor: str | None
    evidence: str
    confidence: Confidence
    fix: str

    def __str__(self) -> str:
        where = f"{self.tensor}: " if self.tensor else ""
        return f"{where}{self.kind} ({self.confidence}). {self.evidence} {self.fix}".rstrip()


def found(kind: str, tensor: str | None, evidence: str, confidence: Confidence = "certain") -> Finding:
    """A finding of a known kind, with that kind's fix."""
    return Finding(kind, tensor, evidence, confidence, KINDS[kind].fix)
