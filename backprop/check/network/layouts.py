"""Layouts: how a function takes parameters, samples and labels, and in which order it returns gradients.

    W (i, o), samples in rows         z = x W + b          as everywhere in this package
    W (o, i), samples in columns      z = W x + b          as in many courses, with b (o, 1)
    W (o, i), samples in rows         z = x Wᵀ + b         as PyTorch has it
    W (i, o), samples in columns      z = Wᵀ x + b

Here arguments are put into a layout, and what comes back is put into the layout of this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.result import GradientCheck, Kink, TensorCheck
from backprop.errors import UnknownNameError
from backprop.layers import Linear
from backprop.network import Network

CONTAINERS: dict[str, str] = {
    "dict": "parameters by name",
    "flat": "parameters in a list, W1, b1, W2, …",
    "pairs": "parameters in a list of pairs (W, b)",
    "lists": "parameters in a list of weights and one of biases",
}
"""The containers in which a function may take parameters, in the order in which they are tried."""


ORIENTATIONS: dict[str, tuple[str, str]] = {
    f"{weights}-{samples}": (weights, samples)
    for weights, samples in (("io", "rows"), ("oi", "columns"), ("oi", "rows"), ("io", "columns"))
}
"""How weights and samples lie, by name, in the order in which they are tried."""


def orientation_of(name: str | None) -> tuple[str, str] | None:
    """How weights and samples lie; None for None. Raises `UnknownNameError` for another name."""
    if name is not None and name not in ORIENTATIONS:
        raise UnknownNameError("layout", name, ORIENTATIONS)
    return None if name is None else ORIENTATIONS[name]


@dataclass(frozen=True)
class Layout:
    """One way to hand over parameters, samples and labels; the defaults are those of this package.

    weights: "io" or "oi". samples: "rows" or "columns". biases: "o", "1o" or "o1". labels: "classes" for class
    numbers (n,), "targets" for what the loss compares with, one-hot (n, c) or in columns (c, n). container: one of
    `CONTAINERS`.
    """

    weights: str = "io"
    samples: str = "rows"
    biases: str = "o"
    labels: str = "classes"
    container: str = "dict"

    @property
    def is_plain(self) -> bool:
        """Whether the layout is that of this package, so that nothing is converted."""
        return self == Layout()

    @property
    def orientation(self) -> tuple[str, str]:
        """What decides between right and wrong: how weights and samples lie."""
        return self.weights, self.samples

    def words(self, network: Network) -> str:
        """The layout as a report says it."""
        parts = [f"W ({', '.join(self.weights)})", f"samples in {self.samples}"]
        if "b" in roles(network).values() and self.biases != "o":
            parts.append(f"biases {'(1, o)' if self.biases == '1o' else '(o, 1)'}")
        if self.labels == "targets":
            one_hot, c = ("one-hot ", "c") if network.label_classes == network.classes else ("", "1")
            parts.append(f"{one_hot}labels {f'(n, {c})' if self.samples == 'rows' else f'({c}, n)'}")
        if self.container != "dict":
            parts.append(CONTAINERS[self.container])
        return ", ".join(parts)

    def shape(self, role: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a parameter in this layout; role: "W", "b", or "" for a parameter of another layer."""
        if role == "W" and self.weights == "oi":
            return shape[::-1]
        if role == "b" and self.biases != "o":
            return (1, *shape) if self.biases == "1o" else (*shape, 1)
        return shape

    def into(self, role: str, tensor: Array) -> Array:
        """A parameter, or its gradient, in this layout; a view."""
        return (
            tensor.T
            if role == "W" and self.weights == "oi"
            else tensor.reshape(self.shape(role, tensor.shape))
        )

    def out_of(self, role: str, tensor: Array) -> Array:
        """A parameter, or its gradient, from this layout to that of this package; a view."""
        if role == "b" and tensor.ndim == 2:
            return tensor.reshape(-1)
        return tensor.T if role == "W" and self.weights == "oi" and tensor.ndim == 2 else tensor

    def arguments(
        self, network: Network, params: Mapping[str, Array], inputs: Array, labels: Array
    ) -> tuple[Any, Array, Array]:
        """The arguments of a function that wants this layout, in memory of their own."""
        kinds = roles(network)
        tensors = {
            name: np.array(self.into(kinds[name], tensor), order="C") for name, tensor in params.items()
        }
        x = inputs if self.samples == "rows" else inputs.T
        y = labels
        if self.labels == "targets":
            like = np.empty((len(labels), network.classes), inputs.dtype)
            y = network.loss_function.targets(labels, like)
            y = y if self.samples == "rows" else y.T
        return self.contain(tensors, kinds), np.array(x, order="C"), np.array(y, order="C")

    def contain(self, tensors: dict[str, Any], kinds: Mapping[str, str]) -> Any:
        """What belongs to each parameter in the container of this layout; kinds: the role of each."""
        if self.container == "dict":
            return tensors
        if self.container == "flat":
            return list(tensors.values())
        weights = [tensor for name, tensor in tensors.items() if kinds[name] == "W"]
        biases = [tensor for name, tensor in tensors.items() if kinds[name] == "b"]
        return (
            [weights, biases]
            if self.container == "lists"
            else [list(pair) for pair in zip(weights, biases, strict=False)]
        )

    def shown(self, check: GradientCheck, network: Network) -> GradientCheck:
        """The check with shapes and indices as this layout has them."""
        if self.weights == "io" and self.biases == "o":
            return check
        kinds = roles(network)

        def index(name: str, at: tuple[int, ...]) -> tuple[int, ...]:
            if kinds[name] == "b" and self.biases != "o":
                return (0, *at) if self.biases == "1o" else (*at, 0)
            return at[::-1] if kinds[name] == "W" and self.weights == "oi" else at

        def tensor(each: TensorCheck) -> TensorCheck:
            worst = tuple(replace(entry, index=index(each.name, entry.index)) for entry in each.worst)
            return replace(each, shape=self.shape(kinds[each.name], each.shape), worst=worst)

        kinks = tuple(Kink(each.tensor, index(each.tensor, each.index), each.reason) for each in check.kinks)
        return replace(check, tensors=tuple(map(tensor, check.tensors)), kinks=kinks)


def roles(network: Network) -> dict[str, str]:
    """Every parameter's role by its name: "W" and "b" of linear layers, "" of other layers."""
    found = {}
    for layer, names in zip(network.layers, network.names, strict=True):
        for local, name in names.items():
            found[name] = local if isinstance(layer, Linear) else ""
    return found


def layouts(network: Network) -> Iterator[list[Layout]]:
    """The layouts that are tried, container by container, and orientation by orientation, the likelier first.

    Class numbers (n,) come after one-hot labels: p - t of (c, n) and (n,) is broadcast, where it should not be, but
    code that takes a label as an index raises for one-hot labels, which are floating-point numbers.
    """
    kinds = set(roles(network).values())
    containers = ["dict", "flat"] if "" not in kinds else ["dict"]
    if kinds == {"W", "b"}:
        containers = list(CONTAINERS)
    for container in containers:
        for weights, samples in ORIENTATIONS.values():
            biases = ("o", "1o") if samples == "rows" else ("o1", "o")
            yield [
                Layout(weights, samples, bias, labels, container)
                for bias in biases
                for labels in ("targets", "classes")
            ]
