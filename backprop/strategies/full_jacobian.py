"""The full Jacobian: every factor of the chain rule as a dense matrix, one sample at a time.

    dL/dθ = dL/dp · ∂p/∂z₂ · ∂z₂/∂a₁ · ∂a₁/∂z₁ · ∂z₁/∂θ

∂z/∂W is a matrix of o rows and i·o columns: 512 x 401,408 numbers for 784-512-10, of which one in 512 is
not zero. It is dense all the same. Two things keep it honest and no slower than it must be: a buffer is
filled again only where it is not zero, and the chain is multiplied from the left, row vector times
matrix, which reads every matrix once.

    full-jacobian         ((dL/dp · ∂p/∂z₂) · ∂z₂/∂a₁) · …                        2 operations a number
    full-jacobian-naive   dL/dp · (∂p/∂z₂ · (∂z₂/∂a₁ · (∂a₁/∂z₁ · ∂z₁/∂θ)))       2 o operations a number

The same numbers in either order; the product of matrices is associative, its cost is not (Griewank and
Walther 2008, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from backprop.arrays import Array, DType, aligned_zeros
from backprop.layer_forms import couples_samples, lacking
from backprop.layers.chain import FORWARD, JACOBIAN
from backprop.network import Batch, Network
from backprop.options import check_choice
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """Dense Jacobians of one sample, zero where no call writes, and the gradient's memory.

    inputs: ∂y/∂x (1, o, i) of every layer but the first. parameters: ∂y/∂θ (1, o, *shape) by local name.
    """

    network: Network
    inputs: list[Array | None]
    parameters: list[dict[str, Array]]
    gradient: Parameters
    local_gradient: list[dict[str, Array]]
    products: list[dict[str, Array]]


@final
@dataclass(frozen=True, repr=False)
class FullJacobian(Strategy[Plan]):
    """The chain rule as it is taught, with every matrix in memory.

    `order` is that of the products, from the left (rows) or from the right (matrices). Raises
    `OptionError` for another one.
    """

    order: Literal["rows", "matrices"] = "rows"

    summary: ClassVar[str] = (
        "every factor of the chain rule dense, one sample at a time, ∂z/∂W included; naive: matrix by matrix"
    )
    rung: ClassVar[float] = 1
    shortcuts: ClassVar[Mapping[str, str] | None] = {}
    accuracy: ClassVar[Accuracy] = EXACT

    def __post_init__(self) -> None:
        check_choice("order of the products", self.order, ("rows", "matrices"))

    @property
    def name(self) -> str:
        """The order is named where it is not the cheaper one."""
        return "full-jacobian" if self.order == "rows" else "full-jacobian-naive"

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer that lacks a form which is needed here; all others can be done, given the memory."""
        return couples_samples(network) or lacking(
            network, dtype, "forward", "input_jacobian", "parameter_jacobians"
        )

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Σ o·p numbers for the matrices; each is read once a sample, by a row or by a matrix."""
        n, size = batch_size, dtype.itemsize
        factors = sum(o * i for i, o in network.widths[1:])
        jacobians = sum(o * layer.parameter_count for layer, _, o in network.sized)
        weights = network.parameter_count
        flops, moved, transient = 2 * (factors + jacobians + weights), factors + jacobians, 0
        if self.order == "matrices":
            flops, moved, transient = _matrix_chains(network)
        return Cost(
            flops=network.forward_flops(n) + n * flops,
            bytes_moved=size * (n * moved + network.layers_traffic(n)),
            peak_bytes=size * (factors + jacobians + 2 * weights)
            + max(
                network.evaluation_bytes(1, size),
                size * network.units + max(size * transient, *_local_bytes(network, size)),
            ),
            forward_calls=1,
            passes=network.passes_over(
                [n * (FORWARD + (1 + (k > 0)) * JACOBIAN) for k in range(len(network.layers))]
            ),
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate every matrix of the chain and fill it with zeros."""
        inputs: list[Array | None] = []
        parameters: list[dict[str, Array]] = []
        for k, (layer, i, o) in enumerate(network.sized):
            inputs.append(aligned_zeros((1, o, i), dtype) if k > 0 else None)
            parameters.append(
                {
                    name: aligned_zeros((1, o, *shape), dtype)
                    for name, shape in layer.parameter_shapes().items()
                }
            )
        gradient, product = (Parameters.empty(network.layout, dtype) for _ in range(2))
        return Plan(network, inputs, parameters, gradient, network.local(gradient), network.local(product))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """The mean of the samples' losses and gradients."""
        plan.gradient.vector.fill(0)
        tensors, loss = plan.network.local(params), 0.0
        for x, label in zip(batch.inputs[:, None, :], batch.labels[:, None], strict=True):
            loss += self._add_sample(plan, tensors, x, label)
        n = len(batch.inputs)
        plan.gradient.vector /= batch.inputs.dtype.type(n)
        return ValueAndGradient(loss / n, plan.gradient)

    def _add_sample(self, plan: Plan, tensors: list[dict[str, Array]], inputs: Array, label: Array) -> float:
        """Add the gradient of one sample (1, i) to the plan's; returns its loss."""
        network = plan.network
        steps = network.evaluate(tensors, inputs)
        row = network.loss_function.gradient(steps[-1].y, label)  # (1, c): dL/dp, from the left dL/dy
        factors: list[Array] = []  # from the right, the layers that follow
        for k in reversed(range(len(steps))):
            layer, own, x, y = steps[k]
            jacobians = layer.parameter_jacobians(own, x, y, out=plan.parameters[k])
            for name, jacobian in jacobians.items():
                matrix = jacobian.reshape(y.shape[1], -1)  # ∂y/∂θ, then ∂(later y)/∂θ up to the outputs
                for factor in factors:
                    matrix = factor @ matrix
                product, gradient = plan.products[k][name], plan.local_gradient[k][name]
                np.matmul(row, matrix, out=product.reshape(1, -1))
                gradient += product
                del matrix  # the next chain needs as much memory
            if k > 0:
                jacobian = layer.input_jacobian(own, x, y, out=plan.inputs[k])[0]
                if self.order == "rows":
                    row = row @ jacobian
                else:
                    factors.insert(0, jacobian)
        return float(network.loss_function.value(steps[-1].y, label))


def _local_bytes(network: Network, size: int) -> list[int]:
    """The most bytes that the Jacobians of every layer allocate beside the matrices."""
    return [layer.jacobian_bytes(1, i, o, size) for layer, i, o in network.sized]


def _matrix_chains(network: Network) -> tuple[int, int, int]:
    """The chains from the right, for one sample: their operations, numbers moved, and numbers alive at once."""
    flops = moved = alive = 0
    for k, (layer, _, o) in enumerate(network.sized):
        for shape in layer.parameter_shapes().values():
            columns, before = math.prod(shape), 0  # the first matrix lies in the plan
            moved += o * columns
            for i, rows in network.widths[k + 1 :]:
                flops += 2 * rows * i * columns
                moved += rows * i + 2 * rows * columns  # a product is written and read again
                alive = max(alive, before + rows * columns)
                before = rows * columns
            flops += (2 * network.classes + 2) * columns
    return flops, moved, alive


STRATEGIES = (FullJacobian(), FullJacobian(order="matrices"))
