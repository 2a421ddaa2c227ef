"""numdifftools: central differences of a black box with adaptive steps and Richardson extrapolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

from backprop.arrays import Array
from backprop.network import Network
from backprop.peers.black_box import BlackBoxPeer, VectorLoss
from backprop.strategy import Accuracy

_STEP, _STEPS = 2e-6, 3
"""The smallest step and the number of steps: the library's defaults begin with steps that cross kinks of relu."""


@final
class NumdifftoolsGradient(BlackBoxPeer):
    """numdifftools.Gradient with a short sequence of small steps."""

    name = "numdifftools-gradient"
    package: ClassVar[str] = "numdifftools"
    oldest: ClassVar[str] = "0.9.41"
    function: ClassVar[str] = "numdifftools.Gradient for NumPy 2"
    summary: ClassVar[str] = "numdifftools: Gradient, extrapolated central differences of a black box"
    accuracy = Accuracy(
        factor=300,
        exponent=2 / 3,
        parameter_exponent=0.5,
        reason="extrapolation reaches eps^(4/5) on smooth functions and less beside kinks, which its steps cross",
    )

    def evaluations(self, network: Network) -> int:
        """Two a parameter and step, and two for the value."""
        return 2 * _STEPS * network.parameter_count + 2

    def differentiate(self, loss: VectorLoss) -> Callable[[Array], Any]:
        """Extrapolated differences."""
        import numdifftools

        steps = numdifftools.MinStepGenerator(base_step=_STEP, num_steps=_STEPS)
        return numdifftools.Gradient(loss, step=steps)  # type: ignore[no-any-return]


STRATEGIES = (NumdifftoolsGradient(),)
