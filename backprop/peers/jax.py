"""JAX: grad, jacrev and jacfwd, compiled before anything is timed, results awaited.

jit compiles for the shapes of the batch when the plan is first bound; that is preparation. float64 needs JAX's
x64 mode, which is switched on for the whole process. Threads follow XLA_FLAGS, as the environment fixed them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Raw, jacobian_cost, reverse_mode_cost
from backprop.peers.functional import AutomaticPeer, Functional, Plan
from backprop.strategy import Cost


@final
@dataclass(frozen=True, repr=False)
class JaxPeer(AutomaticPeer):
    """One of JAX's routes to the gradient."""

    route: Literal["grad", "jacrev", "jacfwd"] = "grad"

    package: ClassVar[str] = "jax"
    build: ClassVar[tuple[str, ...]] = ("default_backend", "lib.__version__")
    oldest: ClassVar[str] = "0.4.30"
    function: ClassVar[str] = "jax.block_until_ready for NumPy 2"
    summary: ClassVar[str] = "JAX: grad of the loss, jacrev of the outputs under vmap, or jacfwd of the loss"

    @property
    def name(self) -> str:
        """jax- and the route."""
        return f"jax-{self.route}"

    @property
    def by_sample(self) -> bool:  # type: ignore[override]  # by the route
        """The Jacobians of one sample's outputs."""
        return self.route == "jacrev"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The cost of reverse mode, of the Jacobian, or of p forward directions at once."""
        if self.route == "grad":
            return reverse_mode_cost(network, batch_size, dtype)
        if self.route == "jacrev":
            return jacobian_cost(network, batch_size, dtype)
        p, size = network.parameter_count, dtype.itemsize
        widest = max(batch_size * (i + o) for i, o in network.widths)
        return Cost(
            flops=2 * p * network.forward_flops(batch_size),
            bytes_moved=size * p * (p + 2 * widest),
            peak_bytes=size * p * (p + widest),
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import JAX and compile for these shapes."""
        import jax

        if dtype.itemsize == 8:
            jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
        functional = Functional(network, jax)
        routes: dict[str, Any] = {"grad": jax.value_and_grad, "jacfwd": _value_and_jacfwd}
        function = _jacrev(functional) if self.by_sample else routes[self.route](functional.short.loss)
        return self.compiled(jax.jit(function), network, batch_size, dtype)

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Copies in JAX's own memory."""
        import jax
        import jax.numpy as jnp

        tensors = {name: jnp.array(array) for name, array in params.items()}
        x, labels = jnp.array(batch.inputs), jnp.array(batch.labels)
        return lambda: jax.block_until_ready(plan.function(tensors, x, labels))  # type: ignore[no-untyped-call]


def _jacrev(functional: Functional) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def outputs(tensors: Any, sample: Any) -> Any:
        return functional.outputs(tensors, sample[None])[0]

    jacobians = jax.vmap(jax.jacrev(outputs), in_axes=(None, 0))

    def function(tensors: Any, x: Any, labels: Any) -> Any:
        """The loss as a function of the outputs gives the row that the Jacobian is contracted with."""
        y = functional.outputs(tensors, x)
        loss, row = jax.value_and_grad(functional.loss_of)(y, labels)
        jacobian = jacobians(tensors, x)
        return loss, {name: jnp.tensordot(row, j, axes=2) for name, j in jacobian.items()}

    return function


def _value_and_jacfwd(loss: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    def function(tensors: Any, x: Any, labels: Any) -> Any:
        return loss(tensors, x, labels), jax.jacfwd(loss)(tensors, x, labels)

    return function


STRATEGIES = (JaxPeer("grad"), JaxPeer("jacrev"), JaxPeer("jacfwd"))
