"""The network: layers, one after another, and a loss. Frozen, and without parameters of its own.

784-512-10 is   linear 784→512, relu, linear 512→10, softmax;   cross-entropy
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from backprop.arrays import Array, DType, check_dtype
from backprop.batch import Batch as Batch
from backprop.batch import check_batch
from backprop.errors import (
    DtypeError,
    NetworkError,
    NonFiniteError,
    OptionError,
    ShapeError,
    shown,
)
from backprop.layers import Layer, Linear, Shape, find_activation
from backprop.layers.chain import Chain, shapes_of
from backprop.losses import Loss, make_loss
from backprop.mlp import is_mlp, mlp_layers, read_sizes, write_sizes
from backprop.notation import is_layers, read_network, with_name_read, write_network
from backprop.parameters import Layout, Parameters


@dataclass(frozen=True)
class Network(Chain):
    """A feed-forward network and its loss.

    Build one with `Network.mlp`, or from any sequence of layers: `Network(layers, loss_function)`.
    Raises `NetworkError` where the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    loss_function: Loss

    def __post_init__(self) -> None:
        _ = self.shapes  # raises where two layers do not fit
        needed = self.loss_function.needs_output
        if needed is not None and self.layers[-1].name != needed:
            raise NetworkError(
                f"The loss {self.loss_function.name} is one of the outputs of a {needed} and the last layer is "
                f"{self.layers[-1].name}; expected {needed}."
            )

    @classmethod
    def mlp(
        cls,
        *sizes: int,
        activation: str | Sequence[str] = "relu",
        loss: str = "cross-entropy",
        output: str | None = None,
        bias: bool = True,
    ) -> Network:
        """A multi-layer perceptron of the given sizes: inputs, hidden layers, classes.

        `activation` follows every linear layer but the last; a sequence names one for each hidden layer. `output`
        names the activation after the last one, or "none" (or "linear") for none; by default it is what the loss
        needs: softmax for the cross-entropy, sigmoid for the binary cross-entropy, none for other losses. Each of
        them, and the loss, is a name of this package or of another one's entry point, or a class in a file,
        `path/to/file.py:Class`. Without `bias` no linear layer has one. Raises `NetworkError` for sizes or
        activations that make no network, `UnknownNameError` for a name that is not known, and `LoadError` for a
        class that cannot be loaded.
        """
        loss_function = make_loss(loss)
        layers = mlp_layers(sizes, activation, _output(loss_function, output), bias=bias)
        return cls(tuple(layers), loss_function)

    @classmethod
    def _of_layers(cls, layers: list[Layer], loss: str, output: str | None) -> Network:
        """The network of these layers, with the output after them unless the last one is it."""
        loss_function = make_loss(loss)
        last, made = _output(loss_function, output), shapes_of(_input_shape(layers), layers)[-1]
        if last is not None and layers[-1].name != last:
            layers = [*layers, find_activation("output", last)(math.prod(made))]
        return cls(tuple(layers), loss_function)

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        activation: str = "relu",
        loss: str = "cross-entropy",
        output: str | None = None,
        bias: bool = True,
    ) -> Network:
        """The network of a text, in one of two forms.

        `784-512-10` is `Network.mlp`, and so is `784-64:tanh-32:relu-10`, with activations by name: a hidden layer
        without a name has `activation`; a name after the last size is the output's. `1x28x28 conv5x6 relu pool2 10`
        gives the shape of a sample and every layer by itself (`backprop.notation`); `output`, or the layer that the
        loss needs, follows unless it is there. The name of a known network, such as `lenet`, stands for its text.
        Raises `NetworkError` for any other form, or for an output that is named twice.
        """
        text = with_name_read(text)
        if is_layers(text):
            return cls._of_layers(read_network(text), loss, output)
        sizes, names = read_sizes(text)
        if names[-1] is not None and output is not None and names[-1] != output:
            raise NetworkError(
                f"The network is {shown(text)} and its output {shown(output)}; expected one name for the output."
            )
        between = [name or activation for name in names[1:-1]] if any(names[1:-1]) else activation
        return cls.mlp(*sizes, activation=between, loss=loss, output=names[-1] or output, bias=bias)

    @cached_property
    def input_shape(self) -> Shape:
        """How a sample's numbers are arranged: as the first layer is made for which says so."""
        return _input_shape(self.layers)

    def mark(self, number: int) -> str:
        """The number: W1, W2, …"""
        return str(number)

    @property
    def inputs(self) -> int:
        """i of the first layer: numbers per sample."""
        return self.widths[0][0]

    @property
    def classes(self) -> int:
        """c, the network's outputs."""
        return self.widths[-1][1]

    @property
    def label_classes(self) -> int:
        """The classes that labels may name: c, or two where one output tells two classes apart."""
        return self.loss_function.label_classes(self.classes)

    @cached_property
    def short(self) -> Network:
        """The same function of the same parameters, in its short form.

        The last layer and the loss are replaced by one loss of that layer's inputs, where there is a closed form of
        both (`Loss.after`): softmax and cross-entropy by a loss of logits, whose gradient is p - t. Elsewhere it is
        this network.
        """
        loss = self.loss_function.after(self.layers[-1])
        return self if loss is None else Network(self.layers[:-1], loss)

    @cached_property
    def layout(self) -> Layout:
        """The tensors of `Parameters`: W1, b1, W2, …, numbered over the layers that have some."""
        return Layout(tuple(self.parameter_shapes().items()))

    @property
    def parameter_count(self) -> int:
        """p."""
        return self.layout.size

    def forward_flops(self, batch_size: int) -> int:
        """Predicted floating-point operations of one forward pass of n samples."""
        return self.loss_function.flops_of_layers * batch_size * self.classes + self.layers_flops(batch_size)

    def forward_traffic(self, batch_size: int, itemsize: int) -> int:
        """Predicted bytes of `loss` that are read or written: parameters, inputs, and every output both ways."""
        return itemsize * (self.parameter_count + batch_size * (self.inputs + 2 * self.units))

    def forward_bytes(self, batch_size: int, itemsize: int) -> int:
        """Predicted peak bytes of `loss`, which keeps no activation longer than it needs it."""
        short, c = self.short, self.classes
        loss = (1 + short.loss_function.temporaries) * batch_size * c * itemsize
        return max(short.layers_bytes(batch_size, itemsize), loss)

    def evaluation_bytes(self, batch_size: int, itemsize: int) -> int:
        """Predicted peak bytes of `evaluate`, which keeps every output: beside them, what a layer allocates."""
        n, kept, most = batch_size, 0, 0
        for layer, i, o in self.sized:
            kept += n * o * itemsize
            most = max(most, kept + layer.forward_bytes(n, i, o, itemsize, out=True))
        return most

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Parameters:
        """The values with which each layer begins: of a linear one, random weights and biases of zero.

        The same generator state gives the same numbers in every dtype, up to rounding. Raises `OptionError` for an
        `rng` that is no generator.
        """
        if not isinstance(rng, np.random.Generator):
            raise OptionError(f"rng is {shown(rng)}; expected a generator, as np.random.default_rng(0) is.")
        params = Parameters.empty(self.layout, check_dtype(dtype))
        for layer, own in zip(self.layers, self.local(params), strict=True):
            values = layer.initial(rng)
            for name, tensor in own.items():
                tensor[...] = values[name]
        return params

    def activations(self, params: Mapping[str, Array], inputs: Array) -> list[Array]:
        """The inputs (n, i) and every layer's output (n, o), in order."""
        return [inputs, *(step.y for step in self.evaluate(self.local(params), inputs))]

    def forward(self, params: Mapping[str, Array], inputs: Array) -> Array:
        """The network's outputs (n, c)."""
        return self.chained(self.local(params), inputs)

    def loss(self, params: Mapping[str, Array], inputs: Array, labels: Array) -> Any:
        """The loss, the mean over n: a scalar of the parameters' dtype; that of `short`, exact for any logits."""
        return self.short.loss_function.value(self.short.forward(params, inputs), labels)

    def predict(self, params: Mapping[str, Array], inputs: Array) -> Array:
        """The class of every sample (n,): that of the largest output, or of a single one, that of the lower loss."""
        outputs = self.forward(params, inputs)
        if self.label_classes == self.classes:
            classes: Array = outputs.argmax(axis=1)
        else:
            classes = np.argmin(self.label_losses(outputs), axis=1)
        return classes

    def label_losses(self, outputs: Array) -> Array:
        """The loss of every sample for each label that it could have (n, labels), of outputs (n, c)."""
        each = [np.full(len(outputs), label) for label in range(self.label_classes)]
        return np.stack([self.loss_function.sample_values(outputs, labels) for labels in each], axis=1)

    def batch(self, inputs: ArrayLike, labels: ArrayLike, dtype: DType) -> Batch:
        """Check samples against this network, once, before any strategy sees them; raises as `check_batch` does."""
        return check_batch(inputs, labels, self.inputs, self.label_classes, dtype)

    def check_parameters(self, params: Parameters) -> None:
        """Raise `ShapeError`, `DtypeError` or `NonFiniteError` unless `params` fit this network."""
        if not isinstance(params, Parameters):
            raise DtypeError(
                f"The parameters are a {type(params).__name__}; expected Parameters, as "
                "network.init or Parameters.from_mapping make them."
            )
        if params.layout != self.layout:
            raise ShapeError(f"The parameters are {params!r}; expected those of the network {self}.")
        check_dtype(params.dtype)
        if not np.isfinite(params.vector).all():
            name, index = self.layout.locate(int(np.flatnonzero(~np.isfinite(params.vector))[0]))
            raise NonFiniteError(
                f"The parameter {name}{list(index)} is {params[name][index]}; expected finite numbers."
            )

    @property
    def hidden_activations(self) -> tuple[str, ...]:
        """The names of the layers without parameters, except the last one where `short` leaves it out."""
        others = (layer.name for layer in self.short.layers if not isinstance(layer, Linear))
        return tuple(dict.fromkeys(others))

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """The inputs, and the outputs of every layer that is linear or has another width: (784, 512, 10)."""
        outputs = [o for layer, i, o in self.sized if i != o or isinstance(layer, Linear)]
        return (self.inputs, *outputs)

    @property
    def sizes(self) -> str:
        """The sizes alone: `784-512-10`."""
        return "-".join(map(str, self.all_sizes))

    @property
    def is_mlp(self) -> bool:
        """Whether the network is one that `mlp` makes: linear layers, each with at most one activation after it."""
        return is_mlp(self.layers)

    @property
    def text(self) -> str:
        """The network as `parse` reads it; the loss and whether there are biases come beside."""
        if self.is_mlp:
            return write_sizes(self.layers)
        is_implied = self.layers[-1].name == _output(self.loss_function, None)
        return write_network(self.shapes[0], self.layers[: len(self.layers) - is_implied])

    def __str__(self) -> str:
        if not self.is_mlp:
            return f"{self.text} {self.loss_function.name}"
        has_bias = any("b" in own for own in self.names)
        parts = [self.sizes, *self.hidden_activations, self.loss_function.name]
        return " ".join(parts) + ("" if has_bias else " without biases")


def _input_shape(layers: Sequence[Layer]) -> Shape:
    """The shape of a sample; raises `NetworkError` where no layer is linear."""
    if not any(isinstance(layer, Linear) for layer in layers):
        raise NetworkError("The network has no linear layer; expected at least one.")
    return next(shape for layer in layers if (shape := layer.input_shape) is not None)


def _output(loss: Loss, output: str | None) -> str | None:
    """The name of the layer after the last linear one: as it is asked for, or as the loss needs it."""
    chosen = output or loss.needs_output
    return None if chosen in ("linear", "none") else chosen
