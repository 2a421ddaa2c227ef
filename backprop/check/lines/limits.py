"""Limits: which share of the calls that are left each part of a search may use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from backprop.check.lines.choose import chosen
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.oracle import Budget, OutOfCalls

_TO_EXPLAIN, TO_CHOOSE, FOR_SEVERAL = 0.05, 0.2, 0.5
"""Shares of all calls that are kept: to say what is wrong; to choose among repairs; to look for several mistakes one
by one."""


class Limits:
    """The repairs of a search, looked for in a share of all calls. is_stopped: whether a share was used up."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.calls, self.is_stopped = budget, budget.left, False

    def repairs(self, search: Search, share: float, *, apart: bool) -> list[Repair]:
        """The repairs that are found before fewer than this share of all calls is left.

        Where one of them explains all, more calls are used for the others; where none does, for any order.
        """
        known = self.some(search.repairs(apart=apart), share)
        is_explained = any(each.tensors >= search.wrong and each.factor == 1 for each in known)
        if self.is_stopped and is_explained:
            return self.some(search.repairs(apart=apart), TO_CHOOSE)  # what was run is not run again
        if self.is_stopped or is_explained:
            return known
        return self.some(replace(search, in_any_order=True).repairs(apart=apart), share)

    def some(self, repairs: Iterator[Repair], share: float) -> list[Repair]:
        """What is found before fewer than this share of all calls is left."""
        found = list[Repair]()
        self.is_stopped = False
        with self._keeping(share):
            found.extend(repairs)
        return found

    def chosen(self, repairs: list[Repair], search: Search) -> list[Repair]:
        """The repairs that name the lines; where no calls are left to choose, the first one that explains all."""
        with self._keeping(_TO_EXPLAIN):
            return chosen(repairs, search)
        proven = [r for r in repairs if r.tensors >= search.wrong and r.factor == 1 and not r.is_right]
        return sorted(proven, key=lambda each: search.order[each.event])[:1]

    @contextlib.contextmanager
    def _keeping(self, share: float) -> Iterator[None]:
        """Stop what is done meanwhile before fewer than this share of all calls is left."""
        kept = min(int(share * self.calls), self.budget.left)
        self.budget.limit -= kept
        try:
            yield
        except OutOfCalls:
            self.is_stopped = True
        finally:
            self.budget.limit += kept
