"""Finite differences: one quotient a parameter, from a black box that may call only the loss.

    forward      (L(θ + h e) - L(θ)) / h            p passes,  error h/2 L''   + eps L/h, best h ~ eps^(1/2)
    central      (L(θ + h e) - L(θ - h e)) / 2h     2p passes, error h²/6 L''' + eps L/h, best h ~ eps^(1/3)
    richardson   (4 D(h/2) - D(h)) / 3              4p passes, error h⁴/480 L⁽⁵⁾ + eps L/h, best h ~ eps^(1/5)

with D(h) the central quotient, whose error in h² cancels (Richardson 1911). One more pass gives the loss
itself. Nothing has to be derived, so this is the last resort. (Nocedal and Wright 2006, section 8.1.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, final

import numpy as np

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.options import check_choice, check_step, check_step_shows
from backprop.parameters import Parameters
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

# p rounding errors of about eps L/h each add up as √p, while ‖g‖ itself grows as √i with the inputs. With
# p = i·h, what is left is √h: p^(1/4) for a network about as wide as it has inputs.
_ROUNDING = "√p rounding errors against a gradient of √i leave p^(1/4)"


class _Kind(NamedTuple):
    """A kind of quotient: how often it calls the loss for a parameter, and its best step, eps**step_exponent."""

    calls: int
    step_exponent: float
    accuracy: Accuracy


_KINDS = {
    "central": _Kind(2, 1 / 3, Accuracy(30, 2 / 3, f"h² and eps/h meet at eps^(2/3); {_ROUNDING}", 1 / 4)),
    "forward": _Kind(1, 1 / 2, Accuracy(60, 1 / 2, f"h and eps/h meet at eps^(1/2); {_ROUNDING}", 1 / 4)),
    "richardson": _Kind(4, 1 / 5, Accuracy(30, 4 / 5, f"h⁴ and eps/h meet at eps^(4/5); {_ROUNDING}", 1 / 4)),
}


@dataclass(frozen=True)
class Plan:
    """The step relative to the parameter, a copy of the parameters to disturb, and the gradient's memory."""

    network: Network
    relative_step: float
    disturbed: Parameters
    gradient: Parameters


@final
@dataclass(frozen=True, repr=False)
class FiniteDifferences(Strategy[Plan]):
    """Difference quotients of the given kind.

    `relative_step` is h for parameters up to one and grows with larger ones; None is the step that
    balances truncation and rounding. Raises `OptionError` for another kind, for a step that is not above
    zero and, in `prepare`, for one below the rounding of the dtype.
    """

    kind: Literal["central", "forward", "richardson"] = "central"
    relative_step: float | None = None

    summary: ClassVar[str] = (
        "a difference quotient per parameter, central where none is named; calls nothing but the loss"
    )

    rung: ClassVar[float] = 6

    def __post_init__(self) -> None:
        check_choice("kind of quotient", self.kind, _KINDS)
        check_step(self.relative_step)

    @property
    def name(self) -> str:
        """`finite-differences` are central ones."""
        return "finite-differences" if self.kind == "central" else f"finite-differences-{self.kind}"

    @property
    def accuracy(self) -> Accuracy:
        """The V of truncation and rounding, at its bottom."""
        return _KINDS[self.kind].accuracy

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network can be done, given the time; extrapolation only where the loss is smooth."""
        parts = [(layer.name, "layer", layer.smooth) for layer in network.layers]
        parts.append((network.loss_function.name, "loss", network.loss_function.smooth))
        kinked = next((f"{kind} {name}" for name, kind, smooth in parts if not smooth), None)
        if self.kind == "richardson" and kinked:
            return f"the {kinked} has kinks, which the long steps of an extrapolation cross"
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The cost of p + 1, 2p + 1 or 4p + 1 forward passes; almost no memory."""
        n, size, weights = batch_size, dtype.itemsize, network.parameter_count
        calls = _KINDS[self.kind].calls * weights + 1
        return Cost(
            flops=calls * network.forward_flops(n),
            bytes_moved=calls * network.forward_traffic(n, size),
            peak_bytes=size * 2 * weights + network.forward_bytes(n, size),
            forward_calls=calls,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Choose the step, allocate the copy and the gradient."""
        relative_step = self.relative_step or float(np.finfo(dtype).eps) ** _KINDS[self.kind].step_exponent
        check_step_shows(relative_step / (2 if self.kind == "richardson" else 1), dtype)
        disturbed, gradient = (Parameters.empty(network.layout, dtype) for _ in range(2))
        return Plan(network, relative_step, disturbed, gradient)

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One parameter after another is disturbed and put back."""
        disturbed, gradient = plan.disturbed, plan.gradient.vector
        disturbed.vector[...] = params.vector
        dtype, theta = params.dtype.type, disturbed.vector

        def loss_at(k: int, value: Any) -> Any:
            theta[k] = value
            return plan.network.loss(disturbed, batch.inputs, batch.labels)

        def central(k: int, value: Any, step: Any) -> Any:
            above, below = value + step, value - step  # the step really taken is their distance: it is exact
            return (loss_at(k, above) - loss_at(k, below)) / (above - below)

        loss = plan.network.loss(disturbed, batch.inputs, batch.labels)
        for k, value in enumerate(params.vector):
            step = dtype(plan.relative_step * max(1.0, abs(value)))
            if self.kind == "forward":
                gradient[k] = (loss_at(k, value + step) - loss) / ((value + step) - value)
            elif self.kind == "central":
                gradient[k] = central(k, value, step)
            else:
                gradient[k] = (4 * central(k, value, step / 2) - central(k, value, step)) / 3
            theta[k] = value
        return ValueAndGradient(float(loss), plan.gradient)


STRATEGIES = (FiniteDifferences(), FiniteDifferences(kind="forward"), FiniteDifferences(kind="richardson"))
