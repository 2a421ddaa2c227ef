"""Conditions: which parts of the method of measuring work on this machine. What does not is printed and recorded.

A missing condition makes the figures worse, not wrong; only a clock that cannot time a turn ends the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from backprop.bench.memory import best_tracker
from backprop.bench.workers import START_UP_S, WorkerError, WorkerProcess
from backprop.errors import BackpropError

_TICKS_OF_A_TURN = 1000


class ClockError(BackpropError, RuntimeError):
    """A clock that is too coarse for a turn."""


@dataclass(frozen=True)
class Conditions:
    """Whether workers could be pinned to cores and stopped while they wait, and which tool tracks memory.

    start_up_s: the seconds that a worker took until its first answer.
    """

    pinned: bool
    stops: bool
    memory_tracker: str
    start_up_s: float

    @classmethod
    def of(cls, threads: int, cores: Sequence[int], turn_s: float) -> Conditions:
        """Find the conditions with a worker; raises `ClockError` where the clock cannot time a turn finely enough.

        A worker that cannot even start raises `BackpropError`.
        """
        check_clock(time.get_clock_info("perf_counter").resolution, turn_s)
        began = time.monotonic()
        with WorkerProcess(threads, cores) as worker:
            try:
                worker.ask("ping", START_UP_S)
                start_up_s = time.monotonic() - began
                worker.stop()
                worker.resume()
                worker.ask("ping", START_UP_S)
            except WorkerError as error:
                raise BackpropError(
                    f"A worker cannot run here: {error.reason}; expected an answer."
                ) from error
            return cls(bool(worker.pinned), worker.can_stop, best_tracker(), start_up_s)

    def notes(self) -> list[str]:
        """One sentence for every condition that is not met, for the user and for every table."""
        notes = []
        if not self.stops:
            notes.append(
                "Waiting workers could not be stopped (no SIGSTOP, or no permission); they were given time to "
                "fall asleep instead, which leaves more noise."
            )
        if not self.pinned:
            notes.append("Workers could not be pinned to a core; the system may have moved them.")
        if self.memory_tracker != "memray":
            notes.append(
                "memray is not installed; memory was tracked by tracemalloc, which sees NumPy and Python only "
                "(pip install memray)."
            )
        return notes


def check_clock(resolution_s: float, turn_s: float) -> None:
    """Raise `ClockError` where a turn has too few ticks of the clock."""
    if not 0 < resolution_s * _TICKS_OF_A_TURN <= turn_s:
        raise ClockError(
            f"The clock has a resolution of {resolution_s:.3g} s; "
            f"expected at most {turn_s / _TICKS_OF_A_TURN:.3g} s to time turns of {turn_s:.3g} s."
        )
