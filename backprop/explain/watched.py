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

from backprop.arrays import DType
from backprop.layers import Layer
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
    "jvp",
)
_LOSS_FORMS = ("value", "sample_values", "gradient", "value_and_gradient")


@dataclass(frozen=True)
class Call:
    """One call of a layer's or the loss's form, not yet made.

    position: of the layer; of the loss, the number of layers before it. arguments: by the names of the form.
    """

    position: int
    subject: Layer | Loss
    form: str
    arguments: dict[str, Any]

    def make(self) -> Any:
        """Make the call with the arguments as they are."""
        return getattr(self.subject, self.form)(**self.arguments)


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


class _StandIn:
    """Looks like what it stands for, to `isinstance` too, and hands its forms to `around`."""

    def __init__(self, subject: Layer | Loss, position: int, forms: tuple[str, ...], around: Around) -> None:
        self._subject, self._position, self._forms, self._around = subject, position, forms, around

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks where the type itself says no
        return type(self._subject)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._subject, name)
        return functools.partial(self._call, name, value) if name in self._forms else value

    def __repr__(self) -> str:
        return repr(self._subject)

    def _call(self, form: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        arguments = inspect.signature(method).bind(*args, **kwargs).arguments
        return self._around(Call(self._position, self._subject, form, dict(arguments)))


class _LayerStandIn(_StandIn):
    """What a layer calls by itself, or keeps in buffers, is watched as the form that it stands for."""

    def planned(self, n: int, dtype: DType) -> _LayerStandIn:
        """Without buffers, in which the layer would call its forms unseen."""
        return self

    def vjp_by_parts(self, *args: Any, **kwargs: Any) -> Any:
        """The parts are not seen one by one: what they give is that of `vjp`."""
        return self.vjp(*args, **kwargs)


class _LossStandIn(_StandIn):
    """Its short form is watched like the loss itself."""

    def after(self, layer: Layer) -> Loss | None:
        """A stand-in of `Loss.after`, one layer further to the front."""
        short = cast(Loss, self._subject).after(layer)
        return short and cast(Loss, _LossStandIn(short, self._position - 1, self._forms, self._around))
