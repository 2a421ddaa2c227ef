"""The sparse Jacobian: the same chain as the full one, in scipy.sparse: what is zero by structure is not stored.

    ∂y/∂x   of an activation     diagonal                        n·o non-zeros
            of softmax           one dense block a sample        n·o·o
            of a linear layer    1ₙ ⊗ Wᵀ                         W itself, for all samples
            of a convolution     1ₙ ⊗ T, a kernel in every row   k·o, for all samples
            of a pooling         a window in every row           n·o·k
    ∂y/∂θ   of a linear layer    x ⊗ I for W, 1 ⊗ I for b        n·i·o and n·o
            of a convolution     the patches, a window a row     n·o·k and n·o
            of a scale           diagonal                        n·o
    dL/dθ = dL/dy · ∂y/∂θ        dL/dx = dL/dy · ∂y/∂x           row vector times sparse matrix, from the left

⊗ is the Kronecker product (Magnus and Neudecker 2019, section 2.4): row o of ∂y/∂W for one sample holds x in
the columns (·, o). Of 512 x 401,408 numbers for 784-512-10, 401,408 are stored. `backprop.sparse_factors` makes
the arrays. Samples go through the chain in blocks, as many as there is memory for one large sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.layer_forms import couples_samples, strange_factors
from backprop.layers import EinsumFactor, Elementwise, Layer, Linear
from backprop.layers.chain import FORWARD, JACOBIAN
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.sparse_factors import Axes, chain, renew, structure
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient

_BLOCK_NUMBERS = 1 << 16
"""Non-zeros in ∂y/∂W of a block, unless one sample has more."""

_INDEX_BYTES = 4
"""Bytes of an index in a sparse array, as scipy chooses below 2³¹ non-zeros."""


@dataclass(frozen=True)
class Plan:
    """∂y/∂θ of a block by local name for every layer, and the gradient's memory.

    Each is a sparse array (n·o, size of θ) whose structure stands and whose numbers are renewed.
    """

    network: Network
    samples: int
    jacobians: list[dict[str, Any]]
    gradient: Parameters
    local_gradient: list[dict[str, Array]]


@final
@dataclass(frozen=True, repr=False)
class SparseJacobian(Strategy[Plan]):
    """The chain rule with sparse matrices."""

    name: ClassVar[str] = "sparse-jacobian"
    summary: ClassVar[str] = "the chain in scipy.sparse: diagonals and Kronecker products stay sparse"
    rung: ClassVar[float] = 2
    accuracy: ClassVar[Accuracy] = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer whose local Jacobians have axes of which no sparse structure is known; all others can be done."""
        return couples_samples(network) or strange_factors(network, dtype)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Σ n·i·o non-zeros with their indices; only those of a block are alive at once."""
        n, size, samples = batch_size, dtype.itemsize, _samples(network, batch_size)
        blocks, weights = math.ceil(n / samples), network.parameter_count
        factors = sum(layer.input_nonzeros(i, o) for layer, i, o in network.sized[1:])
        nonzeros = sum(sum(layer.parameter_nonzeros(i, o).values()) for layer, i, o in network.sized)
        # a number and the row it stands in for every sample; where each column begins
        jacobians = nonzeros * samples * (size + _INDEX_BYTES) + weights * _INDEX_BYTES
        return Cost(
            flops=network.forward_flops(n) + 2 * n * (factors + nonzeros) + blocks * weights,
            bytes_moved=n * size * (factors + network.layers_traffic(1))
            + blocks * (2 * jacobians + 3 * size * weights),
            peak_bytes=size * (weights + samples * network.units)
            + jacobians
            + _transient_bytes(network, samples, size),
            forward_calls=1,
            passes=network.passes_over(
                [blocks * (FORWARD + (4 + (k > 0)) * JACOBIAN) for k in range(len(network.layers))]
            ),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Find where the numbers of every ∂y/∂θ stand."""
        samples = _samples(network, batch_size)
        jacobians = [
            {
                name: structure(samples, Axes.of(factor, o), dtype)
                for name, factor in _empty_factors(layer, i, o, dtype).items()
            }
            for layer, i, o in network.sized
        ]
        gradient = Parameters.empty(network.layout, dtype)
        return Plan(network, samples, jacobians, gradient, network.local(gradient))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """The sum over blocks of samples, each with its share of the mean."""
        plan.gradient.vector.fill(0)
        tensors, loss, n = plan.network.local(params), 0.0, len(batch.inputs)
        for first in range(0, n, plan.samples):
            block = Batch(*(array[first : first + plan.samples] for array in batch))
            loss += _add_block(plan, tensors, block, len(block.inputs) / n)
        return ValueAndGradient(loss, plan.gradient)


