"""The worker process: one strategy or baseline, whose steps are taken when the parent says so.

It is started with the same command line and environment whatever it measures: the length of either moves the
heap, and with it every array. Everything else arrives as a JSON object a line on standard input; each is
answered by one on what was standard output before anything could print to it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import sys
from pathlib import Path
from typing import Any

from backprop.bench.baselines import find_target
from backprop.bench.memory import best_tracker, high_water_bytes
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import Steps, Workbench
from backprop.bench.threads import check_threads
from backprop.child_process import private_output, tie_to_parent
from backprop.data import load


class Worker:
    """What the parent can ask for; every method answers with what JSON can hold."""

    def __init__(self) -> None:
        self._steps: Steps | None = None
        self._ballast: Any = None

    def answer(self, do: str, message: dict[str, Any]) -> dict[str, Any]:
        """Take one step; what the strategy raises becomes an answer."""
        try:
            taker = self if do in ("ping", "load", "speeds") else self._steps
            found: dict[str, Any] = getattr(taker, do)(**message)
        except Exception as error:
            return {
                "error": type(error).__name__,
                "message": str(error),
                "is_memory_error": isinstance(error, MemoryError),
            }
        if do == "verify":
            found["high_water_bytes"] = high_water_bytes()
        if do == "prepare":
            gc.disable()
        return found

    def ping(self) -> dict[str, Any]:
        """Answer, so that the parent knows that this process lives."""
        return {}

    def load(
        self,
        scenario: dict[str, Any],
        strategy: str,
        data: str,
        threads: int,
        ballast_bytes: int,
        memory_limit_bytes: float | None,
        slower_by: float,
    ) -> dict[str, Any]:
        """Make the data and check the threads; the strategy is found, and imported, but not prepared.

        `ballast_bytes` of memory are taken first, so that arrays lie elsewhere at every start.
        """
        self._ballast = bytearray(ballast_bytes)
        _limit_memory(memory_limit_bytes)

        bench = Workbench(Scenario.from_json(scenario), load(data), threads)
        self._steps = Steps(bench, find_target(strategy), best_tracker(), slower_by)
        check_threads(threads)
        return {}

    def speeds(self, memory_bytes: float) -> dict[str, Any]:
        """What the machine can do in the scenario's dtype, and the time of one loss where it fits."""
        assert self._steps is not None
        self._steps.bench.memory_bytes = memory_bytes
        return dataclasses.asdict(self._steps.bench.speeds)


def _limit_memory(limit_bytes: float | None) -> None:
    """Let allocations beyond the limit fail in this process, before the system has to kill something."""
    if limit_bytes is None:
        return
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS no RLIMIT_AS
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (int(limit_bytes), hard))


def main() -> None:
    """Answer until the parent closes the pipe."""
    tie_to_parent()
    answers = private_output()
    sys.path.insert(0, str(Path.cwd()))  # a user's strategies may import what lies beside them
    worker = Worker()
    for line in sys.stdin:
        message = json.loads(line)
        answers.write(json.dumps(worker.answer(message.pop("do"), message)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
