"""The coordinator: gives every group to a free slot of a host, and one that was lost with its worker to another.

A group is in exactly one place: waiting, at work on one worker, or done. Its rows are taken once, from the one
call that still counts; a call whose worker has gone is cancelled before the group waits again.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.crew import Crew
from backprop.bench.cluster.task import Rows, Slot, Task, measure_group

if TYPE_CHECKING:
    from distributed import Future

    from backprop.bench.scenarios import Scenario

MOST_LOSSES = 3
"""How often a group may be lost before its cells count as crashed."""
_LOOK_S = 0.5


@dataclass(frozen=True)
class LostGroup:
    """A group that was lost for the last time: on which host, how often, and the last error."""

    host: str
    cpu: str
    times: int
    reason: str


@dataclass(frozen=True)
class Job:
    """A group that a worker is measuring."""

    scenario: Scenario
    host: str
    cpu: str
    address: str
    slot: Slot
    future: Future[Rows]


@dataclass
class Coordinator:
    """`task_of` makes the task of a scenario in a slot; `patience_s`: how long a cluster may be without workers."""

    crew: Crew
    task_of: Callable[[Scenario, Slot], Task]
    say: Callable[[Scenario, str], None]
    patience_s: float = 60.0
    _running: list[Job] = field(default_factory=list)
    _losses: Counter[str] = field(default_factory=Counter)

    def run(self, scenarios: Sequence[Scenario]) -> Iterator[tuple[Scenario, Rows | LostGroup]]:
        """The outcome of every scenario once, as it comes.

        Raises `ClusterError` where no worker is left, and none comes back.
        """
        waiting = deque(scenarios)
        last_seen = time.monotonic()
        try:
            while waiting or self._running:
                self.crew.enlist(strict=False)
                if self.crew.members:
                    last_seen = time.monotonic()
                elif time.monotonic() - last_seen > self.patience_s:
                    raise ClusterError(
                        f"The cluster has had no worker for {self.patience_s:.0f} s; expected at least one: "
                        "what was measured is kept, and --resume goes on."
                    )
                for job in list(self._running):
                    outcome = self._outcome(job)
                    if outcome is None:
                        continue
                    self._running.remove(job)
                    job.future.cancel(force=True)
                    if isinstance(outcome, LostGroup) and outcome.times < MOST_LOSSES:
                        waiting.appendleft(job.scenario)
                    else:
                        yield job.scenario, outcome
                self._assign(waiting)
                self._wait()
        finally:
            for job in self._running:
                job.future.cancel(force=True)

    def _assign(self, waiting: deque[Scenario]) -> None:
        busy = {(job.host, job.slot.number) for job in self._running}
        for host, address, slot in self.crew.free(busy, {job.address for job in self._running}):
            if not waiting:
                return
            scenario = waiting.popleft()
            self.say(scenario, f"on {host}")
            future = self.crew.submit(address, measure_group, self.task_of(scenario, slot))
            cpu = self.crew.members[address].cpu
            self._running.append(Job(scenario, host, cpu, address, slot, future))

    def _outcome(self, job: Job) -> Rows | LostGroup | None:
        """The rows of a finished job, a `LostGroup` for a job that failed too often, None for a running one."""
        if job.future.status == "finished":
            try:
                return job.future.result(timeout=_ANSWER_S)
            except Exception as error:  # the worker went between its last word and the fetching of the rows
                return self._lost(job, error)
        if job.future.status in ("error", "cancelled", "lost"):
            return self._lost(job, job.future.exception() if job.future.status == "error" else None)
        return self._lost(job, None) if job.address not in self.crew.members else None

    def _lost(self, job: Job, error: BaseException | None) -> LostGroup:
        self._losses[job.scenario.id] += 1
        said = f"; {type(error).__name__}: {error}" if error is not None else ""
        times = self._losses[job.scenario.id]
        reason = f"lost with its worker {times} times, the last one {job.address} on {job.host}{said}"
        return LostGroup(job.host, job.cpu, times, " ".join(reason.split()))

    def _wait(self) -> None:
        """Wait until a job is done, or the workers are to be looked at again."""
        from distributed import wait

        if not self._running:
            time.sleep(_LOOK_S)
            return
        try:
            wait([job.future for job in self._running], timeout=_LOOK_S, return_when="FIRST_COMPLETED")
        except (TimeoutError, OSError):
            return
        except Exception:  # a future that was cancelled or killed: `_outcome` sees which
            time.sleep(_LOOK_S)


_ANSWER_S = 30.0
