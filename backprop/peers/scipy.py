"""SciPy: optimize.approx_fprime, forward differences; and differentiate.jacobian, adaptive central differences.

Both see a black box that returns the loss. `differentiate.jacobian` evaluates many points in one call of a
function of (p, …) and works in float64 alone (scipy.differentiate, since SciPy 1.15).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw
from backprop.peers.black_box import Plan, black_box_cost, loss_of_vector
from backprop.strategy import Accuracy, Cost, ValueAndGradient

_ADAPTIVE_CALLS = 30
"""Evaluations a parameter that the adaptive scheme was seen to need before it met its own tolerance."""

_FIRST_STEP = 1e-3
"""Its default of 0.5 crosses the kinks of relu, where no difference quotient is a derivative."""


@final
class ScipyApproxFprime(Peer[Plan]):
    """scipy.optimize.approx_fprime with its default step."""

    name = "scipy-approx-fprime"
    package: ClassVar[str] = "scipy"
    pip: ClassVar[str] = "scipy"
    summary: ClassVar[str] = "SciPy: optimize.approx_fprime, forward differences of a black box"
    accuracy = Accuracy(
        factor=30,
        exponent=1 / 2,
        parameter_exponent=0.5,
        reason="h and eps/h meet at eps^(1/2); p independent rounding errors add up as √p",
    )

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """It steps by the root of float64's eps, which float32 cannot see."""
        return None if dtype.itemsize == 8 else "its step is made for float64"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """P + 2 forward passes: one for the value that we return, too."""
        return black_box_cost(network, batch_size, dtype, network.parameter_count + 2)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        return Plan(network, Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The loss as a function of the vector."""
        from scipy.optimize import approx_fprime

        loss = loss_of_vector(plan.network, params, batch)
        return lambda: (loss(params.vector), approx_fprime(params.vector, loss))

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradient."""
        plan.gradient.vector[...] = raw[1]
        return ValueAndGradient(float(raw[0]), plan.gradient)


@final
class ScipyDifferentiate(Peer[Plan]):
    """scipy.differentiate.jacobian of the loss."""

    name = "scipy-differentiate"
    package: ClassVar[str] = "scipy.differentiate"
    pip: ClassVar[str] = "scipy>=1.15"
    summary: ClassVar[str] = "SciPy: differentiate.jacobian, adaptive central differences of a black box"
    accuracy = Accuracy(
        factor=300,
        exponent=2 / 3,
        parameter_exponent=0.5,
        reason="it stops where its own estimate meets the root of eps, which is often earlier than the best step",
    )

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """It is made for float64."""
        return None if dtype.itemsize == 8 else "its tolerances are made for float64"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """About thirty forward passes a parameter."""
        return black_box_cost(network, batch_size, dtype, _ADAPTIVE_CALLS * network.parameter_count)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        return Plan(network, Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The loss at every point of an array (p, …)."""
        from scipy.differentiate import jacobian

        loss = loss_of_vector(plan.network, params, batch)

        def losses(points: Array) -> Array:
            columns = points.reshape(len(points), -1)
            values = [loss(np.ascontiguousarray(column)) for column in columns.T]
            return np.asarray(values).reshape(points.shape[1:])

        return lambda: (loss(params.vector), jacobian(losses, params.vector, initial_step=_FIRST_STEP).df)

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradient."""
        gradient: Any = raw[1]
        plan.gradient.vector[...] = gradient
        return ValueAndGradient(float(raw[0]), plan.gradient)


STRATEGIES = (ScipyApproxFprime(), ScipyDifferentiate())
