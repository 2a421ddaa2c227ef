"""Callables: the forms in which people have a gradient, each as a function of (params, inputs, labels).

gradient(params, inputs, labels)      as it is; in another order where the names of its arguments say so
backprop(X, Y, W1, b1, W2, b2)        the parameters one by one, under their names
net.loss(X, y), Net.loss              a method of an object that holds the parameters, as params, as W1 and b1, as
                                      weights and biases, or in its layers; its gradients are returned, or kept there
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.errors import CheckError

Function = Callable[..., Any]

ARGUMENTS = ("params", "inputs", "labels")
_ROLES = {
    "params": frozenset(["params", "parameters", "param", "theta", "weights", "model", "p", "w"]),
    "inputs": frozenset(
        ["x", "xs", "inputs", "input", "data", "images", "features", "a0", "xbatch", "batchx", "xtrain"]
    ),
    "labels": frozenset(
        [
            "y",
            "ys",
            "labels",
            "label",
            "targets",
            "target",
            "t",
            "ybatch",
            "batchy",
            "ytrain",
            "ytrue",
            "onehot",
        ]
    ),
}
"""What people call the three arguments."""
_DICTS = ("params", "parameters", "param", "theta")
_GRADIENTS = ("grads", "gradients", "grad", "gradient", "dparams")
_SPELLINGS = {"W": ("w", "weight", "weights"), "b": ("b", "bias", "biases")}


@dataclass(frozen=True)
class Adapted:
    """A function of (params, inputs, labels). note: how it is called, where that is not as it stands."""

    function: Function
    note: str | None = None


def adapted(function: Function, names: Sequence[str]) -> Adapted:
    """The function, or bound method, as one of (params, inputs, labels); `names` are those of the parameters.

    Raises `CheckError` for one that takes other arguments.
    """
    owner = getattr(function, "__self__", None)
    if (
        owner is not None
        and not inspect.ismodule(owner)
        and not inspect.isclass(owner)
        and slots(owner, names)
    ):
        return _of_object(owner, function, names)
    taken = _taken(function)
    if taken is None:  # built in C: the call itself will tell
        return Adapted(function)
    called = getattr(function, "__name__", "function")
    by_name = {name: part for name in names for part in taken if _plain(part) == _plain(name)}
    if len(by_name) == len(names):
        rest = [part for part in taken if part not in by_name.values()]
        if len(rest) == 2:
            first = _in_roles(rest, ("inputs", "labels"))
            return Adapted(
                _by_name(function, by_name, first), f"It was called as {called}({', '.join(taken)})."
            )
    order = _in_roles(taken, ARGUMENTS) if len(taken) == 3 else None
    if order is not None and [order[role] for role in ARGUMENTS] != list(taken):

        def call(params: Any, inputs: Any, labels: Any) -> Any:
            return function(**{order["params"]: params, order["inputs"]: inputs, order["labels"]: labels})

        return Adapted(call, f"It was called as {called}({', '.join(taken)}).")
    _check_arguments(function, called)
    return Adapted(function)


def _by_name(function: Function, by_name: Mapping[str, str], rest: Mapping[str, str]) -> Function:
    def call(params: Mapping[str, Any], inputs: Any, labels: Any) -> Any:
        own = {part: params[name] for name, part in by_name.items()}
        return function(**own, **{rest["inputs"]: inputs, rest["labels"]: labels})

    return call


def _taken(function: Function) -> list[str] | None:
    """The names of the arguments that a call gives; None where they cannot be known.

    Those without a default, and labels that have one, as in loss(X, y=None).
    """
    try:
        parts = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        part.name
        for part in parts
        if part.kind in kinds and (part.default is part.empty or _plain(part.name) in _ROLES["labels"])
    ]


def _in_roles(taken: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The arguments by what they are, where their names say so; else in the order in which they stand."""
    found = {role: part for role in wanted for part in taken if _plain(part) in _ROLES[role]}
    is_clear = len(set(found.values())) == len(wanted)
    return found if is_clear else dict(zip(wanted, taken, strict=True))


