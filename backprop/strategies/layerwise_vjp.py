"""Layerwise VJP: textbook back-propagation, every layer by itself, softmax and cross-entropy apart.

    dL/dp from the loss, then for every layer from the last to the first   dx, dθ = layer.vjp(dy)

No Jacobian is formed and nothing is fused: -1/p is multiplied by p (dp - Σ p dp) as the chain rule says. A layer
that is made of several steps, such as a normalisation, is derived step by step (`Layer.vjp_by_parts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from backprop.arrays import Array, DType
from backprop.layer_forms import lacking
from backprop.layers.chain import FORWARD, PARTS
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """The gradient's memory; everything else is allocated afresh in every call."""

    network: Network
    gradient: Parameters
    local_gradient: list[dict[str, Array]]


@final
class LayerwiseVJP(Strategy[Plan]):
    """Reverse mode, one VJP a layer."""

    name = "layerwise-vjp"
    summary: ClassVar[str] = "one vector-Jacobian product a layer, nothing fused, no Jacobian"
    rung: ClassVar[float] = 4
    shortcuts: ClassVar[Mapping[str, str] | None] = {
        "parameter jacobian": "the layer's closed form makes the gradient of ∂L/∂y without a Jacobian",
        "jacobian": "the layer's closed form makes ∂L/∂x of ∂L/∂y without a Jacobian",
        "diagonal jacobian": "the matrix is diagonal, so ∂L/∂y is multiplied element by element",
        "softmax jacobian": "with dp = ∂L/∂p, the closed form p * (dp - sum(p * dp)) needs no matrix",
        "outputs by something": "it starts from the one row ∂L/∂p, not from c rows, one for each output",
    }
    accuracy: Accuracy = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer that lacks a form which is needed here; all others can be done."""
        return lacking(network, dtype, "forward", "vjp")

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Three matrix products a linear layer; all activations and two deltas in memory."""
        n, size = batch_size, dtype.itemsize
        activations = n * network.units
        # all activations are kept; then the loss allocates, or a VJP does beside its dy
        loss = network.loss_function.temporaries * n * network.classes * size
        vjp = max(n * o * size + layer.parts_bytes(n, i, o, size) for layer, i, o in network.sized)
        weights = network.parameter_count
        return Cost(
            flops=network.forward_flops(n) + network.layers_parts_flops(n),
            bytes_moved=size * (3 * weights + 2 * n * network.inputs + 5 * activations),
            peak_bytes=size * weights
            + max(network.evaluation_bytes(n, size), size * activations + max(loss, vjp)),
            forward_calls=1,
            passes=network.passes_over([FORWARD + PARTS] * len(network.layers)),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        gradient = Parameters.empty(network.layout, dtype)
        return Plan(network, gradient, network.local(gradient))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Forward, the gradient of the loss, and one VJP a layer."""
        network = plan.network
        steps = network.evaluate(network.local(params), batch.inputs)
        loss = network.loss_function.value(steps[-1].y, batch.labels)
        dy = network.loss_function.gradient(steps[-1].y, batch.labels)
        for k, (layer, own, x, y) in reversed(list(enumerate(steps))):
            dy, _ = layer.vjp_by_parts(own, x, y, dy, dparams=plan.local_gradient[k])
        return ValueAndGradient(float(loss), plan.gradient)


STRATEGIES = (LayerwiseVJP(),)
