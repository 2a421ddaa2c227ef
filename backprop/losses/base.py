"""The Loss interface: one number from the network's outputs (n, c) and the labels (n,), the mean over n."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from backprop.arrays import Array
from backprop.layers import Layer


class Loss(ABC):
    """A function of the outputs and the labels, without state."""

    name: ClassVar[str]
    fused_layer: ClassVar[type[Layer] | None]
    """The output layer with which the loss has a closed form in common, where there is one."""
    needs_probabilities: ClassVar[bool]
    """Whether the outputs must be probabilities, so that the last layer has to be a softmax."""

    complex_safe: ClassVar[bool] = False
    """Whether `value` and `fused_value` take complex outputs too, as `Layer.complex_safe` has it."""

    value_temporaries: ClassVar[int]
    """Arrays (n, c) that `value` has allocated at once."""
    fused_value_temporaries: ClassVar[int]
    """Arrays (n, c) that `fused_value` has allocated at once."""

    @abstractmethod
    def value(self, y: Array, labels: Array) -> Any:
        """The loss, a scalar of the dtype of `y` (n, c); `labels` (n,) are class numbers."""

    @abstractmethod
    def sample_values(self, y: Array, labels: Array) -> Array:
        """The loss of every sample by itself (n,), whose mean is `value`."""

    @abstractmethod
    def gradient(self, y: Array, labels: Array) -> Array:
        """∂L/∂y (n, c), the factor 1/n included."""

    @abstractmethod
    def fused_value(self, z: Array, labels: Array) -> Any:
        """The loss from the logits `z` (n, c), the inputs of `fused_layer`; exact for any logits."""

    @abstractmethod
    def fused_sample_values(self, z: Array, labels: Array) -> Array:
        """The loss of every sample by itself (n,), whose mean is `fused_value`."""

    @abstractmethod
    def fused_value_and_gradient(
        self, z: Array, labels: Array, *, out: Array | None = None
    ) -> tuple[Any, Array]:
        """The loss and ∂L/∂z (n, c) through loss and `fused_layer` at once; `out` may be `z` itself."""
