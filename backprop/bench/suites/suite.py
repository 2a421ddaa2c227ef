"""A suite: which strategies are measured in which scenarios, and how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backprop.bench.scenarios import Scenario, select_scenarios
from backprop.bench.statistics import STARTS_TO_CLAIM
from backprop.bench.turns import FEWEST_STARTS, Schedule
from backprop.errors import BackpropError, shown
from backprop.registry import strategies_meant


class SuiteError(BackpropError, ValueError):
    """A suite file that cannot be read or says what is not known."""


@dataclass(frozen=True)
class Part:
    """Strategies, by name, all of which are measured in all of the scenarios."""

    strategies: tuple[str, ...]
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True)
class Suite:
    """Parts, and the schedule of their turns.

    A scenario that stands in several parts is measured once, with the strategies of all of them.
    curves: whether errors against step and logit scale are measured at its end, for the page of the run.
    """

    name: str
    parts: tuple[Part, ...]
    schedule: Schedule
    curves: bool = False

    @classmethod
    def of(
        cls, name: str, strategies: Sequence[str], scenarios: Sequence[Scenario], schedule: Schedule
    ) -> Suite:
        """All strategies in all scenarios."""
        return cls(name, (Part(tuple(strategies), tuple(scenarios)),), schedule)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.strategies))

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Every scenario once."""
        return tuple(dict.fromkeys(scenario for part in self.parts for scenario in part.scenarios))

    def strategies_of(self, scenario: Scenario) -> tuple[str, ...]:
        """The strategies that are measured in this scenario."""
        return tuple(
            dict.fromkeys(
                name for part in self.parts if scenario in part.scenarios for name in part.strategies
            )
        )


def parse_share(what: str, text: str) -> float:
    """0.02 from `2%` or `0.02`; raises `SuiteError` for a text that is no share between 0 and 100%."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise SuiteError(f"The {what} is {shown(text)}; expected a share between 0% and 100%, such as 2%.")
    return share


def restrict(
    suite: Suite,
    strategies: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    starts: int | None = None,
    turns: int | None = None,
    precision: str | None = None,
    claim: str | None = None,
) -> Suite:
    """The suite with these strategies instead of its own, in these of its scenarios, and another schedule.

    What is empty or None stays as it is; with other strategies or fewer scenarios it goes without its curves.
    precision, claim: texts such as `2%`; a claim has at least as many starts as every claim needs.
    Raises `SuiteError` for a schedule that gives no interval, and `UnknownNameError` for a strategy that is not
    installed or a scenario that the suite has not.
    """
    schedule = _schedule(suite.schedule, starts, turns, precision, claim)
    meant = tuple(dict.fromkeys(one for name in strategies for one in strategies_meant(name)))
    chosen = select_scenarios(scenarios, suite.scenarios)
    parts = [
        Part(
            meant or part.strategies,
            tuple(scenario for scenario in part.scenarios if scenario in chosen),
        )
        for part in suite.parts
    ]
    return replace(
        suite,
        parts=tuple(part for part in parts if part.scenarios),
        schedule=schedule,
        curves=suite.curves and not (strategies or scenarios),
    )


def _schedule(
    old: Schedule, starts: int | None, turns: int | None, precision: str | None, claim: str | None
) -> Schedule:
    """The schedule with what was asked for in the place of its own; raises as `restrict` does."""
    asked = old.claim if claim is None else parse_share("claim", claim)
    fewest = STARTS_TO_CLAIM if claim is not None else 0
    schedule = replace(
        old,
        starts=max(old.starts, fewest) if starts is None else starts,
        turns=old.turns if turns is None else turns,
        precision=old.precision if precision is None else parse_share("precision", precision),
        claim=asked,
    )
    if schedule.turns < 1:
        raise SuiteError(f"The turns are {schedule.turns}; expected at least one in every start.")
    if schedule.starts < FEWEST_STARTS:
        raise SuiteError(
            f"The starts are {schedule.starts}; expected at least {FEWEST_STARTS} for an interval."
        )
    if schedule.claim is not None and schedule.starts < STARTS_TO_CLAIM:
        raise SuiteError(
            f"The starts are {schedule.starts}; expected at least {STARTS_TO_CLAIM} where something is to be claimed."
        )
    return schedule
