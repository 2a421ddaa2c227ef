"""numdifftools: central differences of a black box with adaptive steps and Richardson extrapolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw
from backprop.peers.black_box import Plan, black_box_cost, loss_of_vector
from backprop.strategy import Accuracy, Cost, ValueAndGradient

_STEP, _STEPS = 2e-6, 3
"""The smallest step and the number of steps: its defaults begin so far out that they cross kinks of relu."""


@final
class NumdifftoolsGradient(Peer[Plan]):
    """numdifftools.Gradient with a short sequence of small steps."""

    name = "numdifftools-gradient"
    package: ClassVar[str] = "numdifftools"
    pip: ClassVar[str] = "numdifftools"
    summary: ClassVar[str] = "numdifftools: Gradient, extrapolated central differences of a black box"
    accuracy = Accuracy(
        factor=300,
        exponent=2 / 3,
        parameter_exponent=0.5,
        reason="extrapolation reaches eps^(4/5) on smooth functions and less beside kinks, which its steps cross",
    )

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """It works in float64."""
        return None if dtype.itemsize == 8 else "its steps are made for float64"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Two forward passes a parameter and step."""
        return black_box_cost(network, batch_size, dtype, 2 * _STEPS * network.parameter_count + 2)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        return Plan(network, Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The loss as a function of the vector."""
        import numdifftools

        loss = loss_of_vector(plan.network, params, batch)
        gradient = numdifftools.Gradient(
            loss, step=numdifftools.MinStepGenerator(base_step=_STEP, num_steps=_STEPS)
        )
        return lambda: (loss(params.vector), gradient(params.vector))

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradient."""
        plan.gradient.vector[...] = raw[1]
        return ValueAndGradient(float(raw[0]), plan.gradient)


STRATEGIES = (NumdifftoolsGradient(),)