def _check_arguments(function: Function, called: str) -> None:
    try:
        signature = inspect.signature(function)
        signature.bind(*ARGUMENTS)
    except ValueError:
        return
    except TypeError:
        taken = "" if str(signature) == "()" else str(signature)[1:-1]
        raise CheckError(
            f"The function {called} takes ({taken}); expected three arguments, ({', '.join(ARGUMENTS)})."
        ) from None


def _plain(name: str) -> str:
    return re.sub(r"[_ ]", "", name.casefold())


# Objects that hold the parameters, and perhaps the gradients.


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
                if _means(key, name, before) or _means(key, name, "")
            }
            if len(found) == len(names):
                return found
    found = {name: Slot(owner, key, False) for name in names for key in kept if _means(key, name, before)}
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


def _means(key: Any, name: str, before: str) -> bool:
    if not isinstance(key, str):
        return False
    local, number = name[0], name[1:]
    wanted = {f"{spelling}{number}" for spelling in _SPELLINGS.get(local, (local,))}
    if not before:
        return _plain(key) in wanted
    return any(_plain(key) in _gradients_of(one) for one in wanted)


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
        keys = {local: _key_of(kept, local, before) for local in "Wb"}
        if keys["W"] is None:
            continue
        number += 1
        found |= {
            f"{local}{number}": Slot(layer, key, False) for local, key in keys.items() if key is not None
        }
    return found if all(name in found for name in names) else {}


def _key_of(kept: Mapping[str, Any], local: str, before: str) -> str | None:
    for key in kept:
        for one in _SPELLINGS[local]:
            if _plain(key) in (_gradients_of(one) if before else (one,)):
                return key
    return None


def _of_object(owner: Any, method: Function, names: Sequence[str]) -> Adapted:
    """A method of an object; the parameters are put where the object holds them before each call."""
    taken = _taken(method) or []
    forward = getattr(owner, "forward", None)
    first = (
        callable(forward) and getattr(method, "__name__", "") != "forward" and len(_taken(forward) or []) == 1
    )
    called, kind = getattr(method, "__name__", "method"), type(owner).__name__
    if len(taken) not in ((1, 2, 3) if first else (2,)):
        raise CheckError(
            f"The method {called} of {kind} takes ({', '.join(taken)}); expected two arguments, (inputs, labels)."
        )

    def call(params: Mapping[str, Any], inputs: Any, labels: Any) -> Any:
        places = slots(owner, names)
        for name in names:
            places[name].put(params[name])
        output = forward(inputs) if first and forward is not None else None
        given = {1: (labels,), 2: (inputs, labels), 3: (inputs, labels, output)}[len(taken)]
        if len(taken) == 2:
            roles = _in_roles(taken, ("inputs", "labels"))
            answer = method(**{roles["inputs"]: inputs, roles["labels"]: labels})
        else:
            answer = method(*given)
        if answer is not None and not _is_number(answer):
            return answer
        kept = slots(owner, names, before="d")
        gradients = {name: kept[name].get() for name in names if name in kept}
        return answer if not gradients else gradients if answer is None else (answer, gradients)

    before = "forward(inputs), then " if first else ""
    return Adapted(
        call, f"It was called as {before}{called}({', '.join(taken)}) of {kind}, which holds the parameters."
    )


def _is_number(value: Any) -> bool:
    return getattr(value, "ndim", None) == 0 or isinstance(value, int | float)


def made(kind: type, sizes: Sequence[int]) -> Any:
    """An object of a class: made of the sizes of the network, of a list of them, or of nothing, as it takes.

    Raises `CheckError` where the class takes something else, and whatever its constructor raises.
    """
    taken = _taken(kind) or []
    if len(taken) == len(sizes):
        return kind(*sizes)
    if len(taken) == 1:
        return kind(list(sizes))
    if not taken:
        return kind()
    raise CheckError(
        f"The class {kind.__name__} takes ({', '.join(taken)}); expected the {len(sizes)} sizes of the network, "
        "a list of them, or nothing."
    )
