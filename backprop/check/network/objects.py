"""Objects that hold the parameters of a network, and perhaps their gradients: where each array is.

self.params["W1"]     a dict            self.W1, self.b1            attributes
self.weights[0]       lists             self.layers[0].W            the objects in a list, or a dict of each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.check.words import is_gradient_of, plain

_DICTS = ("params", "parameters", "param", "theta")
_GRADIENTS = ("grads", "gradients", "grad", "gradient", "dparams")
"""What people call a dict of parameters, and one of gradients."""
SPELLINGS = {"W": ("w", "ws", "weight", "weights"), "b": ("b", "bs", "bias", "biases")}
"""What people call the weights and the bias of a layer, or lists of all of them."""


@dataclass(frozen=True)
class Slot:
    """Where an object holds an array: an attribute, or an item of a list or a dict."""

    holder: Any
    key: Any
    is_item: bool

    def put(self, value: Any) -> None:
        """Put an array there."""
        if self.is_item:
            self.holder[self.key] = value
        else:
            setattr(self.holder, self.key, value)

    def get(self) -> Any:
        """What is there."""
        return self.holder[self.key] if self.is_item else getattr(self.holder, self.key)


def slots(owner: Any, names: Sequence[str], before: str = "") -> dict[str, Slot]:
    """Where an object holds the parameters, or with `before` = "d" their gradients; empty where it holds not all.

    Looked for in this order: a dict such as `params`, attributes such as `W1`, a list of weights and one of biases,
    and the objects in `layers`.
    """
    kept = _kept(owner)
    ways = [
        *(_named(each, list(each), names, before, is_item=True) for each in _dicts(kept, before)),
        _named(owner, list(kept), names, before, is_item=False),
        _in_lists(kept, names, before),
        _in_layers(kept.get("layers"), before),
    ]
    return next((found for found in ways if set(names) <= set(found)), {})


def _kept(owner: Any) -> Mapping[str, Any]:
    return vars(owner) if hasattr(owner, "__dict__") else {}


def _dicts(kept: Mapping[str, Any], before: str) -> list[Mapping[str, Any]]:
    held = [kept.get(word) for word in (_GRADIENTS if before else _DICTS)]
    return [each for each in held if isinstance(each, Mapping)]


def _named(
    holder: Any, keys: Sequence[Any], names: Sequence[str], before: str, *, is_item: bool
) -> dict[str, Slot]:
    """The arrays that have names of their own; gradients in a dict may have those of the parameters."""
    befores = {before, ""} if is_item else {before}
    return {
        name: Slot(holder, key, is_item)
        for name in names
        for key in keys
        if any(means(key, name, names, each) for each in befores)
    }


def _in_lists(kept: Mapping[str, Any], names: Sequence[str], before: str) -> dict[str, Slot]:
    """The arrays in a list of weights and one of biases."""
    found: dict[str, Slot] = {}
    for local in "Wb":
        own = [name for name in names if name.startswith(local)]
        lists = (each for key, each in kept.items() if isinstance(each, list) and _is(key, local, before))
        values = next(lists, [])
        if len(values) == len(own):
            found |= {name: Slot(values, k, True) for k, name in enumerate(own)}
    return found


def _in_layers(layers: Any, before: str) -> dict[str, Slot]:
    """The arrays of the objects in a list, one a linear layer, or those in a dict of each."""
    found: dict[str, Slot] = {}
    number = 0
    for layer in layers if isinstance(layers, list | tuple) else ():
        kept = _kept(layer)
        for holder, inside, word in (
            (layer, kept, before),
            *((each, each, "") for each in _dicts(kept, before)),
        ):
            keys = {local: key for local in "Wb" for key in inside if _is(key, local, word)}
            if "W" in keys:
                number += 1
                is_item = holder is not layer
                found |= {f"{local}{number}": Slot(holder, key, is_item) for local, key in keys.items()}
                break
    return found


def means(key: Any, name: str, names: Sequence[str], before: str = "") -> bool:
    """Whether a key is a way to write the parameter `name`, or with `before` = "d" its gradient.

    names: of all parameters; where there is but one layer, its number may be left out.
    """
    local, number = name[0], name[1:]
    numbers = (number, "") if len(names) > 1 and all(other[1:] == number for other in names) else (number,)
    return any(_is(key, local, before, k) for k in numbers)


def _is(key: Any, local: str, before: str, number: str = "") -> bool:
    """Whether a key is a way to write the weights or the bias of a layer, or their gradient."""
    words = [f"{one}{number}" for one in SPELLINGS.get(local, (local,))]
    if not isinstance(key, str) or (plain(key) in words) == bool(before):
        return False
    return not before or any(is_gradient_of(plain(key), each) for each in words)
