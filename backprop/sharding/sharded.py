"""The sharded gradient: every worker derives the gradient of its share of the batch, and their mean is put together.

    L = Σₖ (nₖ/n) Lₖ        g = Σₖ (nₖ/n) gₖ

A call sends the parameters and a shard to each worker, and each worker sends a gradient back: 2kp + ni numbers for k
shards that are not empty. If a worker is lost, another computes its shard again. If that happens four times, or no
answer comes in time, an error is raised and no sum returned. (Dean et al. 2012, "Large scale distributed deep
networks", section 4, in its synchronous form.)

    shard k holds the samples from ⌊n Sₖ₋₁/S⌋ to ⌊n Sₖ/S⌋        Sₖ = s₁ + … + sₖ, S the sum of all shares

The parts are added in the order of the shards, not in the order in which they come, so the same split gives the same
bits.
"""

from __future__ import annotations

import dataclasses
import itertools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import OptionError, UnsupportedError
from backprop.layer_forms import couples_samples
from backprop.network import Batch, Network
from backprop.options import check_count
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw
from backprop.sharding.cluster import ShardError, open_client
from backprop.strategies.short_form import ShortForm
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

if TYPE_CHECKING:
    from distributed import Client, Future

_LABEL_BYTES = 8


# The shards -------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """The result of one shard: its number of samples, the mean loss over them, and its gradient (p,)."""

    samples: int
    loss: float
    vector: Array


