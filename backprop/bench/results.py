"""The rows of a run and what they say together: do all gradients agree, and did every strategy survive."""

from __future__ import annotations

from dataclasses import dataclass, field

from backprop.bench.record import Agreement, Record
from backprop.bench.scenarios import Scenario
from backprop.verify import Pair

FAILED = ("crashed", "out-of-memory", "timed-out")


@dataclass
class Results:
    """Records and agreements, in the order in which they were found."""

    records: list[Record] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        """Whether no measured gradient is wrong and no pair disagrees."""
        return not self._wrong() and all(row.agrees for row in self.agreements)

    @property
    def failed(self) -> list[str]:
        """The strategies that crashed, hung or ran out of memory, one entry a cell."""
        return [record.strategy for record in self.records if record.status in FAILED]

    def verdict(self) -> str:
        """One sentence: how many gradients and pairs are right, and which are not."""
        if predicted := sum(record.status == "predicted" for record in self.records):
            return (
                f"{len(self.records)} cells predicted, {predicted} of them would fit; nothing was measured."
            )
        measured = sum(record.measured for record in self.records)
        left_out = len(self.records) - measured
        sentence = (
            f"{_count(measured, 'gradient')} and {_count(len(self.agreements), 'pair')} compared, "
            f"{_count(left_out, 'cell')} left out"
        )
        if self.failed:
            sentence = f"{sentence}. CRASHED: {', '.join(dict.fromkeys(self.failed))}"
        if self.agree:
            return f"{sentence}: all agree." if measured and not self.failed else f"{sentence}."
        apart = [f"{row.first} and {row.second}" for row in self.agreements if not row.agrees]
        return f"{sentence}. DISAGREE: {', '.join(dict.fromkeys(self._wrong() or apart))}."

    def _wrong(self) -> list[str]:
        return [record.strategy for record in self.records if record.status == "disagrees"]


def _count(number: int, what: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {what}{'s' * (number != 1)}"


def agreement_of(scenario: Scenario, pair: Pair) -> Agreement:
    """The row of a pair of gradients in a scenario."""
    return Agreement(
        scenario=scenario.name,
        dtype=scenario.dtype_name,
        first=pair.first,
        second=pair.second,
        distance=pair.distance,
        tolerance=pair.tolerance,
        agrees=pair.agrees,
    )
