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

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from backprop import outer_products
from backprop.arrays import Array, DType, aligned_zeros
from backprop.layer_forms import strange_factors
from backprop.layers import EinsumFactor
from backprop.layers.chain import FORWARD, JACOBIAN, Evaluated, Sized
from backprop.network import Batch, Network
from backprop.outer_products import OuterProducts
from backprop.parameters import Parameters
from backprop.strategy import EXACT, Accuracy, Cost, Strategy, ValueAndGradient


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

    summary: ClassVar[str] = (
        "the batch axis kept: ∂(outputs)/∂W as (n, c, i, o), BLAS where it wins; einsum: np.einsum alone"
    )
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
        return strange_factors(network, dtype)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """n·c·p numbers are written once, and by BLAS read while in the cache; digits, mostly zero, need fewer."""
        n, c, size = batch_size, network.classes, dtype.itemsize
        weights = network.parameter_count
        buffers = sum(
            outer_products.buffer_bytes((n, c, step.i, step.o), size)
            for step in network.sized
            for shape in step.layer.parameter_shapes().values()
            if self._is_outer(step, shape)
        )
        chain = sum(2 * n * c * layer.input_nonzeros(i, o) for layer, i, o in network.sized[1:])
        chain += sum(2 * n * c * o * sum(layer.entered_numbers()) for layer, _, o in network.sized)
        extended = sum(sum(layer.parameter_nonzeros(i, o).values()) for layer, i, o in network.sized)
        if extended > weights:
            extended *= 2  # weights that are used at several places: their products are added
        return Cost(
            flops=network.forward_flops(n) + chain + n * c * (extended + 2 * weights),
            bytes_moved=(1 if self.route == "blas" else 2)
            * size
            * (n * c * weights + network.layers_traffic(n)),
            peak_bytes=size * (n * c * weights + weights)
            + buffers
            + max(
                network.evaluation_bytes(n, size),
                size * n * network.units + self._transient_bytes(network, n, size),
            ),
            forward_calls=1,
            passes=network.passes_over(
                [FORWARD + (2 + (k > 0)) * JACOBIAN for k in range(len(network.layers))]
            ),
        )

    def _is_outer(self, step: Sized, shape: tuple[int, ...]) -> bool:
        """Whether ∂y/∂θ of a parameter of that shape is made by `outer_products`: that of a linear layer is."""
        return self.route == "blas" and shape == (step.i, step.o)

    def _transient_bytes(self, network: Network, n: int, size: int) -> int:
        """The most bytes of the chain: ∂(outputs)/∂y, and what is made of it by an input or a parameter."""
        row, copies, alive = n * network.classes * size, self.route == "blas", [0]
        for k, (layer, i, o) in enumerate(network.sized):
            own, entered = layer.parameter_factors_bytes(n, i, o, size), layer.entered_numbers()
            if own:  # an einsum by BLAS copies the first factor
                largest = max(math.prod(shape) for shape in layer.parameter_shapes().values())
                factors = (1 + copies) * row * o + own
                if entered:
                    factors = row * (o + sum(entered) + copies * max(entered)) + own
                alive.append(factors + copies * row * largest)
            if k > 0:
                made = layer.input_products(i, o)
                added = (
                    made + max(copies * o, i + 1)
                    if made
                    else i + max(layer.entered_numbers(by_input=True), default=0)
                )
                alive.append(row * (o + added) + layer.input_factor_bytes(n, i, o, size))
        return max(alive)

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
                if self._is_outer(step, array.shape[2:])
            }
            for step, buffers in zip(network.sized, jacobians, strict=True)
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
        for k, step in reversed(list(enumerate(steps))):
            self._own_gradients(plan, k, step, row, jacobian)
            if k > 0:
                i = step.x.shape[1]
                jacobian = self._chain(jacobian, step.layer.input_factor(step.own, step.x, step.y), i)
        loss = network.loss_function.value(outputs, batch.labels)
        return ValueAndGradient(float(loss), plan.gradient)

    def _own_gradients(self, plan: Plan, k: int, step: Evaluated, row: Array, jacobian: Array) -> None:
        """∂(outputs)/∂θ and dL/dθ for every parameter θ of layer k."""
        entered: dict[int, Array] = {}  # ∂(outputs)/∂u, by the factor ∂y/∂u that several parameters share
        for name, factor in step.layer.parameter_factors(step.own, step.x, step.y).items():
            out, through = plan.local_gradient[k][name], factor.through
            if through is not None and id(through) not in entered:
                entered[id(through)] = self._chain(jacobian, through, factor.entered)
            if name in plan.products[k] and (factor.subscripts, factor.result) == ("ni", None):
                plan.products[k][name].contract(row, factor.operand, jacobian, out=out)
            else:
                self._extend(entered.get(id(through), jacobian), factor, plan.jacobians[k][name])
                self._contract(row, plan.jacobians[k][name], out)

    def _chain(self, jacobian: Array, factor: EinsumFactor, i: int) -> Array:
        """∂(outputs)/∂x (n, c, i) from ∂(outputs)/∂y (n, c, o) and ∂y/∂x."""
        if factor.through is not None:
            jacobian = self._chain(jacobian, factor.through, factor.entered)
        if self.route == "blas" and (factor.subscripts, factor.result) == ("io", None):
            # One product, whose result is contiguous: that of einsum by BLAS is not.
            return (jacobian.reshape(-1, jacobian.shape[-1]) @ factor.operand.T).reshape(
                *jacobian.shape[:-1], -1
            )
        chained: Array = np.einsum(
            factor.input_rule, factor.split(jacobian), factor.operand, optimize=self.route == "blas"
        )
        return factor.gathered(chained, i)

    def _extend(self, jacobian: Array, factor: EinsumFactor, out: Array) -> None:
        """∂(outputs)/∂θ (n, c, …) from ∂(outputs)/∂y (n, c, o), or that of the u at which θ enters, and ∂u/∂θ."""
        rule = factor.parameter_rule
        if factor.result is None:
            np.einsum(rule, jacobian, factor.operand, out=out)
        else:  # by products of matrices where the route is BLAS: such a factor sums over places
            sizes = dict(zip(factor.subscripts, factor.operand.shape, strict=True))
            sizes |= dict(zip(factor.outputs, factor.shape or jacobian.shape[2:], strict=True))
            made = out.reshape(*out.shape[:2], *(sizes[letter] for letter in factor.result))
            np.einsum(rule, factor.split(jacobian), factor.operand, out=made, optimize=self.route == "blas")

    def _contract(self, row: Array, jacobian: Array, out: Array) -> None:
        """dL/dθ from dL/d(outputs) (n, c) and ∂(outputs)/∂θ (n, c, …)."""
        if self.route == "blas":
            np.matmul(row.reshape(1, -1), jacobian.reshape(row.size, -1), out=out.reshape(1, -1))
        else:
            np.einsum("nc,nc...->...", row, jacobian, out=out)


STRATEGIES = (BatchedJacobian(), BatchedJacobian(route="einsum"))
