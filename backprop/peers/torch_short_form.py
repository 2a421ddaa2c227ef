"""The short form written by hand in PyTorch, as an engineer would write it: no graph, in place, buffers reused.

    y = f(x W + b)   forward, each layer over its buffer      δ = (p - t) / n at the end, then (δ Wᵀ) ∘ f'(z)
    dL/dW = xᵀ δ     dL/db = Σₙ δ

Beside `torch-grad` it shows what automatic differentiation costs; beside `short-form-dense`, which is the same in
NumPy, what the libraries' products and their calls cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import DType
from backprop.layers import Layer, Linear, ReLU, Sigmoid, Tanh
from backprop.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw, reverse_mode_cost
from backprop.strategy import EXACT, Accuracy, ValueAndGradient

_ACTIVATIONS: Mapping[type[Layer], tuple[str, str, tuple[int, ...]]] = {
    ReLU: ("relu_", "threshold_backward", (0,)),
    Sigmoid: ("sigmoid_", "sigmoid_backward", ()),
    Tanh: ("tanh_", "tanh_backward", ()),
}
"""f in place, f'(z) ∘ dy from y alone as PyTorch's own backward pass calls it, and what that takes beside y."""


def _cross_entropy(torch: Any, z: Any, labels: Any, minus_one: Any) -> tuple[Any, Any]:
    log_p = torch.log_softmax(z, 1, out=z)
    loss = torch.nn.functional.nll_loss(log_p, labels)
    return loss, log_p.exp_().scatter_add_(1, labels[:, None], minus_one).div_(len(z))


def _mean_squared_error(torch: Any, z: Any, labels: Any, minus_one: Any) -> tuple[Any, Any]:
    residual = z.scatter_add_(1, labels[:, None], minus_one)
    loss = torch.mean(residual.square())
    return loss, residual.mul_(2 / z.numel())


_LOSSES: Mapping[type[Loss], Callable[..., tuple[Any, Any]]] = {
    SoftmaxCrossEntropy: _cross_entropy,
    MeanSquaredError: _mean_squared_error,
}
"""The loss, and δ (n, c) over the outputs z; -1 (n, 1) is added at the labels."""


@dataclass(frozen=True)
class Plan:
    """The network's short form and the gradient's memory, which PyTorch writes to."""

    network: Network
    gradient: Parameters


@final
class TorchShortForm(Peer[Plan]):
    """Closed forms in torch tensors, linear layers and activations in turn."""

    name = "torch-short-form"
    package: ClassVar[str] = "torch"
    oldest: ClassVar[str] = "1.13"
    function: ClassVar[str] = "torch.ops.aten with `out`"
    build: ClassVar[tuple[str, ...]] = ("version.cuda", "get_num_threads", "__config__.show")
    summary: ClassVar[str] = "PyTorch: the short form by hand, no_grad, in place, buffers reused"
    accuracy: ClassVar[Accuracy] = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Layers that are not linear, with a bias, and one of a few activations in turn; a loss that has no form."""
        network = network.short
        for k, layer in enumerate(network.layers):
            is_linear = isinstance(layer, Linear) and layer.bias
            if not (is_linear if k % 2 == 0 else type(layer) in _ACTIVATIONS):
                expected = "linear with a bias" if k % 2 == 0 else "relu, sigmoid or tanh"
                return f"the layer {k + 1} is {layer.name}, and the form by hand has {expected} there"
        if len(network.layers) % 2 == 0:
            return "the last layer is an activation, and the form by hand ends with a linear layer"
        loss = network.loss_function
        return None if type(loss) in _LOSSES else f"the loss {loss.name} has no form by hand"

    cost = staticmethod(reverse_mode_cost)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """The gradient's memory."""
        import torch  # noqa: F401  # so that its import counts as preparation

        return Plan(network.short, Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Tensors that share the arrays' memory, and the buffers."""
        import torch

        layers, n = plan.network.layers, len(batch.inputs)
        as_tensors = [
            [(torch.from_numpy(one["W"]), torch.from_numpy(one["b"])) for one in plan.network.local(of)[::2]]
            for of in (params, plan.gradient)
        ]
        weights, gradients = as_tensors
        ys = [torch.from_numpy(batch.inputs), *(b.new_empty(n, len(b)) for _, b in weights)]
        deltas = [torch.empty_like(y) for y in ys[:-1]]
        labels, minus_one = torch.from_numpy(batch.labels.astype(np.int64)), ys[0].new_full((n, 1), -1)
        forms = [_ACTIVATIONS[type(layer)] for layer in layers[1::2]]
        activations = [getattr(torch, name) for name, _, _ in forms]
        slopes = [(getattr(torch.ops.aten, name).grad_input, more) for _, name, more in forms]
        loss_and_delta = _LOSSES[type(plan.network.loss_function)]

        @torch.no_grad()
        def call() -> Raw:
            for k, (w, b) in enumerate(weights):
                torch.addmm(b, ys[k], w, out=ys[k + 1])
                if k < len(activations):
                    activations[k](ys[k + 1])
            loss, delta = loss_and_delta(torch, ys[-1], labels, minus_one)
            for k in reversed(range(len(weights))):
                dw, db = gradients[k]
                torch.mm(ys[k].T, delta, out=dw)
                torch.sum(delta, 0, out=db)
                if k > 0:
                    slope, more = slopes[k - 1]
                    delta = torch.mm(delta, weights[k][0].T, out=deltas[k])
                    slope(delta, ys[k], *more, grad_input=delta)
            return loss

        return call

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """The gradient lies in the plan already."""
        return ValueAndGradient(float(raw), plan.gradient)


STRATEGIES = (TorchShortForm(),)
