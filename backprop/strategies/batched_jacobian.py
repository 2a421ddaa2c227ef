"""The batched Jacobian: the chain rule by einsum with the batch axis kept; ∂(outputs)/∂W is (n, c, i, o).

    J = ∂(outputs)/∂y             nco
    ∂(outputs)/∂x                 nco,io->nci (linear)   nco,no->nco (activation)   nco,noi->nci (softmax)
    ∂(outputs)/∂θ                 nco,ni->ncio (W)       nco,->nco (b)
    dL/dθ = Σₙ Σ_c dL/d(outputs)  nc,nc…->…

An index that appears twice spares an axis: the diagonal of an activation and the δ of ∂z/∂W are never written out.
What is left are n·c numbers for every weight.

The same einsum is computed in two ways. `batched-jacobian` gives each to what is fastest for it: BLAS, and for W
`outer_products`, which contracts what it writes while that is in the cache; `batched-jacobian-einsum` hands the
strings to np.einsum as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from backprop import outer_products
from backprop.arrays import Array, DType, aligned_zeros
from backprop.layer_forms import couples_samples, strange_factors
from backprop.layers import EinsumFactor
from backprop.network import Batch, Network
from backprop.outer_products import OuterProducts
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient

_BY_INPUT = ("io", "no", "noi")
_BY_PARAMETER = ("ni", "no", "")
"""The axes of a local Jacobian by the layer's input and by its own parameters."""


@dataclass(frozen=True)
class Plan:
    """∂(outputs)/∂θ (n, c, *shape of θ) by local name for every layer, and the gradient's memory.

    products: the array of W once more, for every layer whose ∂y/∂W is an outer product; empty for the route
    of np.einsum.
    """

    network: Network
    jacobians: list[dict[str, Array]]
    products: list[dict[str, OuterProducts]]
    gradient: Parameters
    local_gradient: list[dict[str, Array]]


