"""Multi-layer perceptrons from their sizes: a linear layer for each two, an activation after all but the last.

784-512-10                  the sizes, with one activation for all hidden layers
784-64:tanh-32:relu-10      with activations by name
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from backprop.arrays import MOST_ENTRIES
from backprop.errors import NetworkError, shown
from backprop.layers import Layer, Linear, find_activation


def mlp_layers(
    sizes: Sequence[int], activation: str | Sequence[str], output: str | None, *, bias: bool
) -> list[Layer]:
    """The layers; `activation` is one name or a name for each hidden layer, `output` that of the layer at the end.

    Raises as `Network.mlp` does.
    """
    _check(sizes)
    one = None if isinstance(activation, list | tuple) else str(activation)
    between = list(activation) if one is None else [one] * (len(sizes) - 2)
    if len(between) != len(sizes) - 2:
        raise NetworkError(
            f"The network has {len(between)} activations; expected one for each of its {len(sizes) - 2} hidden "
            "layers, or a single name."
        )
    hidden = [find_activation("activation", name) for name in between]
    if one is not None and not hidden:
        find_activation("activation", one)  # a name that nobody needs must be known, too
    layers: list[Layer] = []
    for (i, o), make in itertools.zip_longest(itertools.pairwise(int(size) for size in sizes), hidden):
        layers.append(Linear(i, o, bias))
        if make is not None:
            layers.append(make(o))
    if output is not None:
        layers.append(find_activation("output", output)(int(sizes[-1])))
    return layers


def read_sizes(text: str) -> tuple[list[int], list[str | None]]:
    """The sizes of a text, and for each the name of the activation after it, where there is one.

    Raises `NetworkError` for any other text, or for a name after the inputs.
    """
    parts = [part.partition(":") for part in split_sizes(text)]
    try:
        sizes = [int(size) for size, _, _ in parts]
    except ValueError:
        raise NetworkError(f"The network is {shown(text)}; expected sizes such as 784-512-10.") from None
    names = [name if colon else None for _, colon, name in parts]
    if names[0] is not None or "" in names:
        raise NetworkError(
            f"The network is {shown(text)}; expected the name of an activation after the size of its layer, "
            "such as 784-64:tanh-10."
        )
    return sizes, names


def split_sizes(text: str) -> list[str]:
    """The parts of a text of sizes: ["784", "64:tanh", "10"]; a name may have hyphens, too."""
    return re.split(r"-(?=\s*[\d_]+\s*(?:[:-]|$))", text)


def _check(sizes: Sequence[int]) -> None:
    """Raise `NetworkError` for sizes that no layers have."""
    if len(sizes) < 2:
        raise NetworkError(f"The network has one size, {sizes[0]}; expected at least inputs and outputs.")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise NetworkError(f"A size of the network is {shown(size)}; expected a whole number above zero.")
        if size > MOST_ENTRIES:
            raise NetworkError(
                f"A size of the network is {shown(int(size))}; expected at most {MOST_ENTRIES:,}."
            )
