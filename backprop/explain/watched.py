"""A network whose layers and loss are seen from outside: each stands behind a stand-in that reports its calls.

    strategy → stand-in → around(call) → layer

A strategy is handed such a network in place of the plain one. It has no hook and no branch for it: where
nobody watches, the stand-ins do not exist, so watching costs nothing when it is absent.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import EinsumFactor, Layer
from backprop.layers.base import Planned
from backprop.losses import Loss
from backprop.network import Network

_LAYER_FORMS = (
    "forward",
    "derivative",
    "input_jacobian",
    "parameter_jacobians",
    "input_factor",
    "parameter_factors",
    "vjp",
    "vjp_by_parts",
    "jvp",
)
_LOSS_FORMS = ("value", "sample_values", "gradient", "value_and_gradient")


@dataclass(frozen=True)
class Call:
    """One call of a layer's or the loss's form, not yet made.

    position: of the layer; of the loss, the number of layers before it. arguments: by the names of the form. planned:
    what is called instead of the layer, where the layer was planned for the batch.
    """

    position: int
    subject: Layer | Loss
    form: str
    arguments: dict[str, Any]
    planned: Planned | None = None

    def make(self) -> Any:
        """Make the call with the arguments as they are."""
        return getattr(self.planned or self.subject, self.form)(**self.arguments)


Around = Callable[[Call], Any]
"""What is done with a call; it returns what the caller of the form gets."""


def watched(network: Network, around: Around) -> Network:
    """The same network, whose every call of a layer's or the loss's form goes through `around`."""
    layers = [
        cast(Layer, _LayerStandIn(layer, k, _LAYER_FORMS, around)) for k, layer in enumerate(network.layers)
    ]
    return Network(
        tuple(layers), cast(Loss, _LossStandIn(network.loss_function, len(layers), _LOSS_FORMS, around))
    )


def on_arrays(change: Callable[[Array], Any], value: Any) -> Any:
    """What a form takes or gives, with every array changed: in a dict, a list, a tuple, or as operand of a factor."""
    if isinstance(value, EinsumFactor):
        return value._replace(operand=change(value.operand), through=on_arrays(change, value.through))
    if isinstance(value, dict):
        return {name: on_arrays(change, part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(on_arrays(change, part) for part in value)
    return change(value) if isinstance(value, np.ndarray) else value


class _StandIn:
    """Looks like what it stands for, to `isinstance` too, and hands its forms to `around`."""

    def __init__(
        self,
        subject: Layer | Loss,
        position: int,
        forms: tuple[str, ...],
        around: Around,
        planned: Planned | None = None,
    ) -> None:
        self._subject, self._position, self._forms, self._around = subject, position, forms, around
        self._planned = planned

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks where the type itself says no
        return type(self._subject)

    def __getattr__(self, name: str) -> Any:
        subject = (
            self._planned if self._planned is not None and hasattr(self._planned, name) else self._subject
        )
        value = getattr(subject, name)
        return functools.partial(self._call, name, value) if name in self._forms else value

    def __repr__(self) -> str:
        return repr(self._subject)

    def _call(self, form: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        arguments = inspect.signature(method).bind(*args, **kwargs).arguments
        return self._around(Call(self._position, self._subject, form, dict(arguments), self._planned))


class _LayerStandIn(_StandIn):
    """A layer, or what it has planned for a batch: its calls are those of the layer."""

    def planned(self, n: int, dtype: DType) -> _LayerStandIn:
        """The same with the layer's buffers; of symbols without them."""
        layer = cast(Layer, self._subject)
        planned = layer if dtype.hasobject else layer.planned(n, dtype)
        if planned is layer:
            return self
        return _LayerStandIn(layer, self._position, self._forms, self._around, planned)


class _LossStandIn(_StandIn):
    """Its short form is watched like the loss itself."""

    def after(self, layer: Layer) -> Loss | None:
        """A stand-in of `Loss.after`, one layer further to the front."""
        short = cast(Loss, self._subject).after(layer)
        return short and cast(Loss, _LossStandIn(short, self._position - 1, self._forms, self._around))
