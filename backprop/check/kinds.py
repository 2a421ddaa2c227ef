"""Kinds of mistakes: what a finding says, with the evidence and the remedy of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backprop.check.kind import Kind
from backprop.check.kinds_of_answers import ANSWERS
from backprop.check.kinds_of_layers import LAYERS
from backprop.check.kinds_of_rules import RULES
from backprop.check.kinds_of_tensors import TENSORS

# Findings: what is wrong with a gradient, named only where the error has the signature of the mistake.

Confidence = Literal["certain", "likely", "possible"]
"""certain: the signature fits to rounding and no other known mistake has it.

likely: it fits to rounding, and another mistake would look the same here. possible: it fits, but not to rounding.
"""


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


# The kinds of mistakes that are known, each with its signature: one table, in the order in which they are tried.

_UNKNOWN = Kind("unknown", "no kind of mistake that is known here", "none", "", "")

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*ANSWERS, *TENSORS, *RULES, *LAYERS, _UNKNOWN)}
"""Every kind by its name."""


def found(
    kind: str, tensor: str | None, evidence: str, confidence: Confidence = "certain", fix: str | None = None
) -> Finding:
    """A finding of a known kind, with that kind's fix unless another is given."""
    return Finding(kind, tensor, evidence, confidence, KINDS[kind].fix if fix is None else fix)
