"""The short form: closed forms all the way, softmax and cross-entropy fused to p - t, every buffer reused.

    δ of the last linear layer   = (p - t) / n
    δ of the layer before        = (δ Wᵀ) ∘ f'(z)
    dL/dW = xᵀ δ                   dL/db = Σₙ δ

Two matrix products for the first linear layer, whose dx nobody needs, and three for every other. Inputs that
are zero are left out of the first two, where that pays: what is left out adds nothing but zeros. Whether it
pays is decided in `prepare`, by sizes and the threads of BLAS, and then for every batch by its zeros.
`short-form-dense` is the same without that saving. Both multiply small batches
some rows of W at a time (`backprop.small_products`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from backprop import small_products, zero_inputs
from backprop.arrays import Array, DType, aligned_empty
from backprop.layer_forms import lacking
from backprop.layers import Linear
from backprop.layers.base import Planned
from backprop.layers.chain import BACK, FORWARD, Sized
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """Buffers: the outputs y of every layer, dL/dx of every layer but the first, and the gradient.

    layers: the layers of the short form; the first leaves out inputs that are zero, where that pays. gradient: what
    is handed out; it is read-only, because the first layer relies on the zeros that it left there.
    """

    network: Network
    layers: tuple[Planned, ...]
    outputs: list[Array]
    deltas: list[Array | None]
    gradient: Parameters
    local_gradient: list[dict[str, Array]]


@final
@dataclass(frozen=True, repr=False)
class ShortForm(Strategy[Plan]):
    """Reverse mode in closed form with reused buffers; `dense` multiplies zero inputs like all others."""

    dense: bool = False

    summary: ClassVar[str] = (
        "closed form, p - t for softmax and loss, reused buffers, no zero inputs; dense: with them"
    )
    rung: ClassVar[float] = 5
    shortcuts: ClassVar[Mapping[str, str] | None] = {
        "outputs": "p - t is computed at once, and p is not kept",
        "first input": "no parameter's gradient needs it",
        "loss by outputs": "-1/p cancels against the p of the softmax, which leaves p - t",
    }
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
        network, n, size = network.short, batch_size, dtype.itemsize
        places = _in_place(network)
        outputs = sum(n * step.o for step, shared in zip(network.sized, places, strict=True) if not shared)
        deltas = sum(n * step.i for step in network.sized[1:] if _has_delta(step))
        weights = network.parameter_count
        first = network.layers[0]
        buffers = sum(layer.planned_bytes(n, i, o, size) for layer, i, o in network.sized)
        buffers += sum(small_products.buffer_bytes(layer, n, size) for layer in network.layers)
        buffers += 0 if self.dense else zero_inputs.buffer_bytes(first, n, size)
        transient = 0 if self.dense else zero_inputs.transient_bytes(first, n, size)
        return Cost(
            flops=network.forward_flops(n) + network.backward_flops(n, first_input_needed=False),
            bytes_moved=size * (3 * weights + n * network.inputs * 2 + 3 * (outputs + deltas)),
            peak_bytes=size * (outputs + deltas + weights)
            + buffers
            + max(transient, _transient_bytes(network, n, size)),
            forward_calls=1,
            passes=network.passes_over([FORWARD + BACK] * len(network.layers)),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the buffers."""
        network = network.short
        outputs: list[Array] = []
        deltas: list[Array | None] = []
        for k, (step, shared) in enumerate(zip(network.sized, _in_place(network), strict=True)):
            outputs.append(outputs[-1] if shared else aligned_empty((batch_size, step.o), dtype))
            deltas.append(aligned_empty((batch_size, step.i), dtype) if k > 0 and _has_delta(step) else None)
        gradient = Parameters.zeros(network.layout, dtype)
        first, *others = network.layers
        whole = small_products.in_blocks if self.dense else zero_inputs.without_zeros
        layers = (
            whole(first, batch_size, dtype),
            *(small_products.in_blocks(layer, batch_size, dtype) for layer in others),
        )
        return Plan(network, layers, outputs, deltas, gradient.read_only(), network.local(gradient))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Forward through every layer, p - t, and back."""
        tensors, values = plan.network.local(params), [batch.inputs]
        for layer, own, buffer in zip(plan.layers, tensors, plan.outputs, strict=True):
            values.append(layer.forward(own, values[-1], out=buffer))

        loss_function = plan.network.loss_function
        loss, delta = loss_function.value_and_gradient(values[-1], batch.labels, out=values[-1])
        for k, layer in reversed(list(enumerate(plan.layers))):
            own_delta = plan.deltas[k]
            dx, _ = layer.vjp(
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
    """Whether each layer writes its output over its input: where neither layer reads that again."""
    pairs = zip(network.layers, network.sized[1:], strict=False)
    return [False] + [
        not (before.reads_output or layer.reads_input) and i == o for before, (layer, i, o) in pairs
    ]


def _has_delta(step: Sized) -> bool:
    """Whether ∂L/∂x of a layer has a buffer of its own, and is not written over ∂L/∂y."""
    return step.i != step.o or isinstance(step.layer, Linear)


def _transient_bytes(network: Network, n: int, size: int) -> int:
    """The most bytes allocated at once in a call, beside the plan: by a layer, or by the loss.

    The gradient (n, c) of a loss that does not write it into a buffer lives until a layer with a delta of its own is
    passed.
    """
    output = n * network.classes
    in_place = network.loss_function.in_place_bytes(n, network.classes, size)
    if in_place is not None:
        loss, delta = in_place, 0
    else:
        loss, delta = network.loss_function.temporaries * output * size, output * size
    last = max((k for k, step in enumerate(network.sized) if _has_delta(step)), default=0)
    calls = [layer.planned_call_bytes(n, i, o, size) for layer, i, o in network.sized]
    backward = (
        (vjp if k > 0 or layer.parameter_shapes() else 0) + (delta if k >= last else 0)
        for k, (layer, (_, vjp)) in enumerate(zip(network.layers, calls, strict=True))
    )
    return max(loss, *(forward for forward, _ in calls), *backward)


STRATEGIES = (ShortForm(), ShortForm(dense=True))
