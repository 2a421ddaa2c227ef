"""The forward gradient: an unbiased estimate from k random directions, without a backward pass.

    ĝ = 1/k Σ (v·∇L) v        v ~ N(0, I), v·∇L by one Jacobian-vector product through the whole network

E[v vᵀ] = I makes E[ĝ] = ∇L. The error of ĝ comes from chance, not from rounding, and is large:

    E‖ĝ - g‖² / ‖g‖² = (p + 1)/k

With fewer directions than parameters a gradient of zero is nearer to g than the estimate. The estimate is made for
stochastic descent, where the noise averages out over steps (Baydin, Pearlmutter, Syme, Wood and Torr 2022,
arXiv:2202.08587). Every element comes with its standard error, estimated from the spread of the k
samples: s[p] = √(1/k · 1/(k - 1) · Σ (v·∇L v[p] - ĝ[p])²).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import OptionError
from backprop.layer_forms import lacking
from backprop.layers import Linear
from backprop.layers.chain import FORWARD, JVP, Evaluated
from backprop.network import Batch, Network
from backprop.options import check_count
from backprop.parameters import Parameters
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

_USUAL_DIRECTIONS = 16

_FLOPS_OF_A_NORMAL = 20


@dataclass(frozen=True)
class Plan:
    """The generator of the directions, the last direction, and the estimate with its standard error.

    Every call draws new directions, or a descent would never leave the space of the first ones. The
    standard error is valid until the next call, as the gradient is; of a single direction it is infinite.
    """

    network: Network
    rng: np.random.Generator
    directions: int
    direction: Parameters
    gradient: Parameters
    standard_error: Parameters


@final
@dataclass(frozen=True, repr=False)
class ForwardGradient(Strategy[Plan]):
    """The mean of k directional derivatives, each times its direction.

    `directions` is k, at most p; None is 16, or p where that is less. `seed` starts the generator of every
    plan. Raises `OptionError` for a k that is no whole number above zero and, in `prepare`, above p.
    """

    directions: int | None = None
    seed: int = 2022

    name: ClassVar[str] = "forward-gradient"
    summary: ClassVar[str] = (
        "an unbiased estimate from random directions, one JVP each, with its standard error"
    )

    rung: ClassVar[float] = 10

    def __post_init__(self) -> None:
        check_count("directions", self.directions)

    @property
    def accuracy(self) -> Accuracy:
        """The root of the mean square error, with room for its own spread.

        One estimate in a thousand lies outside for six parameters, and one in 100,000 for twenty.
        """
        return Accuracy(
            factor=6,
            exponent=0,
            directions=self.directions or _USUAL_DIRECTIONS,
            reason="chance: E‖ĝ - g‖²/‖g‖² = (p + 1)/k for k normal directions; 1 + 6/√k is for its own spread",
        )

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """More directions than parameters, where the exact gradient is cheaper; and a layer without a JVP."""
        return self._too_many(network) or lacking(network, dtype, "forward", "jvp")

    def _too_many(self, network: Network) -> str | None:
        if self.directions is not None and self.directions > network.parameter_count:
            return f"{self.directions} directions are more than the {network.parameter_count} parameters"
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The cost of k directions of p random numbers, each with the JVP of every layer.

        `forward_calls` is 1: the k passes are of tangents and are counted in `flops`.
        """
        network, n, size, weights = network.short, batch_size, dtype.itemsize, network.parameter_count
        k = min(self.directions or _USUAL_DIRECTIONS, weights)
        push = sum(
            2 * layer.forward_flops(n, i, o)
            if isinstance(layer, Linear)
            else layer.vjp_flops(n, i, o, input_needed=True)
            for layer, i, o in network.sized
        )
        activations = n * (network.units + network.classes)
        return Cost(
            flops=network.forward_flops(n) + k * (push + weights * (_FLOPS_OF_A_NORMAL + 5)),
            bytes_moved=size * (weights + k * (10 * weights + n * network.inputs + 4 * activations)),
            peak_bytes=size * (3 * weights + activations) + _push_bytes(network, n, size),
            forward_calls=1,
            passes=network.passes_over([FORWARD + k * JVP] * len(network.layers)),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Seed the generator, allocate a direction, the estimate and its standard error."""
        reason = self._too_many(network)
        if reason is not None:
            raise OptionError(f"The {reason}; expected as many at most.")
        return Plan(
            network.short,
            np.random.default_rng(self.seed),
            min(self.directions or _USUAL_DIRECTIONS, network.parameter_count),
            *(Parameters.empty(network.layout, dtype) for _ in range(3)),
        )

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One forward pass and ∂L/∂(outputs), then one direction after another."""
        network = plan.network
        steps = network.evaluate(network.local(params), batch.inputs)
        value, covector = network.loss_function.value_and_gradient(steps[-1].y, batch.labels)

        direction, mean, squares = (p.vector for p in (plan.direction, plan.gradient, plan.standard_error))
        tangents = network.local(plan.direction)
        mean.fill(0)
        squares.fill(0)
        for _ in range(plan.directions):
            plan.rng.standard_normal(out=direction, dtype=direction.dtype.type)
            direction *= np.vdot(covector, _push(steps, tangents))  # a sample of the estimate
            mean += direction
            squares += np.square(direction, out=direction)
        _finish(plan.directions, mean, squares, direction)
        return ValueAndGradient(float(value), plan.gradient)


def _push(steps: Sequence[Evaluated], tangents: Sequence[Mapping[str, Array]]) -> Array:
    """The tangent of the outputs (n, c) along one direction of all parameters."""
    tangent = np.zeros((1, steps[0].x.shape[1]), steps[0].x.dtype)  # no input moves
    for step, dparams in zip(steps, tangents, strict=False):
        tangent = step.layer.jvp(step.own, step.x, step.y, tangent, dparams)
    return tangent


def _finish(k: int, mean: Array, squares: Array, scratch: Array) -> None:
    """Turn the sum of the samples into their mean, and that of their squares into its standard error."""
    mean /= k
    if k == 1:
        squares.fill(np.inf)
        return
    squares /= k
    squares -= np.square(mean, out=scratch)
    np.maximum(squares, 0, out=squares)  # rounding may leave a variance below zero
    squares /= k - 1
    np.sqrt(squares, out=squares)


def _push_bytes(network: Network, n: int, size: int) -> int:
    """The most bytes of a JVP through the network: its tangents, and what a layer allocates."""
    numbers, before = [0], network.inputs * size
    for layer, i, o in network.sized:
        numbers.append(before + layer.jvp_bytes(n, i, o, size))
        before = n * o * size
    return max(numbers)


STRATEGIES = (ForwardGradient(),)
