"""The sparse Jacobian: the same chain as the full one, in scipy.sparse: what is zero by structure is not stored.

    ∂y/∂x   of an activation     diagonal                        n·o non-zeros
            of softmax           one dense block a sample        n·o·o
            of a linear layer    1ₙ ⊗ Wᵀ                         W itself, for all samples
    ∂y/∂θ   of a linear layer    x ⊗ I for W, 1 ⊗ I for b        n·i·o and n·o
            of a scale           diagonal                        n·o
    dL/dθ = dL/dy · ∂y/∂θ        dL/dx = dL/dy · ∂y/∂x           row vector times sparse matrix, from the left

⊗ is the Kronecker product (Magnus and Neudecker 2019, section 2.4): row o of ∂y/∂W for one sample holds x in
the columns (·, o). Of 512 x 401,408 numbers for 784-512-10, 401,408 are stored. Samples go through the
chain in blocks, as many as there is memory for one large sample; where the numbers stand is found once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import UnsupportedError
from backprop.layer_forms import couples_samples, strange_factors
from backprop.layers import EinsumFactor, Elementwise, Linear
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient

_BLOCK_NUMBERS = 1 << 16
"""Non-zeros in ∂y/∂W of a block, unless one sample has more."""

_BY_INPUT = ("io", "no", "noi")
_BY_PARAMETER = ("ni", "no", "")
"""The axes of a local Jacobian by the layer's input and by its own parameters: their sparse structure is known."""

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
        return couples_samples(network) or strange_factors(network, dtype, _BY_INPUT, _BY_PARAMETER)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Σ n·i·o non-zeros with their indices; only those of a block are alive at once."""
        n, size, samples = batch_size, dtype.itemsize, _samples(network, batch_size)
        blocks, weights = math.ceil(n / samples), network.parameter_count
        factors = sum(
            o * i if isinstance(layer, Linear) else o * (1 if isinstance(layer, Elementwise) else i)
            for layer, i, o in network.sized[1:]
        )
        # a number and the row it stands in for every sample; where each column begins
        jacobians = weights * (samples * (size + _INDEX_BYTES) + _INDEX_BYTES)
        return Cost(
            flops=network.forward_flops(n) + 2 * n * (factors + weights) + blocks * weights,
            bytes_moved=n * size * factors + blocks * (2 * jacobians + 3 * size * weights),
            peak_bytes=size * (weights + samples * network.units)
            + jacobians
            + _transient_bytes(network, samples, size),
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Find where the numbers of every ∂y/∂θ stand."""
        samples = _samples(network, batch_size)
        jacobians = [
            {
                name: _structure(samples, math.prod(shape) // o, o, dtype)
                for name, shape in layer.parameter_shapes().items()
            }
            for layer, _, o in network.sized
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
        for name, factor in layer.parameter_factors(own, x, y).items():
            jacobian, gradient = plan.jacobians[k][name], plan.local_gradient[k][name]
            _renew(jacobian, factor, y.shape[1], len(row))
            gradient += (_padded(row, jacobian.shape[0]) @ jacobian).reshape(gradient.shape)
        if k > 0:
            row = _chain(row, layer.input_factor(own, x, y))
    return share * float(network.loss_function.value(steps[-1].y, block.labels))


def _structure(samples: int, i: int, o: int, dtype: DType) -> Any:
    """The structure of x ⊗ I (n·o, i·o) without its numbers: column (i, o) has one in row (n, o) of every sample."""
    from scipy import sparse

    rows = np.empty((i, o, samples), np.int32)
    rows[...] = np.arange(o, dtype=np.int32)[:, None] + o * np.arange(samples, dtype=np.int32)
    starts = np.arange(0, i * o * samples + 1, samples, dtype=np.int32)
    numbers = np.zeros(i * o * samples, dtype)
    return sparse.csc_array((numbers, rows.reshape(-1), starts), shape=(samples * o, i * o))


def _renew(jacobian: Any, factor: EinsumFactor, o: int, samples: int) -> None:
    """Write the numbers x (n, i) of x ⊗ I; for a bias, x is (n, 1) and holds ones. A block may have fewer samples.

    A parameter that scales every output has a diagonal (n, o) for each sample instead.
    """
    numbers = jacobian.data.reshape(-1, o, jacobian.shape[0] // o)
    numbers[..., samples:] = 0
    if factor.subscripts == "ni":
        numbers[..., :samples] = factor.operand.T[:, None, :]
    else:  # "no" or none
        numbers[..., :samples] = factor.operand.T


def _padded(row: Array, length: int) -> Array:
    """The row vector (n·o,) of all samples, with zeros for those that a block lacks."""
    flat = row.reshape(-1)
    return flat if len(flat) == length else np.concatenate([flat, np.zeros(length - len(flat), row.dtype)])


def _chain(row: Array, factor: EinsumFactor) -> Array:
    """dL/dx (n, i) = dL/dy · ∂y/∂x for all samples."""
    from scipy import sparse

    n, operand = len(row), factor.operand
    if factor.subscripts == "io":  # 1ₙ ⊗ Wᵀ, whose one block is not sparse
        dense: Array = row @ operand.T
        return dense
    if factor.subscripts == "no":  # a diagonal is its own transpose, which scipy would make anew
        slopes: Any = operand.astype(row.dtype).reshape(1, -1)
        chained: Array = sparse.dia_array((slopes, [0]), shape=(row.size, row.size)) @ row.reshape(-1)
    elif factor.subscripts == "noi":  # a dense block for every sample
        chained = row.reshape(-1) @ sparse.bsr_array((operand, np.arange(n), np.arange(n + 1)))
    else:
        raise UnsupportedError(
            f"A Jacobian has the axes {factor.subscripts!r}; expected io, no or noi, whose sparse structure is known."
        )
    return chained.reshape(n, -1)


def _samples(network: Network, batch_size: int) -> int:
    """Samples in a block."""
    largest = max(math.prod(shape) for _, shape in network.layout.shapes)
    return max(1, min(batch_size, _BLOCK_NUMBERS // largest))


def _transient_bytes(network: Network, n: int, size: int) -> int:
    """The most bytes alive at once beside activations and ∂y/∂θ: a row vector, a factor, their product."""
    numbers = [network.loss_function.temporaries * n * network.classes]
    for k, (layer, i, o) in enumerate(network.sized):
        numbers += [n * o + math.prod(shape) for shape in layer.parameter_shapes().values()]
        if k == 0:
            continue
        if isinstance(layer, Linear):
            numbers.append(n * (o + i))
        elif isinstance(layer, Elementwise):
            numbers.append(4 * n * o)  # the slope as a layer and as scipy has it
        else:
            numbers.append(n * o + 2 * n * o * i)  # blocks, and what they are made from or transposed to
    return size * max(numbers)


STRATEGIES = (SparseJacobian(),)
