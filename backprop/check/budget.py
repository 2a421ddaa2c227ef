"""Budget: what a check is asked for: at most how many calls, and how exact a gradient."""

from __future__ import annotations

from dataclasses import dataclass

from backprop.errors import OptionError


@dataclass
class Budget:
    """How many calls of the function and of the gradient together are allowed, and how many were made."""

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """How many calls are left."""
        return self.limit - self.used

    def room(self, calls: int) -> bool:
        """Whether so many calls more are allowed."""
        return calls <= self.left


def check_rtol(rtol: float | None) -> None:
    """Raise `OptionError` for an accuracy that is no number between 0 and 1."""
    if rtol is not None and not 0 < rtol < 1:
        raise OptionError(f"rtol is {rtol}; expected a number between 0 and 1.")
