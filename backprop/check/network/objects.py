"""Objects that hold the parameters of a network, and perhaps their gradients: where each array is.

self.params["W1"]     a dict            self.W1, self.b1            attributes
self.weights[0]       lists             self.layers[0].W            the objects in a list, or a dict of each
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DICTS = ("params", "parameters", "param", "theta")
_GRADIENTS = ("grads", "gradients", "grad", "gradient", "dparams")
_SPELLINGS = {"W": ("w", "weight", "weights"), "b": ("b", "bias", "biases")}


def plain(name: str) -> str:
    """A name without what people spell in different ways: capitals, underscores, spaces."""
    return re.sub(r"[_ ]", "", name.casefold())


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
    kept = vars(owner) if hasattr(owner, "__dict__") else {}
    for word in _GRADIENTS if before else _DICTS:
        holder = kept.get(word)
        if isinstance(holder, Mapping):
            found = {
                name: Slot(holder, key, True)
                for name in names
                for key in holder
                if means(key, name, names, before) or means(key, name, names)
            }
            if len(found) == len(names):
                return found
    found = {
        name: Slot(owner, key, False) for name in names for key in kept if means(key, name, names, before)
    }
    if len(found) == len(names):
        return found
    lists = {local: _list_of(kept, local, before) for local in "Wb"}
    found = {}
    for local in "Wb":
        own = [name for name in names if name.startswith(local)]
        if lists[local] is not None and len(lists[local]) == len(own):
            found |= {name: Slot(lists[local], k, True) for k, name in enumerate(own)}
    if len(found) == len(names):
        return found
    return _in_layers(kept.get("layers"), names, before)


def means(key: Any, name: str, names: Sequence[str], before: str = "") -> bool:
    """Whether a key is a way to write the parameter `name`, or with `before` = "d" its gradient.

    names: of all parameters; where there is but one layer, its number may be left out.
    """
    if not isinstance(key, str):
        return False
    local, number = name[0], name[1:]
    numbers = (number, "") if len(names) > 1 and all(other[1:] == number for other in names) else (number,)
    wanted = {f"{spelling}{k}" for spelling in _SPELLINGS.get(local, (local,)) for k in numbers}
    if not before:
        return plain(key) in wanted
    return any(plain(key) in _gradients_of(one) for one in wanted)


def _gradients_of(name: str) -> tuple[str, ...]:
    """What people call the gradient of something."""
    return f"d{name}", f"grad{name}", f"{name}grad", f"delta{name}", f"nabla{name}"


def _list_of(kept: Mapping[str, Any], local: str, before: str) -> Any:
    key = _key_of({key: value for key, value in kept.items() if isinstance(value, list)}, local, before)
    return None if key is None else kept[key]


def _in_layers(layers: Any, names: Sequence[str], before: str) -> dict[str, Slot]:
    """The arrays of the objects in a list, one a linear layer."""
    found: dict[str, Slot] = {}
    number = 0
    for layer in layers if isinstance(layers, list | tuple) else ():
        kept = vars(layer) if hasattr(layer, "__dict__") else {}
        dicts = [
            kept[word] for word in (_GRADIENTS if before else _DICTS) if isinstance(kept.get(word), Mapping)
        ]
        for holder, inside in ((layer, kept), *((each, each) for each in dicts)):
            keys = {local: _key_of(inside, local, before if holder is layer else "") for local in "Wb"}
            if keys["W"] is not None:
                break
        else:
            continue
        number += 1
        found |= {
            f"{local}{number}": Slot(holder, key, holder is not layer)
            for local, key in keys.items()
            if key is not None
        }
    return found if all(name in found for name in names) else {}


def _key_of(kept: Mapping[str, Any], local: str, before: str) -> str | None:
    for key in kept:
        for one in _SPELLINGS[local]:
            if plain(key) in (_gradients_of(one) if before else (one,)):
                return key
    return None
