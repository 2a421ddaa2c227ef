"""Callables: the forms in which people have a gradient, each as a function of (params, inputs, labels).

gradient(params, inputs, labels)      in this order, or in another one that the names of its arguments tell
backprop(X, Y, W1, b1, W2, b2)        the parameters one by one, under their names
backprop(weights, biases, x, y)       a list of weights and one of biases; so are the gradients
net.loss(X, y), Net.loss              a method of an object that holds the parameters, as params, as W1 and b1, as
                                      weights and biases, or in its layers; its gradients are returned, or kept there
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.check.answers import is_number
from backprop.check.network.objects import SPELLINGS, means, slots
from backprop.check.words import plain
from backprop.errors import CheckError

Function = Callable[..., Any]

ARGUMENTS = ("params", "inputs", "labels")
_ROLES = {
    "params": ["params", "parameters", "param", "theta", "weights", "model", "p", "w"],
    "inputs": ["x", "xs", "inputs", "input", "data", "images", "features", "a0"],
    "labels": ["y", "ys", "labels", "label", "targets", "target", "t", "onehot"],
}
"""What people call the three arguments, beside such as `X_train`, `y_true` and `batch_y`."""


def _is(part: str, role: str) -> bool:
    """Whether an argument has one of the names of a role."""
    return re.sub("batch|train|true", "", plain(part)) in _ROLES[role]


@dataclass(frozen=True)
class Adapted:
    """A function of (params, inputs, labels), or its answer. note: how it is called, where not as it stands."""

    function: Any
    note: str | None = None


def adapted(function: Function, names: Sequence[str]) -> Adapted:
    """The function, or bound method, as one of (params, inputs, labels); `names` are those of the parameters.

    Raises `CheckError` for one that takes other arguments.
    """
    owner, taken = getattr(function, "__self__", None), _taken(function)
    if taken is None:  # built in C: the call itself will tell
        return Adapted(function)
    is_method = owner is not None and not inspect.ismodule(owner) and not inspect.isclass(owner)
    if is_method and not any(_is(part, "params") for part in taken):
        return _of_object(owner, function, names, taken)
    called = getattr(function, "__name__", "function")
    lists = {local: part for local in "Wb" for part in taken if plain(part) in SPELLINGS[local]}
    if len(taken) == 4 and len(lists) == 2 and len(names) > 2 and {name[0] for name in names} == set("Wb"):
        return _of_lists(function, lists, taken, names)
    order: dict[str, str] = {name: part for name in names for part in taken if means(part, name, names)}
    rest = [part for part in taken if part not in order.values()]
    if len(order) == len(names) and len(rest) == 2:
        order |= _in_roles(rest, ("inputs", "labels"))
    else:
        order = _in_roles(taken, ARGUMENTS) if len(taken) == 3 else {}
        if list(order.values()) == list(taken) or not order:
            _check_arguments(function, called)
            return Adapted(function)

    def call(params: Any, inputs: Any, labels: Any) -> Any:
        named = params if isinstance(params, Mapping) else {}
        given = {**named, "params": params, "inputs": inputs, "labels": labels}
        return function(**{part: given[what] for what, part in order.items()})

    return Adapted(call, f"It was called as {called}({', '.join(taken)}).")


def _of_lists(
    function: Function, lists: Mapping[str, str], taken: Sequence[str], names: Sequence[str]
) -> Adapted:
    """A function that takes the weights as one list and the biases as another, and may return such lists."""
    roles = _in_roles([part for part in taken if part not in lists.values()], ("inputs", "labels"))

    def call(params: Any, inputs: Any, labels: Any) -> Any:
        own = {local: [name for name in names if name[0] == local] for local in lists}
        given = {part: [params[name] for name in own[local]] for local, part in lists.items()}
        answer = function(**given, **{roles["inputs"]: inputs, roles["labels"]: labels})
        parts = answer if isinstance(answer, tuple | list) else ()
        if len(parts) == 2 and any(map(is_number, parts)):  # (loss, (weights, biases))
            parts = [each for part in parts for each in ([part] if is_number(part) else part)]
        found: dict[str, Any] = {}
        for each in (part for part in parts if isinstance(part, tuple | list)):
            fits = (k for k in own.values() if not found.keys() & set(k) and _have_sizes(each, params, k))
            found |= zip(next(fits, ()), each, strict=False)
        if found.keys() < set(names):
            return answer
        loss = [part for part in parts if is_number(part)]
        return (loss[0], found) if loss else found

    return Adapted(call, f"It was called as {getattr(function, '__name__', 'function')}({', '.join(taken)}).")


def _have_sizes(arrays: Sequence[Any], params: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether these arrays are as many as the parameters, and have as many entries each."""
    return [np.size(each) for each in arrays] == [np.size(params[name]) for name in names]


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
        if part.kind in kinds and (part.default is part.empty or _is(part.name, "labels"))
    ]


def _in_roles(taken: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The arguments by what they are, where their names say so; else in the order in which they stand."""
    found = {role: part for role in wanted for part in taken if _is(part, role)}
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


def _of_object(owner: Any, method: Function, names: Sequence[str], taken: Sequence[str]) -> Adapted:
    """A method of an object; the parameters are put where the object holds them before each call."""
    if not slots(owner, names):
        raise CheckError(
            f"The object of {type(owner).__name__} holds no {', '.join(names)}; expected them in a dict such as "
            "params, as attributes, in lists of weights and biases, or in its layers."
        )
    forward = getattr(owner, "forward", None)
    called, kind = getattr(method, "__name__", "method"), type(owner).__name__
    first = forward if callable(forward) and called != "forward" and len(_taken(forward) or []) == 1 else None
    if len(taken) not in ((1, 2, 3) if first else (2,)):
        raise CheckError(
            f"The method {called} of {kind} takes ({', '.join(taken)}); expected two arguments, (inputs, labels)."
        )

    def call(params: Mapping[str, Any], inputs: Any, labels: Any) -> Any:
        places = slots(owner, names)
        for name in names:
            places[name].put(params[name])
        output = first(inputs) if first else None
        if len(taken) == 2:
            roles = _in_roles(taken, ("inputs", "labels"))
            answer = method(**{roles["inputs"]: inputs, roles["labels"]: labels})
        else:
            answer = method(labels) if len(taken) == 1 else method(inputs, labels, output)
        if answer is not None and not is_number(answer):
            return answer
        kept = slots(owner, names, before="d")
        gradients = {name: kept[name].get() for name in names if name in kept}
        return answer if not gradients else gradients if answer is None else (answer, gradients)

    before = "forward(inputs), then " if first else ""
    return Adapted(
        call, f"It was called as {before}{called}({', '.join(taken)}) of {kind}, which holds the parameters."
    )


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
