"""The worker: one strategy or baseline in a process of its own, called when the parent says so.

It is started with the same command line and environment whatever it measures: the length of either moves the
heap, and with it every array. Everything else arrives as a JSON object a line on standard input; each is
answered by one on what was standard output before anything could print to it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backprop.bench.clock import fastest_call, seconds_per_call
from backprop.child_process import private_output, tie_to_parent

Call = Callable[[], object]

WAKE_UP_S = 0.005
"""After a stop, caches are cold and pools asleep: the first milliseconds of a turn are not measured."""


class Worker:
    """What the parent can ask for; every method answers with what JSON can hold."""

    def __init__(self) -> None:
        self._call: Call | None = None
        self._ballast: Any = None

    def ping(self) -> dict[str, Any]:
        """Nothing but an answer."""
        return {}

    def load(
        self,
        scenario: dict[str, Any],
        strategy: str,
        data: str,
        threads: int,
        ballast_bytes: int,
        memory_limit_bytes: float | None,
        slower_by: float | None,
    ) -> dict[str, Any]:
        """Import everything, make the data, check the threads; the strategy is found but not prepared.

        `ballast_bytes` of memory are taken first, so that arrays lie elsewhere at every start.
        `slower_by`: by which share every call is made to take longer, a planted slow-down; None for what is measured.
        """
        self._ballast = bytearray(ballast_bytes)
        _limit_memory(memory_limit_bytes)

        from backprop.bench.baselines import find_target
        from backprop.bench.budget import Budget
        from backprop.bench.cell import Cell, Workbench
        from backprop.bench.memory import best_tracker
        from backprop.bench.scenarios import Scenario
        from backprop.bench.threads import check_threads
        from backprop.data import load

        made = Scenario.from_json(scenario)
        self._bench = Workbench(made, load(data), threads)
        self._cell = Cell(
            find_target(strategy), self._bench, Budget(float("inf"), float("inf")), best_tracker()
        )
        self._slower_by = slower_by
        check_threads(threads)
        return {}

    def speeds(self, memory_bytes: float) -> dict[str, Any]:
        """What the machine can do in the scenario's dtype, and the time of one loss where it fits."""
        self._bench.memory_bytes = memory_bytes
        speeds = self._bench.speeds
        return {
            "flops_per_s": speeds.limits.flops_per_s,
            "bytes_per_s": speeds.limits.bytes_per_s,
            "loss_s": speeds.loss_s,
        }

    def verify(self, gradient_path: str) -> dict[str, Any]:
        """Peak memory, and the gradient written to `gradient_path`; then a few steps of learning."""
        import numpy as np

        from backprop.bench.memory import high_water_bytes

        cell = self._cell
        cell.verify()
        assert cell.gradient is not None
        np.save(gradient_path, cell.gradient.vector)
        high_water = high_water_bytes()
        scenario = self._bench.scenario
        cell.learn(cell.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype))
        return {
            "peak_bytes": cell.record.peak_bytes,
            "prepare_peak_bytes": cell.record.prepare_peak_bytes,
            "memory_tracker": cell.record.memory_tracker,
            "high_water_bytes": high_water,
            "loss": cell.record.loss,
            "test_accuracy": cell.record.test_accuracy,
        }

    def prepare(self) -> dict[str, Any]:
        """Prepare the strategy and warm it up; ready for turns."""
        import gc

        from backprop.bench.cell import timed_call

        scenario, params, batch = self._bench.scenario, self._bench.params, self._bench.batch
        strategy = self._cell.strategy
        start = time.perf_counter()
        plan = strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)
        prepare_s = time.perf_counter() - start

        call = timed_call(strategy, plan, params, batch)

        self._call = call if self._slower_by is None else slowed(call, self._slower_by)
        call_s = seconds_per_call(self._call, 0)  # the first call: pages are touched, code is fetched
        if call_s < WAKE_UP_S:
            seconds_per_call(self._call, 10 * WAKE_UP_S)
            call_s = seconds_per_call(self._call, WAKE_UP_S)
        gc.disable()
        return {"prepare_s": prepare_s, "call_s": call_s}

    def turn(self, seconds: float, wake_up: bool) -> dict[str, Any]:
        """Call for at least `seconds`, by the clock; the time of a call where the turn was disturbed least."""
        assert self._call is not None
        if wake_up:
            seconds_per_call(self._call, WAKE_UP_S)
        return {"call_s": fastest_call(self._call, seconds)}


def slowed(call: Call, share: float) -> Call:
    """`call`, after which the clock is watched until it has taken longer by this share of its own time."""
    clock = time.perf_counter

    def planted() -> None:
        start = clock()
        call()
        end = clock()
        until = end + share * (end - start)
        while end < until:
            end = clock()

    return planted


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
        try:
            answer = getattr(worker, message.pop("do"))(**message)
        except Exception as error:
            answer = {
                "error": type(error).__name__,
                "message": str(error),
                "is_memory_error": isinstance(error, MemoryError),
            }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
