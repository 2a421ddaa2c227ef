"""Budget: how often the function and the gradient may be called in one check."""

from __future__ import annotations

from dataclasses import dataclass


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
