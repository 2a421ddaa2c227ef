"""The complex step: one complex evaluation of the loss a parameter, and no difference to cancel digits in.

    ∂L/∂θ[k] = Im L(θ + ih e_k) / h + O(h²)

An analytic L continues to complex numbers, L(θ + ih e) = L(θ) + ih ∂L/∂θ - h²/2 ∂²L/∂θ² - …, so the
derivative is the imaginary part alone: nothing is subtracted, h may be as small as the dtype can hold, and
what is left is rounding (Squire and Trapp 1998; Martins, Sturdza and Alonso 2003). Where a function is
analytic in pieces, as relu is, the real part chooses the piece. A black box like finite differences: p
forward passes, of complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import OptionError
from backprop.network import Batch, Network
from backprop.options import check_step
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient

# Powers of two: to multiply by h and to divide by it rounds nothing. h² and a gradient of 1e-20 times h are
# still normal numbers of the dtype.
_STEP = {"float32": 2.0**-50, "float64": 2.0**-100}

_FLOPS_OF_COMPLEX = 4  # products are most of it: four real ones and two sums for every two operations


@dataclass(frozen=True)
class Plan:
    """The step, complex copies of parameters and inputs, and the gradient's memory."""

    network: Network
    step: float
    disturbed: Parameters
    inputs: Array
    gradient: Parameters


@final
@dataclass(frozen=True, repr=False)
class ComplexStep(Strategy[Plan]):
    """Imaginary parts of the loss at parameters disturbed along the imaginary axis.

    `step` is h, the same for every parameter; None is 2⁻¹⁰⁰ in float64 and 2⁻⁵⁰ in float32. Raises
    `OptionError` for a step that is not above zero and, in `prepare`, for one whose h² is above the
    rounding of the dtype or too small for its range.
    """

    step: float | None = None

    name: ClassVar[str] = "complex-step"
    summary: ClassVar[str] = "Im L(θ + ih)/h: a complex forward pass per parameter, exact to rounding"
    rung: ClassVar[float] = 8
    accuracy: ClassVar[Accuracy] = EXACT

    def __post_init__(self) -> None:
        check_step(self.step)

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer or loss without a complex form, by name; and parameters that are complex already."""
        if dtype.kind == "c":
            return f"the parameters are {dtype.name} and the imaginary axis is taken; expected real ones"
        for layer in network.layers:
            if not layer.complex_safe:
                return f"the layer {layer.name} has no complex-safe form"
        if not network.loss_function.complex_safe:
            return f"the loss {network.loss_function.name} has no complex-safe form"
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The cost of p complex forward passes, and of complex copies of parameters and inputs.

        `forward_calls` counts complex passes, each of about four real ones: `flops` says so.
        """
        n, size, weights = batch_size, dtype.itemsize, network.parameter_count
        return Cost(
            flops=weights * _FLOPS_OF_COMPLEX * network.forward_flops(n),
            bytes_moved=weights * network.forward_traffic(n, 2 * size),
            peak_bytes=size * (3 * weights + 2 * n * network.inputs) + network.forward_bytes(n, 2 * size),
            forward_calls=weights,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Choose the step, allocate the complex copies and the gradient."""
        step = self.step or _STEP[dtype.name]
        limits = np.finfo(dtype)
        if not limits.tiny <= step * step <= limits.eps:
            raise OptionError(
                f"The step is {step:.3g}; expected one from {limits.tiny**0.5:.2g} to {limits.eps**0.5:.2g}, "
                f"so that its square is below the rounding of {dtype.name} and within its range."
            )
        complex_dtype = np.result_type(dtype, np.complex64)
        return Plan(
            network,
            step,
            Parameters.empty(network.layout, complex_dtype),
            np.empty((batch_size, network.inputs), complex_dtype),
            Parameters.empty(network.layout, dtype),
        )

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One parameter after another is disturbed and put back; the real part is the loss itself."""
        plan.disturbed.vector[...] = params.vector
        plan.inputs[...] = batch.inputs
        theta, imaginary = plan.disturbed.vector, plan.gradient.vector
        for k, value in enumerate(params.vector):
            theta[k] = complex(value, plan.step)
            loss = plan.network.loss(plan.disturbed, plan.inputs, batch.labels)
            imaginary[k] = loss.imag
            theta[k] = value
        plan.gradient.vector /= params.dtype.type(plan.step)
        return ValueAndGradient(float(loss.real), plan.gradient)


STRATEGIES = (ComplexStep(),)
