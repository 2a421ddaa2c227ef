"""The crew: the workers of a cluster that may be used, by host, as they come and go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.host import HostReport, Identity, identify, report
from backprop.bench.cluster.task import Slot
from backprop.bench.cluster.versions import difference, versions
from backprop.errors import BackpropError

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")

_ANSWER_S = 120.0


@dataclass(frozen=True)
class Needs:
    """What every host must have: cores for `threads`, a clock for turns of `turn_s`, the data, strategies."""

    threads: int
    turn_s: float
    data: str
    data_checksum: str
    strategies: tuple[str, ...] = ()


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

        Raises `ClusterError` where a worker has other versions or its host lacks something; unless `strict`,
        that is said on standard error and the worker left alone: a late one must not end the run.
        """
        alive = set(self.client.nthreads())
        for address in set(self.members) - alive:
            del self.members[address]
        for address in sorted(alive - set(self.members) - self._refused):
            try:
                self._examine(address)
            except _LostError:
                continue  # it is gone again, or busy; the next look will tell
            except ClusterError as error:
                if strict:
                    raise
                self._refused.add(address)
                print(f"Note: {error} It is not used.", file=sys.stderr)

    def free(self, busy: set[tuple[str, int]], working: set[str]) -> list[tuple[str, str, Slot]]:
        """Host, worker address and slot of every place where a group could be measured now.

        `busy`: slots by host and number at which a group is measured; `working`: the workers that do.
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
            needs = self.needs
            host: HostReport = self._ask(
                address, report, needs.threads, needs.turn_s, needs.data, needs.strategies
            )
            if host.data_checksum != needs.data_checksum:
                raise ClusterError(
                    f"{place} finds other images under {needs.data!r}; expected those that are here."
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
