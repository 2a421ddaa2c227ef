"""The short form: closed forms all the way, softmax and cross-entropy fused to p - y, every buffer reused.

    δ of the last linear layer   = (p - y) / n
    δ of the layer before        = (δ Wᵀ) ∘ f'(z)
    dL/dW = xᵀ δ                   dL/db = Σₙ δ

Two matrix products for the first linear layer, whose dx nobody needs, and three for every other. Inputs that
are zero are left out of the first two, where that pays: what is left out adds nothing but zeros. Whether it
pays is decided in `prepare`, by sizes and the threads of BLAS, and then for every batch by its zeros.
`short-form-dense` is the same without that saving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from backprop import zero_inputs
from backprop.arrays import Array, DType, aligned_empty, ufunc_buffer_bytes
from backprop.layer_forms import lacking
from backprop.layers import Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient
from backprop.tail import chain


@dataclass(frozen=True)
class Plan:
    """Buffers: the outputs y of every layer, dL/dx of every layer but the first, and the gradient.

    first: the first layer without its zero inputs; None where that cannot pay. `gradient` is what is handed
    out and cannot be written to: `first` relies on what it left there.
    """

    network: Network
    outputs: list[Array]
    deltas: list[Array | None]
    gradient: Parameters
    local_gradient: list[dict[str, Array]]
    first: zero_inputs.ZeroInputs | None


@final
@dataclass(frozen=True, repr=False)
class ShortForm(Strategy[Plan]):
    """Reverse mode in closed form with reused buffers; `dense` multiplies zero inputs like all others."""

    dense: bool = False

    summary: ClassVar[str] = "closed form, softmax and cross-entropy fused to p - y, reused buffers"
    accuracy: ClassVar[Accuracy] = EXACT

    @property
    def name(self) -> str:
        """The saving is named where it is left off."""
        return "short-form-dense" if self.dense else "short-form"

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer that lacks a form which is needed here; all others can be done."""
        return lacking(network, dtype, "forward", "vjp")

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Two or three matrix products a layer; activations, deltas and the gradient in memory."""
        n, size = batch_size, dtype.itemsize
        layers = list(zip(chain(network), network.widths, strict=False))
        flops = network.forward_flops(n) + sum(
            layer.vjp_flops(n, i, o, input_needed=k > 0) for k, (layer, (i, o)) in enumerate(layers)
        )
        places = _in_place(network)
        outputs = sum(n * o for (_, (_, o)), shared in zip(layers, places, strict=True) if not shared)
        deltas = sum(n * i for k, (layer, (i, _)) in enumerate(layers) if k > 0 and isinstance(layer, Linear))
        weights = network.parameter_count
        first = network.layers[0]
        buffers = 0 if self.dense else zero_inputs.buffer_bytes(n, first, size)
        transient = 0 if self.dense else zero_inputs.transient_bytes(n, first, size)
        return Cost(
            flops=flops,
            bytes_moved=size * (3 * weights + n * network.inputs * 2 + 3 * (outputs + deltas)),
            peak_bytes=size * (outputs + deltas + weights)
            + buffers
            + max(transient, _transient_bytes(network, n, size)),
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the buffers."""
        outputs: list[Array] = []
        deltas: list[Array | None] = []
        for k, (layer, shared, (i, o)) in enumerate(
            zip(chain(network), _in_place(network), network.widths, strict=False)
        ):
            outputs.append(outputs[-1] if shared else aligned_empty((batch_size, o), dtype))
            deltas.append(
                aligned_empty((batch_size, i), dtype) if k > 0 and isinstance(layer, Linear) else None
            )
        gradient = Parameters.zeros(network.layout, dtype)
        local_gradient = network.local(gradient)
        weights = local_gradient[0].get("W")
        first = (
            None
            if self.dense or weights is None
            else zero_inputs.prepare(batch_size, network.layers[0], dtype, weights)
        )
        return Plan(network, outputs, deltas, gradient.read_only(), local_gradient, first)

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Forward through every layer, p - y, and back."""
        network, layers = plan.network, chain(plan.network)
        tensors = network.local(params)
        values = [batch.inputs]
        for layer, own, buffer in zip(
            [plan.first or layers[0], *layers[1:]], tensors, plan.outputs, strict=False
        ):
            values.append(layer.forward(own, values[-1], out=buffer))

        loss, delta = _output_delta(network, values[-1], batch.labels)
        for k in reversed(range(len(layers))):
            if k == 0 and plan.first:
                plan.first.vjp(tensors[0], values[0], values[1], delta, dparams=plan.local_gradient[0])
                break
            own_delta = plan.deltas[k]
            dx, _ = layers[k].vjp(
                tensors[k],
                values[k],
                values[k + 1],
                delta,
                input_needed=k > 0,
                out=delta if own_delta is None else own_delta,
                dparams=plan.local_gradient[k],
            )
            if dx is not None:
                delta = dx
        return ValueAndGradient(float(loss), plan.gradient)


def _in_place(network: Network) -> list[bool]:
    """Whether a layer writes its output over its input: after a linear layer, whose output nobody reads."""
    layers = chain(network)
    return [
        k > 0
        and isinstance(layers[k - 1], Linear)
        and not isinstance(layer, Linear)
        and not layer.reads_input
        for k, layer in enumerate(layers)
    ]


def _transient_bytes(network: Network, n: int, size: int) -> int:
    """The most bytes allocated at once in a call, beside the plan: by a layer, or by the loss.

    A loss that is not fused has no buffer: its gradient (n, c) lives until the last linear layer is passed.
    """
    layers = list(zip(chain(network), network.widths, strict=False))
    output = n * network.classes
    if network.fused:
        loss, delta = ufunc_buffer_bytes(output, size), 0
    else:
        loss, delta = network.loss_function.value_temporaries * output * size, output * size
    last = max(k for k, (layer, _) in enumerate(layers) if isinstance(layer, Linear))
    forward = (layer.forward_bytes(n, i, o, size, out=True) for layer, (i, o) in layers)
    backward = (
        layer.vjp_bytes(n, i, o, size, out=True) + (delta if k >= last else 0)
        for k, (layer, (i, o)) in enumerate(layers)
    )
    return max(loss, *forward, *backward)


def _output_delta(network: Network, y: Array, labels: Array) -> tuple[float, Array]:
    """The loss and its gradient by the outputs of `chain`, written over them where it is fused."""
    loss = network.loss_function
    if network.fused:
        return loss.fused_value_and_gradient(y, labels, out=y)
    return loss.value(y, labels), loss.gradient(y, labels)


STRATEGIES = (ShortForm(), ShortForm(dense=True))
