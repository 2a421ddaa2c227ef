"""Returned: what a gradient function gives back, as gradients by the names of the parameters.

{"W1": …}, {"dw": …}                   by name, or by another way to write it
[dW1, db1, …], [[dW1, …], [db1, …]]    without names, in the order that their shapes fit
(loss, gradients)                      the loss and any of these
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backprop.check.answers import value_and_gradient
from backprop.check.network.layouts import roles
from backprop.check.network.objects import means
from backprop.check.points import Structure
from backprop.check.words import describe
from backprop.errors import CheckError
from backprop.network import Network


class NoGradientsError(CheckError):
    """The function returns something that holds no gradients."""


def named(answer: Any, structure: Structure, network: Network) -> tuple[Any, str | None]:
    """The gradients by name, or a pair of the loss and these; and their order in words, if they had no names.

    structure: the parameters as the function has them. Raises `NoGradientsError` for any other answer.
    """
    loss, gradients = value_and_gradient(answer, structure)
    names = list(network.layout.names)
    if set(getattr(gradients, "_fields", ())) >= set(names):
        gradients = gradients._asdict()  # a named tuple
    order = None
    if isinstance(gradients, Mapping):
        lists = list(gradients.values())
        if len(lists) == 2 and all(isinstance(each, list | tuple) for each in lists):
            gradients = lists  # one of weights and one of biases
    if isinstance(gradients, Mapping):
        gradients = _by_our_names(gradients, names)
    else:
        values = [] if isinstance(gradients, str | bytes) else list(_leaves(gradients))
        if len(values) != len(names) or len(names) < 2 or not all(map(_is_array, values)):
            is_pair = isinstance(answer, tuple) and not hasattr(answer, "_fields")
            got = f"a tuple of {', '.join(map(describe, answer[:4]))}" if is_pair else describe(answer)
            raise NoGradientsError(
                f"The function returns {got}; expected a dict of gradients by name, {', '.join(names)}, "
                "or a pair of the loss and such a dict."
            )
        order, gradients = _in_order(values, structure, network)
    return gradients if loss is None else (loss, gradients), order


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or isinstance(value, int | float)


def _leaves(value: Any) -> Iterator[Any]:
    """The arrays of nested lists and tuples, in order."""
    is_array_of_objects = isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim
    if not isinstance(value, list | tuple) and not is_array_of_objects:
        yield value
        return
    for child in value:
        yield from _leaves(child)


def _by_our_names(gradients: Mapping[Any, Any], names: Sequence[str]) -> Mapping[Any, Any]:
    """The gradients under the parameters' names, where theirs are other spellings of these, such as dw and db.

    Names with a digit keep theirs: `answers` reads them, and says so in a note.
    """
    ours = {
        key: name
        for name in names
        for key in gradients
        if name not in gradients and isinstance(key, str) and means(key, name, names, "d")
        if not any(map(str.isdigit, key))
    }
    return {ours.get(key, key): each for key, each in gradients.items()} if ours else gradients


def _in_order(values: list[Any], structure: Structure, network: Network) -> tuple[str, dict[str, Any]]:
    """Gradients without names by name, in the order that fits most of their shapes, and that order in words."""
    every, wanted = orders(network), {leaf.name: _long_axes(leaf.shape) for leaf in structure.leaves}
    shapes = [_long_axes(np.shape(value)) for value in values]
    fits = {
        words: sum(shape == wanted[name] for shape, name in zip(shapes, names, strict=True))
        for words, names in every.items()
    }
    most = max(fits.values())
    order, *others = (words for words, count in fits.items() if count == most)
    by_name = dict(zip(every[order], values, strict=True))
    if others and most == len(values):
        order += f" (by their shapes also {', or '.join(others)})"
    return order, {name: by_name[name] for name in network.layout.names}


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    """The lengths of the axes, without those of one: these may be missing or surplus."""
    return [size for size in shape if size != 1]


def orders(network: Network) -> dict[str, list[str]]:
    """The orders, in words, in which people return gradients without names; the parameters' own order is first."""
    kinds, pairs = roles(network), [list(names.values()) for names in network.names if names]
    turned = [pair[::-1] for pair in pairs]
    back, end = "the order of the backward pass", ", from the last layer"
    ways = [("the order of the parameters", pairs, ""), (back, pairs[::-1], "")]
    for role, word in ("W", "weights first"), ("b", "biases first"):
        ways += [(word, pairs, role), (word + end, pairs[::-1], role)]
    word = "each bias before its weights"
    ways += [(word, turned, ""), (word + end, turned[::-1], "")]
    found: dict[tuple[str, ...], str] = {}
    for words, groups, role in ways:
        names = [name for pair in groups for name in pair]
        found.setdefault(tuple(sorted(names, key=lambda name: bool(role) and kinds[name] != role)), words)
    return {words: list(names) for names, words in found.items()}
