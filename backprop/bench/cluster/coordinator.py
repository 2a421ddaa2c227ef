"""The coordinator: gives every group to a free slot of a host, and one that was lost with its worker to another.

A group is in exactly one place: waiting, at work on one worker, or done. Its rows are taken once, from the one
call that still counts; a call whose worker has gone is cancelled before the group waits again.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.host import (
    HostReport,
    Identity,
    Needs,
    Slot,
    difference,
    identify,
    measure_group,
    report,
    versions,
)
from backprop.errors import BackpropError

if TYPE_CHECKING:
    from distributed import Client, Future

    from backprop.bench.group import Group
    from backprop.bench.record import Results
    from backprop.bench.scenarios import Scenario


# The workers, by host, as they come and go ------------------------------------------------------------

T = TypeVar("T")

_ANSWER_S, _ROWS_S = 120.0, 30.0
"""How long a worker may take to answer a question, and to hand over the rows of a finished group."""


@dataclass
class Crew:
    """The workers behind a client.

    slots: how many groups are measured side by side on a host. own: whether the workers are processes that this
    run has started from its own files, which may be edited before a worker is started again.
    """

    client: Client
    needs: Needs
    slots: int = 1
    own: bool = False
    members: dict[str, Identity] = field(default_factory=dict)
    """Every worker that may be used and is alive, by its address."""
    hosts: dict[str, HostReport] = field(default_factory=dict)
    """Every host that may be used, whether or not a worker of it is alive."""
    _refused: set[str] = field(default_factory=set)

    def enlist(self, *, strict: bool) -> None:
        """Add the workers that have joined, and drop those that have left.

        Raises `ClusterError` if a worker has other versions or its host lacks something. Unless `strict`, this is
        printed on standard error and the worker is not used: a worker that joins late must not end the run.
        """
        alive = set(self.client.nthreads())
        for address in set(self.members) - alive:
            del self.members[address]
        for address in sorted(alive - set(self.members) - self._refused):
            try:
                self._examine(address)
            except _LostError:
                continue  # the worker has left again, or is busy: it is asked again next time
            except ClusterError as error:
                if strict:
                    raise
                self._refused.add(address)
                print(f"Note: {error} It is not used.", file=sys.stderr)

    def free(self, busy: set[tuple[str, int]], working: set[str]) -> list[tuple[str, str, Slot]]:
        """Host, worker address and slot of every place where a group could be measured now.

        busy: slots, by host and number, where a group is being measured; working: the workers that measure them.
        """
        found = []
        for host in sorted({member.host for member in self.members.values()}):
            idle = sorted(a for a, m in self.members.items() if m.host == host and a not in working)
            numbers = [k for k in range(self.slots) if (host, k) not in busy]
            found += [
                (host, address, Slot(k, self.slots, self.needs.threads))
                for k, address in zip(numbers, idle, strict=False)
            ]
        return found

    def submit(self, address: str, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call the function on this worker and no other."""
        return self.client.submit(
            function, *arguments, workers=[address], allow_other_workers=False, pure=False
        )

    def _examine(self, address: str) -> None:
        member: Identity = self._ask(address, identify)
        place = f"The worker {address} on {member.host}"
        if not self.own and (apart := difference(member.versions, versions())):
            raise ClusterError(f"{place} has {apart}.")
        if member.cores < self.needs.threads * self.slots:
            raise ClusterError(
                f"{place} has {member.cores} cores; expected at least {self.needs.threads * self.slots}."
            )
        if member.host not in self.hosts:
            host: HostReport = self._ask(address, report, self.needs)
            if host.data_checksum != self.needs.data_checksum:
                raise ClusterError(
                    f"{place} finds other images under {self.needs.data!r}; expected those that are here."
                )
            known = {str(other.machine.cpu) for other in self.hosts.values()}
            if known and member.cpu not in known:
                print(
                    f"Note: The host {member.host} has another processor, {member.cpu}; its rows are kept apart.",
                    file=sys.stderr,
                )
            self.hosts[member.host] = host
        self.members[address] = member

    def _ask(self, address: str, function: Callable[..., T], *arguments: Any) -> T:
        """The function's answer from that worker.

        Raises `_LostError` where the worker goes before it answers, `ClusterError` where it fails.
        """
        from distributed import wait
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        future = self.submit(address, function, *arguments)
        try:
            for _ in range(int(_ANSWER_S)):
                try:
                    wait([future], timeout=1)
                    return future.result(timeout=5)
                except TimeoutError:
                    if address not in self.client.nthreads():
                        break
            raise _LostError
        except (KilledWorker, FutureCancelledError) as error:
            raise _LostError from error
        except BackpropError as error:
            raise ClusterError(f"The worker {address} cannot be used: {str(error).rstrip('.')}.") from error
        except _LostError:
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
            raise ClusterError(
                f"The worker {address} could not run this package: {said}; "
                f"expected backprop-bench {versions()['backprop']} there, as here."
            ) from error
        finally:
            future.release()


class _LostError(Exception):
    """A worker that went before it answered."""


# The groups -------------------------------------------------------------------------------------------

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
class Running:
    """A group that a worker is measuring."""

    scenario: Scenario
    host: str
    cpu: str
    address: str
    slot: Slot
    future: Future[Results]


@dataclass
class Coordinator:
    """`group_of` makes the group of a scenario; `patience_s`: how long a cluster may be without workers."""

    crew: Crew
    group_of: Callable[[Scenario], Group]
    say: Callable[[Scenario, str], None]
    patience_s: float = 60.0
    _running: list[Running] = field(default_factory=list)
    _losses: Counter[str] = field(default_factory=Counter)

    def run(self, scenarios: Sequence[Scenario]) -> Iterator[tuple[Scenario, Results | LostGroup]]:
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
            future = self.crew.submit(address, measure_group, self.group_of(scenario), slot)
            cpu = self.crew.members[address].cpu
            self._running.append(Running(scenario, host, cpu, address, slot, future))

    def _outcome(self, job: Running) -> Results | LostGroup | None:
        """The rows of a finished job, a `LostGroup` for a job that failed too often, None for a running one."""
        if job.future.status == "finished":
            try:
                return job.future.result(timeout=_ROWS_S)
            except Exception as error:  # the worker went between its last word and the fetching of the rows
                return self._lost(job, error)
        if job.future.status in ("error", "cancelled", "lost"):
            return self._lost(job, job.future.exception() if job.future.status == "error" else None)
        return self._lost(job, None) if job.address not in self.crew.members else None

    def _lost(self, job: Running, error: BaseException | None) -> LostGroup:
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
