"""Forward mode: the derivative along every basis direction of the parameters, many directions at once.

    direction e of W[i,j]   ż[n,j] = x[n,i]                        b[j] is an input of one
    activation              ȧ[n,j] = f'(z[n,j]) ż[n,j]
    next linear layer       ż₂[n,:] = ȧ[n,j] W₂[j,:]               from here on, the JVP of every layer
    loss                    dL/dW[i,j] = Σₙ Σ_c ∂L/∂z₂[n,c] ż₂[n,c]

Every one of the p directions is carried through the network to the loss by Jacobian-vector products
(Griewank and Walther 2008, section 3.1), and no product is taken in the order of reverse mode. A basis
direction moves one unit of its own layer, so the tangent is that unit's until the next layer mixes them.
Directions come in blocks sized to the cache: n·c numbers for each, written and read there. The parameters of a layer
that is not linear are moved one after another, by the layer's own JVP.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backprop.after_linear import AfterLinear
from backprop.arrays import Array, DType, ufunc_buffer_bytes
from backprop.layer_forms import lacking
from backprop.layers import Elementwise, Linear
from backprop.layers.chain import FORWARD, JVP, Evaluated, Sized
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient

_BLOCK_BYTES = 1 << 18
"""Bytes of the widest tangent of a block of directions: two such tangents fit a second-level cache of 1 MB."""


@dataclass(frozen=True)
class Plan:
    """The gradient's memory, and for every layer with parameters a view of it.

    Of a linear layer that is dL/dW with dL/db below, (i + 1, o), of another one (p,), its parameters in their order.
    """

    network: Network
    gradient: Parameters
    slopes: dict[int, Array]


@final
@dataclass(frozen=True, repr=False)
class ForwardMode(Strategy[Plan]):
    """A Jacobian-vector product for each of the p basis directions."""

    name: ClassVar[str] = "forward-mode"
    summary: ClassVar[str] = "Jacobian-vector products along all p directions, in blocks sized to the cache"
    rung: ClassVar[float] = 9
    accuracy: ClassVar[Accuracy] = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer without a JVP; all others can be done."""
        return lacking(network, dtype, "forward", "jvp")

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """A tangent of every layer that follows, n·o numbers, for each of the p directions.

        `forward_calls` is 1: this is no black box, its passes are of tangents and are counted in `flops`.
        """
        network, n, size = network.short, batch_size, dtype.itemsize
        flops, numbers, block = network.forward_flops(n), 0, 0
        times = [FORWARD] * len(network.layers)
        for k, layer in enumerate(network.layers):
            directions = layer.parameter_count
            times[k] += JVP * directions
            for later in range(k + 1, len(times)):
                times[later] += JVP * _blocks(network, k, n, size)
            if isinstance(layer, Linear):
                after = AfterLinear.of(network, k)
                flops += directions * _flops(after, n)
                numbers += directions * n * (after.entry + sum(step.o for step in after.evaluated))
                block = max(block, _block_bytes(network, k, n, size))
            elif directions:
                later = sum(_jvp_flops(step, n) for step in network.sized[k:])
                flops += directions * (later + 2 * n * network.classes)
                numbers += directions * n * sum(step.o for step in network.sized[k:])
                block = max(block, _other_block_bytes(network, k, n, size))
        activations = n * (network.units + network.classes)
        return Cost(
            flops=flops,
            bytes_moved=size * (2 * numbers + network.parameter_count),
            peak_bytes=size * (network.parameter_count + activations) + block,
            forward_calls=1,
            passes=network.passes_over(times),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        gradient, start = Parameters.empty(network.layout, dtype), 0
        slopes = {}
        for k, layer in enumerate(network.layers):
            stop = start + layer.parameter_count
            if stop > start:
                own = gradient.vector[start:stop]
                slopes[k] = own.reshape(-1, layer.outputs) if isinstance(layer, Linear) else own
                start = stop
        return Plan(network.short, gradient, slopes)

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """One forward pass and ∂L/∂(outputs), then the directions of one layer after another."""
        network = plan.network
        steps = network.evaluate(network.local(params), batch.inputs)
        value, covector = network.loss_function.value_and_gradient(steps[-1].y, batch.labels)
        for k, slopes in plan.slopes.items():
            if isinstance(network.layers[k], Linear):
                _fill(slopes, steps[k:], covector, AfterLinear.of(network, k).width)
            else:
                _fill_one_by_one(slopes, steps[k:], covector)
        return ValueAndGradient(float(value), plan.gradient)


def _fill(slopes: Array, steps: Sequence[Evaluated], covector: Array, width: int) -> None:
    """dL along every direction of the linear layer that comes first in `steps`, its biases last: (i + 1, o)."""
    n = len(covector)
    ones = np.ones((len(slopes) - steps[0].x.shape[1], n), covector.dtype)  # no row where there is no bias
    inputs = np.concatenate([steps[0].x.T, ones])
    directions = _directions(n * width * covector.itemsize)
    units_at_once = min(slopes.shape[1], directions)
    inputs_at_once = directions // units_at_once
    for first in range(0, len(inputs), inputs_at_once):
        for unit in range(0, slopes.shape[1], units_at_once):
            units = slice(unit, min(unit + units_at_once, slopes.shape[1]))
            block = slopes[first : first + inputs_at_once, units]
            tangents = _push(steps, inputs[first : first + inputs_at_once], units).reshape(-1, covector.size)
            block[...] = (tangents @ covector.reshape(-1)).reshape(block.shape)
            del tangents  # the next block needs as much memory


def _push(steps: Sequence[Evaluated], inputs: Array, units: slice) -> Array:
    """The tangents of the outputs (inputs, units, n, c) along the weights from `inputs` (…, n) to the units."""
    k, local = 1, inputs[:, :, None]  # ż of the unit itself, the same for every unit
    while k < len(steps) and isinstance(steps[k].layer, Elementwise):
        step = steps[k]
        local = step.layer.jvp(step.own, step.x[:, units], step.y[:, units], local, {})
        k += 1
    if k < len(steps) and isinstance(steps[k].layer, Linear):
        rows = steps[k].own["W"][units]
        k += 1
    else:
        rows = np.eye(steps[k - 1].y.shape[1], dtype=inputs.dtype)[units]
    tangent = np.multiply(local.transpose(0, 2, 1)[..., None], rows[:, None, :], order="C")
    for step in steps[k:]:
        tangent = step.layer.jvp(step.own, step.x, step.y, tangent, {})
    return tangent


def _fill_one_by_one(slopes: Array, steps: Sequence[Evaluated], covector: Array) -> None:
    """dL along every direction (p,) of the layer that comes first in `steps`, whose JVP takes one after another."""
    (layer, own, x, y), *later = steps
    still = np.zeros((1, x.shape[1]), covector.dtype)
    moved = {name: np.zeros_like(tensor) for name, tensor in own.items()}
    entries = (
        (view, e) for view in (tensor.reshape(-1) for tensor in moved.values()) for e in range(view.size)
    )
    at_once = _directions(len(covector) * max(step.y.shape[1] for step in steps) * covector.itemsize)
    for first in range(0, len(slopes), at_once):
        block = [*itertools.islice(entries, at_once)]
        tangent = np.empty((len(block), *y.shape), covector.dtype)
        for k, (view, e) in enumerate(block):
            view[e] = 1
            tangent[k] = layer.jvp(own, x, y, still, moved)
            view[e] = 0
        for step in later:
            tangent = step.layer.jvp(step.own, step.x, step.y, tangent, {})
        slopes[first : first + len(block)] = tangent.reshape(len(block), -1) @ covector.reshape(-1)
        del tangent  # the next block needs as much memory


def _directions(bytes_of_one: int) -> int:
    """Directions in a block."""
    return max(1, _BLOCK_BYTES // bytes_of_one)


def _blocks(network: Network, k: int, n: int, size: int) -> int:
    """How many blocks the directions of layer k come in."""
    (layer, i, o), directions = network.sized[k], network.layers[k].parameter_count
    if not isinstance(layer, Linear):
        return math.ceil(directions / _directions(n * max(step.o for step in network.sized[k:]) * size))
    at_once = _directions(n * AfterLinear.of(network, k).width * size)
    units = min(o, at_once)
    return math.ceil(o / units) * math.ceil((i + 1) / (at_once // units))


def _flops(after: AfterLinear, n: int) -> int:
    """Operations for one direction: its unit, its row of weights, a JVP a layer, and the product with ∂L."""
    local = n * (1 + sum(step.layer.vjp_flops(1, 1, 1, input_needed=True) for step in after.local))
    full = sum(_jvp_flops(step, n) for step in after.evaluated)
    return local + n * after.entry + full + 2 * n * after.classes


def _jvp_flops(step: Sized, n: int) -> int:
    """As many operations as the VJP by the layer's input, which is the transposed product."""
    if isinstance(step.layer, Linear):
        return 2 * n * step.i * step.o
    return step.layer.vjp_flops(n, step.i, step.o, input_needed=True)


def _block_bytes(network: Network, k: int, n: int, size: int) -> int:
    """The most bytes of the directions of linear layer k at once."""
    (i, o), after = network.widths[k], AfterLinear.of(network, k)
    units = min(o, _directions(n * after.width * size))
    directions = units * min(i + 1, _directions(n * after.width * size) // units)
    local = directions * n if after.local else 0
    outer = directions * n * after.entry
    buffers = 2 * ufunc_buffer_bytes(outer, 1)  # both factors of a product are broadcast
    numbers = [local + outer + buffers]
    for step in after.evaluated:
        pushed = step.layer.jvp_bytes(n, step.i, step.o, size, directions=directions) // size
        numbers.append(local + directions * n * step.i + pushed + buffers)
    return size * ((i + 1) * n + max(numbers) + directions)


def _other_block_bytes(network: Network, k: int, n: int, size: int) -> int:
    """The most bytes of the directions of layer k at once, which is not linear."""
    (layer, i, o), *later = network.sized[k:]
    own = layer.parameter_count
    directions = min(own, _directions(n * max(step.o for step in network.sized[k:]) * size))
    needed = [directions * n * o * size + layer.jvp_bytes(n, i, o, size)]
    for step in later:
        pushed = step.layer.jvp_bytes(n, step.i, step.o, size, directions=directions)
        needed.append(directions * n * step.i * size + pushed)
    return size * (own + i) + max(needed)


STRATEGIES = (ForwardMode(),)