def sizes_of(batch_size: int, shares: Sequence[int]) -> list[int]:
    """The samples of every shard, in order; some may be empty. Shares that sum to n are the sizes themselves."""
    total = sum(shares)
    cuts = [batch_size * cumulated // total for cumulated in itertools.accumulate(shares)]
    return [end - start for start, end in itertools.pairwise([0, *cuts])]


def check_shares(shares: Sequence[int] | None) -> None:
    """Raise `OptionError` unless the shares are whole numbers from zero on, one of them above it, or None."""
    if shares is None:
        return
    whole = all(isinstance(share, int) and not isinstance(share, bool) and share >= 0 for share in shares)
    if not whole or sum(shares) == 0:
        raise OptionError(
            f"The shares are {shares!r}; expected whole numbers, none below zero and one above it."
        )


def shard_gradient(
    inner: Strategy[Any], network: Network, vector: Array, inputs: Array, labels: Array
) -> Part:
    """The mean loss and gradient of a shard with at least one sample, at the parameters `vector` (p,).

    The inner strategy is prepared for every call: a plan that stayed on a worker would be lost with the worker, and
    two calls at once would write into the same buffers.
    """
    params = Parameters(network.layout, vector)
    plan = inner.prepare(network, len(inputs), vector.dtype)
    loss, gradient = inner.value_and_gradient(plan, params, Batch(inputs, labels))
    return Part(len(inputs), float(loss), gradient.vector)


def combine(parts: Sequence[Part], sizes: Sequence[int], gradient: Parameters) -> ValueAndGradient:
    """The loss and its gradient, written into `gradient`; `sizes` are the samples that each part must hold.

    Raises `ShardError` rather than adding up a part that is missing, of other samples or of another form.
    """
    if [part.samples for part in parts] != list(sizes):
        raise ShardError(
            f"The shards that came back hold {[part.samples for part in parts]} samples; expected {list(sizes)}."
        )
    total, loss = sum(sizes), 0.0
    gradient.vector.fill(0)
    for part in parts:
        if part.vector.shape != gradient.vector.shape or part.vector.dtype != gradient.dtype:
            raise ShardError(
                f"A shard's gradient is {part.vector.dtype} {part.vector.shape}; "
                f"expected {gradient.dtype} {gradient.vector.shape}."
            )
        weight = part.samples / total
        loss += weight * part.loss
        gradient.vector += np.multiply(part.vector, gradient.dtype.type(weight))
    return ValueAndGradient(loss, gradient)


@dataclass
class Plan:
    """The workers behind `client`, the samples of every shard, the gradient's memory, and the calls so far."""

    network: Network
    client: Client
    sizes: list[int]
    gradient: Parameters
    calls: int = 0


@final
@dataclass(frozen=True, repr=False)
class Sharded(Peer[Plan]):
    """The mean over shards of the batch, each by `inner` on a Dask worker.

    client: the client of the cluster to use; None is Dask's own setting or, where that names no scheduler, a cluster
    of `workers` processes that lives as long as the plan. shares: in which proportion the batch is split, one number
    a shard, zero for an empty one; None is an equal shard a worker. timeout_s: how long a call waits for its shards.
    Raises `OptionError` for shares or a number of workers that make no split, and for an inner sharded strategy.
    """

    inner: Strategy[Any] = field(default_factory=ShortForm)
    client: Client | None = field(default=None, compare=False)
    workers: int = 2
    shares: tuple[int, ...] | None = None
    timeout_s: float = 300.0

    package: ClassVar[str] = "distributed"
    oldest: ClassVar[str] = "2025.1"
    function: ClassVar[str] = "the interface that is used here"
    summary: ClassVar[str] = "the batch split over Dask workers, the mean put together by sample counts"

    def __post_init__(self) -> None:
        check_count("workers", self.workers)
        check_shares(self.shares)
        if isinstance(self.inner, Sharded):
            raise OptionError("The inner strategy is sharded itself; expected one that runs in one process.")

    @property
    def name(self) -> str:
        """The inner strategy is named unless it is the short form."""
        return "sharded" if self.inner == ShortForm() else f"sharded-{self.inner.name}"

    @property
    def accuracy(self) -> Accuracy:
        """The accuracy of the inner strategy: a mean of k parts adds a rounding or two."""
        return self.inner.accuracy

    @property
    def relative_step(self) -> float | None:
        """The inner strategy's step, beside which a kink may lie; None where it has none."""
        return getattr(self.inner, "relative_step", None)

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer that couples the samples, or why the inner strategy cannot do it."""
        return couples_samples(network) or self.inner.unsupported(network, dtype)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost | None:
        """The work of all processes together; every byte sent is read on one side and written on the other.

        None where the inner strategy predicts nothing.
        """
        sizes = [n for n in self._sizes(batch_size, self.client) if n]
        parts = [cost for n in sizes if (cost := self.inner.predicted(network, n, dtype)) is not None]
        if len(parts) < len(sizes):
            return None
        k, numbers, size = len(parts), network.parameter_count, dtype.itemsize
        sent = self.sent_bytes(network, batch_size, dtype)
        return Cost(
            flops=sum(part.flops for part in parts) + 2 * k * numbers,
            bytes_moved=sum(part.bytes_moved for part in parts) + 2 * sent + 3 * k * numbers * size,
            peak_bytes=sum(part.peak_bytes for part in parts) + sent + 2 * numbers * size,
            forward_calls=max(part.forward_calls for part in parts),
        )

    def sent_bytes(self, network: Network, batch_size: int, dtype: DType) -> int:
        """Bytes of one call between processes: parameters to every shard, the samples, gradients back."""
        k = sum(n > 0 for n in self._sizes(batch_size, self.client))
        numbers = 2 * k * network.parameter_count + batch_size * network.inputs
        return numbers * dtype.itemsize + batch_size * _LABEL_BYTES

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Split the batch; start workers where no client was handed in, and end them with the plan.

        Raises `UnsupportedError` where Dask is not installed.
        """
        if (missing := self.unavailable()) is not None:
            raise UnsupportedError(f"The strategy {self.name} cannot be used: {missing}.")
        gradient = Parameters.empty(network.layout, dtype)
        if self.client is not None:
            return Plan(network, self.client, self._sizes(batch_size, self.client), gradient)
        client, opened = open_client(self.workers)
        plan = Plan(network, client, self._sizes(batch_size, client), gradient)
        weakref.finalize(plan, opened.close)
        return plan

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Nothing is converted: to send, to wait and to add up is the work itself."""
        return lambda: self._call(plan, params, batch)

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """As the call returned it."""
        result: ValueAndGradient = raw
        return result

    def _call(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        inner = self._inner_of_call(plan.calls)
        plan.calls += 1
        futures: list[Future[Part]] = []
        try:
            start = 0
            for n in plan.sizes:
                if n:
                    shard = slice(start, start + n)
                    arrays = params.vector, batch.inputs[shard], batch.labels[shard]
                    futures.append(
                        plan.client.submit(shard_gradient, inner, plan.network, *arrays, pure=False)
                    )
                start += n
            parts = [_result(future, self.timeout_s) for future in futures]
        finally:
            for future in futures:
                future.release()
        return combine(parts, [n for n in plan.sizes if n], plan.gradient)

    def _inner_of_call(self, number: int) -> Strategy[Any]:
        """The inner strategy of a call. An estimate draws the same directions in all shards, others in every call."""
        if self.inner.accuracy.directions is None or number == 0:
            return self.inner
        reseeded: Strategy[Any] = dataclasses.replace(
            self.inner,
            seed=self.inner.seed + number,  # type: ignore[type-var, attr-defined]
        )
        return reseeded

    def _sizes(self, batch_size: int, client: Client | None) -> list[int]:
        """The samples of every shard: by the shares, or one shard a worker."""
        shares = self.shares or (1,) * (self.workers if client is None else max(1, len(client.nthreads())))
        return sizes_of(batch_size, shares)


def _result(future: Future[Part], timeout_s: float) -> Part:
    """A shard's part; raises `ShardError` where it does not come, and what the inner strategy raised."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result(timeout=timeout_s)
    except KilledWorker as error:
        raise ShardError(
            "A shard was lost with its worker again and again; expected workers that stay."
        ) from error
    except (TimeoutError, FutureCancelledError) as error:
        raise ShardError(
            f"A shard did not come back within {timeout_s:.3g} s; expected workers that answer."
        ) from error
