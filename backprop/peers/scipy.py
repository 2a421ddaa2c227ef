"""SciPy: optimize.approx_fprime, forward differences; and differentiate.jacobian, adaptive central differences.

Both see a black box that returns the loss. `differentiate.jacobian` evaluates many points in one call of a
function of (p, …).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.network import Network
from backprop.peers.black_box import BlackBoxPeer, VectorLoss
from backprop.strategy import Accuracy

_ADAPTIVE_CALLS = 30
"""Evaluations a parameter that the adaptive scheme was seen to need before it met its own tolerance."""

_FIRST_STEP = 1e-3
"""SciPy's default of 0.5 crosses the kinks of relu, where no difference quotient is a derivative."""


@final
class ScipyApproxFprime(BlackBoxPeer):
    """scipy.optimize.approx_fprime with its default step, the root of float64's eps."""

    name = "scipy-approx-fprime"
    package: ClassVar[str] = "scipy"
    oldest: ClassVar[str] = "1.0"
    function: ClassVar[str] = "scipy.optimize.approx_fprime"
    summary: ClassVar[str] = "SciPy: optimize.approx_fprime, forward differences of a black box"
    accuracy = Accuracy(
        factor=30,
        exponent=1 / 2,
        parameter_exponent=0.5,
        reason="h and eps/h meet at eps^(1/2); p independent rounding errors add up as √p",
    )

    def evaluations(self, network: Network) -> int:
        """One a parameter, and two for the value: SciPy's and ours."""
        return network.parameter_count + 2

    def differentiate(self, loss: VectorLoss) -> Callable[[Array], Any]:
        """Forward differences."""
        from scipy.optimize import approx_fprime

        return lambda vector: approx_fprime(vector, loss)


@final
class ScipyDifferentiate(BlackBoxPeer):
    """scipy.differentiate.jacobian of the loss."""

    name = "scipy-differentiate"
    package: ClassVar[str] = "scipy"
    oldest: ClassVar[str] = "1.15"
    function: ClassVar[str] = "scipy.differentiate.jacobian"
    summary: ClassVar[str] = "SciPy: differentiate.jacobian, adaptive central differences of a black box"
    accuracy = Accuracy(
        factor=300,
        exponent=2 / 3,
        parameter_exponent=0.5,
        reason="it stops where its own estimate meets the root of eps, which is often earlier than the best step",
    )

    def evaluations(self, network: Network) -> int:
        """About thirty a parameter."""
        return _ADAPTIVE_CALLS * network.parameter_count

    def differentiate(self, loss: VectorLoss) -> Callable[[Array], Any]:
        """The loss at every point of an array (p, …), and its adaptive differences."""
        from scipy.differentiate import jacobian

        def losses(points: Array) -> Array:
            columns = points.reshape(len(points), -1)
            values = [loss(np.ascontiguousarray(column)) for column in columns.T]
            return np.asarray(values).reshape(points.shape[1:])

        return lambda vector: jacobian(losses, vector, initial_step=_FIRST_STEP).df


STRATEGIES = (ScipyApproxFprime(), ScipyDifferentiate())
