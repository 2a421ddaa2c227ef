"""Kind: what is known of one kind of mistake."""

from __future__ import annotations

from dataclasses import dataclass


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
