"""Run: the forward pass of a multi-layer perceptron in float64, from which right and wrong backward passes start.

    z_k = x_k W_k + b_k        x_{k+1} = f_k(z_k)        x_0 the inputs, y the network's output

Layers are counted from 0 in code and from 1 in words, as the parameters are: W1 belongs to layer 0 here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.layers import Elementwise, Layer, Linear
from backprop.network import Network


@dataclass(frozen=True)
class Run:
    """The values of one forward pass. activations: the activation after each linear layer, None where there is none.

    slopes: by layer, the slope that is used for f' (n, o); NaN means f' itself. decay: the λ of λ/2 Σ W² in the loss.
    """

    network: Network
    labels: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[Layer | None, ...]
    x: tuple[Array, ...]
    z: tuple[Array, ...] = ()
    y: Array = field(default_factory=lambda: np.empty(0))
    slopes: Mapping[int, Array] = field(default_factory=dict)
    decay: float = 0.0

    @classmethod
    def of(
        cls,
        network: Network,
        params: Mapping[str, Array],
        inputs: Array,
        labels: Array,
        slopes: Mapping[int, Array] | None = None,
        decay: float = 0.0,
    ) -> Run | None:
        """The run of a network; None where it is no multi-layer perceptron.

        slopes: the slopes that are used at kinks, by the number of the activation among the network's layers.
        """
        activations = _between(network)
        if activations is None:
            return None
        wide = {name: np.asarray(tensor, np.float64) for name, tensor in params.items()}
        own = [tensors for tensors in network.local(wide) if tensors]
        return cls(
            network,
            labels,
            tuple(tensors["W"] for tensors in own),
            tuple(tensors.get("b", np.zeros(tensors["W"].shape[1])) for tensors in own),
            activations,
            (np.asarray(inputs, np.float64),),
            slopes={sum(map(bool, network.names[:k])) - 1: slope for k, slope in (slopes or {}).items()},
            decay=decay,
        ).rerun()

    def rerun(self, dtype: type = np.float64, *, inside: bool = True) -> Run:
        """The forward pass, made again. dtype: of the products x W + b and, where `inside`, of the activations."""
        x, z = [self.x[0]], []
        for weight, bias, activation in zip(self.weights, self.biases, self.activations, strict=True):
            product: Array = np.asarray(x[-1], dtype) @ np.asarray(weight, dtype) + np.asarray(bias, dtype)
            z.append(product.astype(np.float64))
            y = product if inside else z[-1]
            x.append((y if activation is None else activation.forward({}, y)).astype(np.float64))
        return replace(self, x=tuple(x[:-1]), z=tuple(z), y=x[-1])

    @property
    def fused(self) -> bool:
        """Whether the short form leaves out the last layer, softmax or sigmoid, so that the last δ is (y - t)/n."""
        return self.network.short is not self.network

    @property
    def depth(self) -> int:
        """The number of linear layers."""
        return len(self.weights)

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.labels)

    @property
    def targets(self) -> Array:
        """The labels as targets t (n, c): one-hot."""
        return self.network.loss_function.targets(self.labels, self.y)

    def names(self, k: int) -> tuple[str, str]:
        """The names of the weights and the bias of layer k; the second is empty if the layer has no bias."""
        return self._names[k]

    @functools.cached_property
    def _names(self) -> list[tuple[str, str]]:
        return [(own["W"], own.get("b", "")) for own in self.network.names if own]

    def slope(self, k: int) -> Array:
        """f'(z) of layer k, (n, o), where f acts on each element alone; ones where nothing follows the layer."""
        activation = self.activations[k]
        slope = np.ones_like(self.z[k])
        if isinstance(activation, Elementwise):
            slope = derivative_of(activation, self.z[k])
        return np.where(np.isnan(self.slopes[k]), slope, self.slopes[k]) if k in self.slopes else slope

    def through(self, k: int, dy: Array) -> Array:
        """∂L/∂z of layer k from ∂L/∂f(z)."""
        activation = self.activations[k]
        if activation is None or isinstance(activation, Elementwise):
            return np.asarray(dy * self.slope(k))
        dz, _ = activation.vjp({}, self.z[k], activation.forward({}, self.z[k]), dy)
        assert dz is not None
        return dz

    def output_delta(self) -> Array:
        """∂L/∂z of the last layer, (n, c)."""
        loss = self.network.short.loss_function
        if self.fused:
            return loss.gradient(self.z[-1], self.labels)
        return self.through(self.depth - 1, loss.gradient(self.y, self.labels))


def derivative_of(activation: Elementwise, at: Array) -> Array:
    """f' at every entry of an array."""
    return np.asarray(activation.derivative(at, activation.forward({}, at)), np.float64)


def _between(network: Network) -> tuple[Layer | None, ...] | None:
    """The activation after each linear layer; None where there are two, or one has parameters of its own."""
    activations: list[Layer | None] = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            activations.append(None)
        elif not activations or activations[-1] is not None or layer.parameter_shapes():
            return None
        else:
            activations[-1] = layer
    return tuple(activations)
