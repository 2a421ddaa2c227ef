"""The Loss interface: one number from the network's outputs (n, c) and the labels (n,), the mean over n."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from backprop.arrays import Array
from backprop.layers import Layer
from backprop.layers.base import Margin


class Loss(ABC):
    """A function of the outputs and the labels, without state."""

    name: ClassVar[str]
    needs_output: ClassVar[str | None] = None
    """The layer whose outputs this loss takes, by name, so that it has to be the last one; None for any."""
    binary: ClassVar[bool] = False
    """Whether a single output tells two classes apart: then its target is the label itself, 0 or 1."""
    smooth: ClassVar[bool] = True
    """Whether the loss is differentiable everywhere."""
    complex_safe: ClassVar[bool] = False
    """Whether `value` takes complex outputs too, as `Layer.complex_safe` has it."""
    temporaries: ClassVar[int]
    """Arrays (n, c) that `value` has allocated at once."""
    flops_of_layers: ClassVar[int] = 0
    """Floating-point operations per output of the layer that this loss replaces; a loss's own are not counted."""

    formulas: ClassVar[Mapping[str, str]] = {}
    """What a reader sees as "value" and "gradient", as `Layer.formulas` has it."""
    cells: ClassVar[Mapping[str, str]] = {}
    """The loss of one sample and its gradient, as `Layer.cells` has it."""
    code: ClassVar[str | None] = None
    """Lines of Python, as of `Elementwise.code`: from the outputs {y} (n, c) they set `loss` and {d} = ∂L/∂{y}.

    They may use np, n, labels (n,), and t (n, c), the labels one-hot.
    """
    peers: ClassVar[Mapping[str, Callable[[Any, Any, Any], Any]]] = {}
    """The value, peers[library](module, y, labels), as `Layer.peers` has it."""

    def label_classes(self, outputs: int) -> int:
        """The number of classes that labels may name, from 0 on, for so many outputs."""
        return 2 if self.binary and outputs == 1 else outputs

    def targets(self, labels: Array, like: Array) -> Array:
        """The labels (n,) as targets t (n, c), zeros and ones of the shape and dtype of `like`.

        They are one-hot: 1 at the label and 0 elsewhere. Of a single output of a binary loss they are the labels.
        """
        targets: Array = np.zeros_like(like)
        if self.binary and like.shape[1] == 1:
            targets[:, 0] = labels
        else:
            targets[np.arange(len(like)), labels] = 1
        return targets

    def margins(self, y: Array, labels: Array) -> Iterator[Margin]:
        """How far the outputs y (n, c) are from every kink of the loss, as `Layer.margins` has it of its inputs."""
        return iter(())

    def after(self, layer: Layer) -> Loss | None:
        """One loss of the inputs of `layer`, equal to this loss of its outputs; None where no closed form is known.

        `layer` has no parameters where a loss is returned.
        """
        return None

    def value(self, y: Array, labels: Array) -> Any:
        """The loss, a scalar of the dtype of `y` (n, c); `labels` (n,) are class numbers."""
        return np.mean(self.sample_values(y, labels))

    @abstractmethod
    def sample_values(self, y: Array, labels: Array) -> Array:
        """The loss of every sample by itself (n,), whose mean is `value`."""

    @abstractmethod
    def gradient(self, y: Array, labels: Array) -> Array:
        """∂L/∂y (n, c), the factor 1/n included."""

    def value_and_gradient(self, y: Array, labels: Array, *, out: Array | None = None) -> tuple[Any, Array]:
        """One after the other; a loss that shares work between them may write the gradient into `out`.

        `out` (n, c) may be `y` itself.
        """
        return self.value(y, labels), self.gradient(y, labels)

    def in_place_bytes(self, n: int, c: int, itemsize: int) -> int | None:
        """The most bytes that `value_and_gradient` has allocated at once while it writes the gradient into `out`.

        None where it allocates the gradient.
        """
        return None


def by_formula(formula: Callable[[Any, Any, Any], Any], *libraries: str) -> dict[str, Callable[..., Any]]:
    """`Loss.peers` of the libraries that have NumPy's functions: formula(numpy, y, t), t the targets (n, c)."""

    def value(module: Any, y: Any, labels: Any) -> Any:
        numpy = module if module.__name__ == "torch" else module.numpy
        return formula(numpy, y, targets_in(numpy, y, labels))

    return dict.fromkeys(libraries, value)


def targets_in(numpy: Any, y: Any, labels: Any) -> Any:
    """`Loss.targets` of a binary loss, in a library that has NumPy's functions."""
    identity = numpy.eye(y.shape[1], dtype=y.dtype)
    return identity[labels] if y.shape[1] > 1 else labels[:, None] * identity
