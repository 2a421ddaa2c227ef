"""autograd (HIPS): reverse mode by tracing NumPy; the ancestor of JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw, reverse_mode_cost, unsupported_layer
from backprop.peers.functional import Functional
from backprop.strategy import EXACT, Accuracy, Cost, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """value_and_grad of the loss by a list of tensors, and the gradient's memory."""

    function: Callable[..., Any]
    gradient: Parameters


@final
class AutogradGrad(Peer[Plan]):
    """autograd.value_and_grad of the loss."""

    name = "autograd-grad"
    package: ClassVar[str] = "autograd"
    oldest: ClassVar[str] = "1.7"
    function: ClassVar[str] = "autograd.numpy for NumPy 2"
    summary: ClassVar[str] = "autograd: value_and_grad of the loss"
    accuracy: Accuracy = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network of known layers can be done."""
        return unsupported_layer(network)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """That of reverse mode."""
        return reverse_mode_cost(network, batch_size, dtype)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import autograd and build the network."""
        import autograd

        functional = _functional(network)
        names = network.layout.names

        def loss(tensors: list[Any], x: Any, labels: Any) -> Any:
            return functional.loss(dict(zip(names, tensors, strict=True)), x, labels)

        return Plan(autograd.value_and_grad(loss), Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """NumPy's arrays as they are."""
        tensors = list(params.values())
        return lambda: plan.function(tensors, batch.inputs, batch.labels)

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradients into one vector."""
        loss, gradients = raw
        for name, array in zip(plan.gradient, gradients, strict=True):
            plan.gradient[name][...] = array
        return ValueAndGradient(float(loss), plan.gradient)


def _functional(network: Network) -> Functional:
    import autograd.numpy as anp
    from autograd.scipy.special import erf, expit, logsumexp

    def cross_entropy(z: Any, labels: Any) -> Any:
        n = len(labels)
        return anp.mean(logsumexp(z, axis=1) - z[anp.arange(n), labels])

    def mean_squared_error(y: Any, labels: Any) -> Any:
        return anp.mean((y - anp.eye(network.classes, dtype=y.dtype)[labels]) ** 2)

    def softmax(z: Any) -> Any:
        return anp.exp(z - logsumexp(z, axis=1, keepdims=True))

    activations = {
        "relu": lambda x: anp.maximum(x, 0),
        "tanh": anp.tanh,
        "sigmoid": expit,
        "gelu": lambda x: x * (1 + erf(x / anp.sqrt(2).astype(x.dtype))) / 2,
        "softmax": softmax,
    }
    losses = {"softmax-cross-entropy": cross_entropy, "mean-squared-error": mean_squared_error}
    return Functional(network, activations, losses)


STRATEGIES = (AutogradGrad(),)
