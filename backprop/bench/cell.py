"""A cell: one strategy in one scenario, from its forecast to its record.

    predict    its cost against the budgets, before anything is allocated
    verify     its memory and its gradient, by a worker, and the gradient against the reference
    times      what its turns gave

A benchmark of wrong results is worth nothing: what disagrees with the reference stays in the table, marked, and is
never ranked. The record is made once, at the end.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backprop import Cost, Parameters, Strategy, blas, units
from backprop.bench.budget import Budget
from backprop.bench.forecast import Speeds, StrategyError, checked, harness_bytes, predicted_time
from backprop.bench.machine import Limits, cpu_name, host_name
from backprop.bench.record import MEASURED, Agreement, Record, SamplesByName, Status, one_line
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import Workbench
from backprop.bench.workers import Worker, WorkerError
from backprop.errors import UnavailableError
from backprop.peers.base import Peer
from backprop.verify import gradient_error, kinked_parameters, pairs

_PROCESS_BYTES = 100e6
"""About what a Python process with NumPy takes anyway, so that a budget below it is one of arrays alone."""

_WARM_UP_S = 10.0
"""What a first call may take at least, however short the budget: it imports libraries, and compiles."""
_TRACKER_SLOWS = 3
"""A memory tracker was seen to make a call of many small arrays, such as finite differences, so many times slower."""


@dataclass
class Times:
    """The samples of a cell by start, and what is known beside them; ratios only where no others took its turns."""

    samples_s: list[list[float]]
    prepare_s: float
    unstable: str = ""
    turns_group: int | None = None
    baselines_s: SamplesByName = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """What the record says of them."""
        everything = np.concatenate(self.samples_s)
        low, median, high = (float(value) for value in np.percentile(everything, [25, 50, 75]))
        found: dict[str, Any] = {
            "samples_s": self.samples_s,
            "prepare_s": self.prepare_s,
            "unstable": self.unstable,
            "turns_group": self.turns_group,
            "baselines_s": self.baselines_s,
            "rounds": len(everything),
            "time_iqr_s": high - low,
            "time_min_s": float(everything.min()),
            **self.ratios,
        }
        if len(self.samples_s) > 1:
            return found | {"starts": len(self.samples_s)}
        return found | {"time_median_s": median}


@dataclass
class Cell:
    """A strategy in a scenario; what is found of it step by step.

    ended: the status and the reason with which it came to its end, if it did not get through.
    verified: what the record says of memory, gradient and learning.
    gradient: with the reference's numbers where it lies beside a kink.
    """

    strategy: Strategy[Any]
    scenario: Scenario
    threads: int
    tolerance: float | None = None
    cost: Cost | None = None
    time_s: float | None = None
    limits: Limits | None = None
    verified: dict[str, Any] = field(default_factory=dict)
    gradient: Parameters | None = None
    times: Times | None = None
    ended: tuple[Status, str] | None = None

    def fits(self, speeds: Speeds, budget: Budget, calls: int) -> bool:
        """Whether to measure the cell, as `predict` says; an exception of the strategy ends the cell."""
        try:
            return self.predict(speeds, budget, calls)
        except (Exception, SystemExit) as error:
            self.fail(error)
            return False

    def predict(self, speeds: Speeds, budget: Budget, calls: int) -> bool:
        """Predict the cost of a call; whether `calls` of them fit the budgets, else `ended` says why not.

        Raises `StrategyError` for an error model or a cost that are none, and whatever the strategy raises.
        """
        network, n, dtype = self.scenario.network, self.scenario.batch_size, self.scenario.dtype
        tolerance = float(self.strategy.accuracy.tolerance(network, dtype))
        if not 0 < tolerance < math.inf:
            raise StrategyError(
                f"accuracy gives the tolerance {tolerance}; expected a finite number above zero"
            )
        self.tolerance = tolerance
        if isinstance(self.strategy, Peer) and (missing := self.strategy.unavailable()) is not None:
            self.ended = "unavailable", missing
        elif (reason := self.strategy.unsupported(network, dtype)) is not None:
            self.ended = "unsupported", one_line(reason)
        if self.ended is not None:
            return False
        self.predict_cost()
        self.limits = speeds.limits
        beyond = None
        if self.cost is not None:
            self.time_s = predicted_time(self.cost, network, n, speeds) or None  # no cost predicts no time
            beyond = budget.beyond_memory(self.cost.peak_bytes)
        beside = harness_bytes(network, n, dtype)
        if beyond is None and beside > _PROCESS_BYTES:
            beyond = budget.beyond_memory(beside, "the reference gradient, with the parameters,")
        if beyond is not None:
            self.ended = "over-memory-budget", beyond
        elif calls * (self.time_s or 0.0) > budget.time_s:
            self.ended = (
                "over-time-budget",
                f"{units.counted(calls, 'call')} of about {units.seconds(self.time_s)}; "
                f"the budget of a cell is {units.seconds(budget.time_s)}",
            )
        return self.ended is None

    def predict_cost(self) -> None:
        """What follows from the sizes and the threads alone; raises `StrategyError` for a cost that is none."""
        with blas.limited_to(self.threads):  # on which buffers may depend
            cost = self.strategy.predicted(
                self.scenario.network, self.scenario.batch_size, self.scenario.dtype
            )
        self.cost = None if cost is None else checked(cost)

    def verify(self, worker: Worker, bench: Workbench, timeout_s: float) -> None:
        """Let the worker look at memory and gradient, and compare the gradient with the reference.

        The memory is left out where the tracker would make the call longer than it may take. Raises what the worker
        raises.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gradient.npy"
            worker.ask("warm_up", max(timeout_s, _WARM_UP_S))
            is_tracked = _TRACKER_SLOWS * (self.time_s or 0.0) <= timeout_s
            answer = worker.ask("verify", timeout_s, gradient_path=str(path), is_tracked=is_tracked)
            vector = np.load(path, allow_pickle=False)
        self.gradient = Parameters(self.scenario.network.layout, vector)
        self.verified = answer | self._judged(self.gradient, bench)

    def _judged(self, gradient: Parameters, bench: Workbench) -> dict[str, Any]:
        """How far the gradient lies from the reference.

        Beside a kink a difference quotient is no derivative: such elements are counted and named, and the reference's
        take their place, so that no pair is judged by them either.
        """
        found: dict[str, Any] = {}
        if self.strategy.accuracy.exponent < 1 and self.strategy.accuracy.directions is None:
            eps = float(np.finfo(self.scenario.dtype).eps)
            step = max(getattr(self.strategy, "relative_step", None) or 0.0, eps ** (1 / 3))
            kinks = kinked_parameters(self.scenario.network, bench.params, bench.batch, step)
            kinked = np.flatnonzero(kinks)
            found["kinks"] = len(kinked)
            if len(kinked):
                located = [gradient.layout.locate(int(k)) for k in kinked[:5]]
                found["kinks_at"] = ", ".join(f"{name}{list(index)}" for name, index in located)
                gradient.vector[kinked] = bench.reference.vector[kinked]
        error = gradient_error(gradient, bench.reference)
        assert self.tolerance is not None
        return found | {
            "gradient_error": error.relative,
            "cosine": error.cosine,
            "worst_element": error.worst,
            "agrees": error.relative <= self.tolerance,
        }

    def fail(self, error: BaseException) -> None:
        """Take an exception of the strategy, or of its worker, for the end of the cell."""
        if isinstance(error, WorkerError):
            self.ended = error.status, error.reason
        elif isinstance(error, UnavailableError):
            self.ended = "unavailable", one_line(str(error))
        else:
            said = one_line(f"{type(error).__name__}: {error}").rstrip(": ")
            self.ended = "out-of-memory" if isinstance(error, MemoryError) else "crashed", said

    @property
    def outcome(self) -> tuple[Status, str]:
        """Status and reason. A gradient that was found wrong stays wrong, whatever happened afterwards."""
        if self.verified.get("agrees") is not False:
            return self.ended or ("ok", "")
        error, worst = self.verified["gradient_error"], self.verified["worst_element"]
        said = f"error {error:.2e}, tolerance {self.tolerance:.2e}; worst at {worst}"
        return "disagrees", said if self.ended is None else f"{said}; then {self.ended[1]}"

    @property
    def right_or_wrong(self) -> bool:
        """Whether there is a gradient to be timed and compared: the cell is ok, or disagrees."""
        return self.gradient is not None and self.outcome[0] in MEASURED

    def record(self) -> Record:
        """All that is known of the cell."""
        status, reason = self.outcome
        scenario, network = self.scenario, self.scenario.network
        found: dict[str, Any] = dict(self.verified)
        if self.cost is not None:
            found |= {
                "predicted_peak_bytes": _columnar(self.cost.peak_bytes),
                "predicted_flops": _columnar(self.cost.flops),
                "predicted_bytes_moved": _columnar(self.cost.bytes_moved),
                "forward_calls": _columnar(self.cost.forward_calls),
            }
        if self.limits is not None:
            found |= {
                "limit_flops_per_s": self.limits.flops_per_s,
                "limit_bytes_per_s": self.limits.bytes_per_s,
            }
        if self.times is not None:
            found |= self.times.fields()
        return Record(
            strategy=self.strategy.name,
            scenario=scenario.name,
            network=str(network),
            parameters=network.parameter_count,
            batch_size=scenario.batch_size,
            dtype=scenario.dtype_name,
            threads=self.threads,
            host=host_name(),
            cpu=cpu_name(),
            status=status,
            reason=reason,
            tolerance=self.tolerance,
            predicted_time_s=self.time_s,
            **found,
        )


def agreements_of(cells: Iterable[Cell]) -> list[Agreement]:
    """The agreement of every pair of cells of a scenario, among those that have a gradient."""
    found = [cell for cell in cells if cell.right_or_wrong]
    gradients = {cell.strategy.name: cell.gradient for cell in found if cell.gradient is not None}
    tolerances = {cell.strategy.name: cell.tolerance or 0.0 for cell in found}
    return [
        Agreement(
            scenario=found[0].scenario.name,
            dtype=found[0].scenario.dtype_name,
            first=pair.first,
            second=pair.second,
            distance=pair.distance,
            tolerance=pair.tolerance,
            agrees=pair.agrees,
        )
        for pair in pairs(gradients, tolerances)
    ]


def _columnar(figure: int) -> int | float:
    """The figure as a column of integers of 64 bits holds it, or as a float."""
    return figure if figure < 2**63 else float(figure)
