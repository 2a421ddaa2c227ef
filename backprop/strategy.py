"""The Strategy interface: one derivation of the gradient, what it should cost and how exact it should be.

    plan = strategy.prepare(network, batch_size, dtype)            # everything that calls can share
    loss, gradient = strategy.value_and_gradient(plan, params, batch)

A strategy keeps nothing between calls; what it keeps lives in the plan that it is handed. The gradient
that it returns may live there too: it is valid until the next call with the same plan, and may be read-only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from backprop.arrays import DType
from backprop.errors import UnsupportedError
from backprop.network import Batch, Network
from backprop.parameters import Parameters

PlanT = TypeVar("PlanT")


class ValueAndGradient(NamedTuple):
    """The loss and its gradient by all parameters."""

    loss: float
    gradient: Parameters


@dataclass(frozen=True)
class Cost:
    """What one call is predicted to need, from the sizes alone.

    flops: floating-point operations of one call; a multiplication and an addition are two.
    bytes_moved: bytes that one call must read from and write to memory, each array once per use.
    peak_bytes: the most array memory alive at once, `prepare` and the call together.
    forward_calls: evaluations of the whole network on the batch.
    passes: how many forward passes would take as many steps in Python, of layers that take one step after another;
    predicted time has so many times what the loss takes beyond the machine's limits. 0 where there is no such layer.
    """

    flops: int
    bytes_moved: int
    peak_bytes: int
    forward_calls: int
    passes: int = 0


@dataclass(frozen=True)
class Accuracy:
    """The error model: ‖g - g*‖ / ‖g*‖ is at most factor · p**parameter_exponent · eps**exponent.

    eps is that of the dtype, p the number of parameters. `reason` says where the exponents come from.
    An unbiased estimate from k random `directions`, at most p, errs by chance instead: E‖ĝ - g*‖² / ‖g*‖²
    is (p + 1)/k, and its own spread of about 1/√k makes that (1 + factor/√k) √((p + 1)/k) at most.
    """

    factor: float
    exponent: float
    reason: str
    parameter_exponent: float = 0.0
    directions: int | None = None

    def tolerance(self, network: Network, dtype: DType) -> float:
        """The relative error that the model allows in this dtype; a pure number."""
        if self.directions is not None:
            k = min(self.directions, network.parameter_count)
            return (1 + self.factor / math.sqrt(k)) * self.standard_error(network)
        eps = float(np.finfo(dtype).eps)
        growth = float(network.parameter_count**self.parameter_exponent)
        return float(self.factor * growth * eps**self.exponent)

    def standard_error(self, network: Network) -> float:
        """√(E‖ĝ - g*‖² / ‖g*‖²) of a random estimate, from at most p directions; 0 for every other strategy."""
        if self.directions is None:
            return 0.0
        p = network.parameter_count
        return math.sqrt((p + 1) / min(self.directions, p))


EXACT = Accuracy(
    factor=32,
    exponent=1,
    reason="an exact formula: only rounding, a small multiple of eps where sums are blocked",
)
"""The error model of every derivation that is a formula and not a limit (Higham 2002, section 4.2)."""


class Strategy(ABC, Generic[PlanT]):
    """One derivation of dL/dθ. A subclass is final and lives in a file of its own."""

    summary: ClassVar[str]
    """One line for tables: what it forms."""
    rung: ClassVar[float] = math.inf
    """Its place in lists, from dense to closed form and on to quotients and directions; the rest follow by name."""
    shortcuts: ClassVar[Mapping[str, str] | None] = None
    """How this strategy avoids what strategies on lower rungs form, by kind of matrix, in words for a reader.

    The kinds are those of `backprop.explain.shortcuts`. An explanation compares every strategy with those that state
    their shortcuts, be it none: {}. None keeps a strategy out of that comparison.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Kebab-case, as the reports print it. A plain class attribute will do."""

    @property
    @abstractmethod
    def accuracy(self) -> Accuracy:
        """The error model. A plain class attribute will do."""

    cost: ClassVar[Callable[..., Cost | None] | None] = None
    """`cost(network, batch_size, dtype)`, the predicted cost of `prepare` and one call; it allocates nothing.

    A strategy may leave it out: then nothing is predicted of it, and no budget keeps it from being measured.
    """

    def predicted(self, network: Network, batch_size: int, dtype: DType) -> Cost | None:
        """The predicted cost, where this strategy predicts one."""
        return None if self.cost is None else self.cost(network, batch_size, dtype)

    def __repr__(self) -> str:
        return f"<strategy {self.name}>"

    @abstractmethod
    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Why this network or dtype cannot be done, in words; None where it can."""

    def check_supported(self, network: Network, dtype: DType) -> None:
        """Raise `UnsupportedError`, with the reason, where this network or dtype cannot be done."""
        reason = self.unsupported(network, dtype)
        if reason is not None:
            raise UnsupportedError(f"The strategy {self.name} cannot do {network} in {dtype}: {reason}.")

    @abstractmethod
    def prepare(self, network: Network, batch_size: int, dtype: DType) -> PlanT:
        """Make all that calls can share: buffers, contraction paths, sparsity."""

    @abstractmethod
    def value_and_gradient(self, plan: PlanT, params: Parameters, batch: Batch) -> ValueAndGradient:
        """The loss and its gradient.

        `batch` has the size and dtype that the plan was made for. The gradient may live in the plan:
        it is valid until the next call with the same plan.
        """
