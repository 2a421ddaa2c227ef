"""Finite differences: one quotient a parameter, from a black box that may call only the loss.

    central   (L(θ + h e) - L(θ - h e)) / 2h     2p passes, error h²/6 L''' + eps L/h, best h ~ eps^(1/3)
    forward   (L(θ + h e) - L(θ)) / h            p passes,  error h/2 L''  + eps L/h, best h ~ eps^(1/2)

One more pass gives the loss itself. The derivation of last resort: it needs no derivation.
(Nocedal and Wright 2006, section 8.1.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

# p rounding errors of about eps L/h each add up as √p, while ‖g‖ itself grows as √i with the inputs. With
# p = i·h, what is left is √h: p^(1/4) for a network about as wide as it has inputs.
_ACCURACY = {
    "central": Accuracy(
        factor=30,
        exponent=2 / 3,
        parameter_exponent=1 / 4,
        reason="h² and eps/h meet at eps^(2/3); √p rounding errors against a gradient of √i leave p^(1/4)",
    ),
    "forward": Accuracy(
        factor=60,
        exponent=1 / 2,
        parameter_exponent=1 / 4,
        reason="h and eps/h meet at eps^(1/2); √p rounding errors against a gradient of √i leave p^(1/4)",
    ),
}


@dataclass(frozen=True)
class Plan:
    """A copy of the parameters to disturb, and the gradient's memory."""

    network: Network
    disturbed: Parameters
    gradient: Parameters


@final
@dataclass(frozen=True, repr=False)
class FiniteDifferences(Strategy[Plan]):
    """Difference quotients of the given kind with the step that balances truncation and rounding."""

    kind: Literal["central", "forward"] = "central"

    summary: ClassVar[str] = "a difference quotient per parameter; calls nothing but the loss"

    @property
    def name(self) -> str:
        """`finite-differences` are central ones."""
        return "finite-differences" if self.kind == "central" else "finite-differences-forward"

    @property
    def accuracy(self) -> Accuracy:
        """The V of truncation and rounding, at its bottom."""
        return _ACCURACY[self.kind]

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network and dtype can be done, given the time."""
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """P + 1 or 2p + 1 forward passes; almost no memory."""
        n, size, weights = batch_size, dtype.itemsize, network.parameter_count
        calls = (2 if self.kind == "central" else 1) * weights + 1
        return Cost(
            flops=calls * network.forward_flops(n),
            bytes_moved=calls
            * size
            * (weights + n * network.inputs + 2 * sum(n * o for _, o in network.widths)),
            peak_bytes=size * 2 * weights + network.forward_bytes(n, size),
            forward_calls=calls,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the copy and the gradient."""
        disturbed, gradient = (Parameters.empty(network.layout, dtype) for _ in range(2))
        return Plan(network, disturbed, gradient)

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One parameter after another is disturbed and put back."""
        disturbed, gradient = plan.disturbed, plan.gradient.vector
        disturbed.vector[...] = params.vector
        dtype, theta = params.dtype.type, disturbed.vector

        def loss_at(k: int, value: Any) -> Any:
            theta[k] = value
            return plan.network.loss(disturbed, batch.inputs, batch.labels)

        loss = plan.network.loss(disturbed, batch.inputs, batch.labels)
        relative_step = np.finfo(dtype).eps ** (1 / 3 if self.kind == "central" else 1 / 2)
        for k, value in enumerate(params.vector):
            step = dtype(relative_step * max(1.0, abs(value)))
            above = value + step  # the step that was really taken is above - value: it has no rounding error
            if self.kind == "central":
                below = value - step
                gradient[k] = (loss_at(k, above) - loss_at(k, below)) / (above - below)
            else:
                gradient[k] = (loss_at(k, above) - loss) / (above - value)
            theta[k] = value
        return ValueAndGradient(float(loss), plan.gradient)


STRATEGIES = (FiniteDifferences(), FiniteDifferences(kind="forward"))
