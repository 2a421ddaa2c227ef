"""Findings: what is wrong with a gradient, named only where the error has the signature of the mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["certain", "likely", "possible"]
"""certain: the signature fits to rounding and no other known mistake has it.

likely: it fits to rounding, and another mistake would look the same here. possible: it fits, but not to rounding.
"""


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its kebab-case name, what it is, how it is recognised, and what to do about it."""

    name: str
    summary: str
    signature: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """One mistake in one tensor.

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