def _add_block(plan: Plan, tensors: list[dict[str, Array]], block: Batch, share: float) -> float:
    """Add the gradient of a block of samples to the plan's; returns its share of the loss."""
    network = plan.network
    steps = network.evaluate(tensors, block.inputs)
    row = network.loss_function.gradient(steps[-1].y, block.labels)  # (n, o) of all samples: one row vector
    row *= row.dtype.type(share)
    for k, (layer, own, x, y) in reversed(list(enumerate(steps))):
        _add_own(plan.jacobians[k], plan.local_gradient[k], layer.parameter_factors(own, x, y), row)
        if k > 0:
            row = chain(row, layer.input_factor(own, x, y), x.shape[1])
    return share * float(network.loss_function.value(steps[-1].y, block.labels))


def _add_own(
    jacobians: dict[str, Any], gradients: dict[str, Array], factors: dict[str, EinsumFactor], row: Array
) -> None:
    """Add the gradients of a layer's own parameters, from dL/dy (n, o)."""
    entered: dict[int, Array] = {}  # dL/du, by the factor ∂y/∂u that several parameters share
    for name, factor in factors.items():
        jacobian, gradient, through = jacobians[name], gradients[name], factor.through
        renew(jacobian, factor, Axes.of(factor, row.shape[1]), len(row))
        if through is not None and id(through) not in entered:
            entered[id(through)] = chain(row, through, factor.entered)
        by_row = _padded(entered.get(id(through), row), jacobian.shape[0])
        gradient += (by_row @ jacobian).reshape(gradient.shape)


def _empty_factors(layer: Layer, i: int, o: int, dtype: DType) -> dict[str, EinsumFactor]:
    """∂y/∂θ of no samples, which have the letters and sizes of any."""
    own = {name: np.zeros(shape, dtype) for name, shape in layer.parameter_shapes().items()}
    return layer.parameter_factors(own, np.zeros((0, i), dtype), np.zeros((0, o), dtype))


def _padded(row: Array, length: int) -> Array:
    """The row vector (n·o,) of all samples, with zeros for those that a block lacks."""
    flat = row.reshape(-1)
    return flat if len(flat) == length else np.concatenate([flat, np.zeros(length - len(flat), row.dtype)])


def _samples(network: Network, batch_size: int) -> int:
    """Samples in a block."""
    largest = max(max(layer.parameter_nonzeros(i, o).values(), default=0) for layer, i, o in network.sized)
    return max(1, min(batch_size, _BLOCK_NUMBERS // largest))


def _transient_bytes(network: Network, n: int, size: int) -> int:
    """The most bytes alive at once beside activations and ∂y/∂θ: a row vector, a factor, their product."""
    numbers = [network.loss_function.temporaries * n * network.classes]
    for k, (layer, i, o) in enumerate(network.sized):
        entered, by_input = layer.entered_numbers(), layer.entered_numbers(by_input=True)
        # scipy transposes ∂y/∂u, a dense block for every sample, to multiply it from the left
        through = n * (o + 1) * max(entered, default=0)
        own = n * o + layer.parameter_factors_bytes(n, i, o, size) // size + through
        numbers += [own + math.prod(shape) for shape in layer.parameter_shapes().values()]
        if k == 0:
            continue
        if isinstance(layer, Linear):
            numbers.append(n * (o + i))
        elif isinstance(layer, Elementwise):
            numbers.append(4 * n * o)  # the slope as a layer and as scipy has it
        elif by_input:  # ∂y/∂u, and its transpose or ∂u/∂x
            made, stored = (
                layer.input_factor_bytes(n, i, o, size),
                layer.input_nonzeros(i, o) * (size + _INDEX_BYTES),
            )
            numbers.append(n * o + (made + max(size * n * o * sum(by_input), stored)) // size)
        elif layer.input_nonzeros(i, o) < i * o:
            by_sample = layer.input_factor_bytes(n, i, o, size) and not layer.parameter_shapes()
            blocks = n if by_sample else 1
            stored = blocks * layer.input_nonzeros(i, o) * (size + _INDEX_BYTES)
            numbers.append(n * (o + 2 * i) + (stored + layer.input_factor_bytes(n, i, o, size)) // size)
        else:  # blocks, and what they are made from or transposed to
            numbers.append(n * o + max(2 * n * o * i, layer.input_factor_bytes(n, i, o, size) // size))
    return size * max(numbers)


STRATEGIES = (SparseJacobian(),)