@final
@dataclass(frozen=True, repr=False)
class BatchedJacobian(Strategy[Plan]):
    """The chain rule by einsum; `route` says who computes it."""

    route: Literal["blas", "einsum"] = "blas"

    summary: ClassVar[str] = "the chain by einsum with the batch axis kept, ∂(outputs)/∂W as (n, c, i, o)"
    rung: ClassVar[float] = 3
    shortcuts: ClassVar[Mapping[str, str] | None] = {
        "sample loss": "the loss of all samples is computed at once",
        "sample gradient": "one matrix product multiplies and sums over n, so no sample's own gradient is kept",
        "parameter jacobian": "it is zero unless o = o′, so only the diagonal is multiplied",
        "linear jacobian": "it is W for every sample, so W itself is multiplied",
        "diagonal jacobian": "it is zero unless o = i, so only the diagonal is kept",
        "inner product": "the chain is multiplied from the outputs on, so no two inner Jacobians are multiplied",
    }
    accuracy: ClassVar[Accuracy] = EXACT

    @property
    def name(self) -> str:
        """The route is named where it is not the faster one."""
        return "batched-jacobian" if self.route == "blas" else "batched-jacobian-einsum"

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer whose local Jacobians are not operands of the einsum above; all others can be done."""
        return couples_samples(network) or strange_factors(network, dtype, _BY_INPUT, _BY_PARAMETER)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """n·c·p numbers are written once, and by BLAS read while in the cache; digits, mostly zero, need fewer."""
        n, c, size = batch_size, network.classes, dtype.itemsize
        weights = network.parameter_count
        buffers = sum(
            outer_products.buffer_bytes((n, c, *shape), size)
            for layer in network.layers
            for shape in layer.parameter_shapes().values()
            if self.route == "blas" and len(shape) == 2
        )
        chain = sum(2 * n * c * i * o for i, o in network.widths[1:])
        # of the chain itself, ∂(outputs)/∂y and ∂(outputs)/∂x are alive together
        transient = max((n * c * (i + o) for i, o in network.widths[1:]), default=0)
        return Cost(
            flops=network.forward_flops(n) + chain + 3 * n * c * weights,
            bytes_moved=(1 if self.route == "blas" else 2) * size * n * c * weights,
            peak_bytes=size * (n * c * weights + weights + n * network.units + transient) + buffers,
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the Jacobian of the outputs by every parameter."""
        jacobians = [
            {
                name: aligned_zeros((batch_size, network.classes, *shape), dtype)
                for name, shape in layer.parameter_shapes().items()
            }
            for layer in network.layers
        ]
        products = [
            {
                name: OuterProducts(array)
                for name, array in buffers.items()
                if self.route == "blas" and array.ndim == 4
            }
            for buffers in jacobians
        ]
        gradient = Parameters.empty(network.layout, dtype)
        return Plan(network, jacobians, products, gradient, network.local(gradient))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Backwards through the layers: the Jacobian of the outputs, and its product with dL/d(outputs)."""
        network = plan.network
        steps = network.evaluate(network.local(params), batch.inputs)
        outputs = steps[-1].y
        n, c = outputs.shape
        row = network.loss_function.gradient(outputs, batch.labels)  # dL/d(outputs)
        jacobian = np.broadcast_to(np.eye(c, dtype=row.dtype), (n, c, c))  # ∂(outputs)/∂(outputs)
        for k, (layer, own, x, y) in reversed(list(enumerate(steps))):
            for name, factor in layer.parameter_factors(own, x, y).items():
                out = plan.local_gradient[k][name]
                if name in plan.products[k] and (factor.subscripts, factor.result) == ("ni", None):
                    plan.products[k][name].contract(row, factor.operand, jacobian, out=out)
                else:
                    self._extend(jacobian, factor, plan.jacobians[k][name])
                    self._contract(row, plan.jacobians[k][name], out)
            if k > 0:
                jacobian = self._chain(jacobian, layer.input_factor(own, x, y))
        loss = network.loss_function.value(outputs, batch.labels)
        return ValueAndGradient(float(loss), plan.gradient)

    def _chain(self, jacobian: Array, factor: EinsumFactor) -> Array:
        """∂(outputs)/∂x (n, c, i) from ∂(outputs)/∂y (n, c, o) and ∂y/∂x."""
        if self.route == "blas" and factor.subscripts == "io":
            # One product, whose result is contiguous: that of einsum by BLAS is not.
            return (jacobian.reshape(-1, jacobian.shape[-1]) @ factor.operand.T).reshape(
                *jacobian.shape[:-1], -1
            )
        chained: Array = np.einsum(
            factor.input_rule, factor.split(jacobian), factor.operand, optimize=self.route == "blas"
        )
        return chained.reshape(*jacobian.shape[:2], -1)

    def _extend(self, jacobian: Array, factor: EinsumFactor, out: Array) -> None:
        """∂(outputs)/∂θ (n, c, …) from ∂(outputs)/∂y (n, c, o) and ∂y/∂θ."""
        rule = factor.parameter_rule
        if factor.result is None:
            np.einsum(rule, jacobian, factor.operand, out=out)
        else:  # by products of matrices where the route is BLAS: such a factor sums over places
            made = np.einsum(rule, factor.split(jacobian), factor.operand, optimize=self.route == "blas")
            out[...] = made.reshape(out.shape)

    def _contract(self, row: Array, jacobian: Array, out: Array) -> None:
        """dL/dθ from dL/d(outputs) (n, c) and ∂(outputs)/∂θ (n, c, …)."""
        if self.route == "blas":
            np.matmul(row.reshape(1, -1), jacobian.reshape(row.size, -1), out=out.reshape(1, -1))
        else:
            np.einsum("nc,nc...->...", row, jacobian, out=out)


STRATEGIES = (BatchedJacobian(), BatchedJacobian(route="einsum"))
