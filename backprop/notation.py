"""Networks as a line of text: what comes in, and one layer after another.

784-512-10                                   sizes: linear layers, and an activation between two of them
784-64:tanh-32:relu-10                       the same with activations by name
1x28x28 conv5x6 relu pool2 120 relu 10       layers: the shape of a sample, then each layer with its numbers
28x28 lstm64,sequence residual(64 tanh 64)   options after commas, layers inside others in brackets

A whole number by itself is a linear layer with so many outputs. Every other layer says in its file which numbers and
options it takes (`Layer.of`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from backprop.arrays import MOST_ENTRIES
from backprop.errors import NetworkError, shown
from backprop.finding import LoadError, said
from backprop.layers import Layer, Linear, Shape, find_layer

NETWORKS: dict[str, str] = {
    "lenet": "1x28x28 conv5x6,padding=2 relu pool2 conv5x16 relu pool2 120 relu 84 relu 10",
    "mlp-bn": "784 256 batch-norm relu 256 batch-norm relu 10",
    "resmlp-ln": "784 128 residual(layer-norm 128 gelu 128) residual(layer-norm 128 gelu 128) layer-norm 10",
    "rows-lstm": "28x28 lstm64 10",
    "patches-attention": "28x28 patches7 tokenwise64 positions residual(attention,heads=4) relu mean-tokens 10",
}
"""Networks that are known by a name, with the text of their layers."""

_SHAPE = re.compile(r"[0-9]+(?:x[0-9]+)*")
_LAYER = re.compile(
    r"(?P<name>[^\s,()]*?\.py:\w+|[A-Za-z][A-Za-z-]*?)?(?P<numbers>[0-9][0-9.x]*)?"
    r"(?P<options>(?:,[^,()]+)*)(?P<inner>\(.*\))?",
    re.DOTALL,
)


def is_layers(text: str) -> bool:
    """Whether a text is one of layers, with blanks between them, not of sizes alone."""
    return len(text.split()) > 1


def with_name_read(text: str) -> str:
    """The text of the network that is known by this name; any other text as it is.

    Raises `NetworkError` for a name that is nearly that of a known network, and for what is no text.
    """
    if not isinstance(text, str):
        raise NetworkError(f"The network is {shown(text)}; expected a text such as 784-512-10.")
    near = difflib.get_close_matches(text.strip().casefold(), NETWORKS, n=1)
    if near and text.strip() not in NETWORKS:
        raise NetworkError(
            f"The network is {shown(text)}; did you mean {near[0]!r}? Known: {', '.join(NETWORKS)}, and sizes "
            "such as 784-512-10."
        )
    return NETWORKS.get(text.strip(), text)


def read_network(text: str) -> list[Layer]:
    """The layers of a text such as `1x28x28 conv5x6 relu pool2 10`; raises `NetworkError` where it is none."""
    first, *rest = _words(text)
    if not _SHAPE.fullmatch(first):
        raise NetworkError(
            f"The network begins with {shown(first)}; expected the shape of a sample, such as 784 or 1x28x28."
        )
    shape = tuple(_size(part) for part in first.split("x"))
    return list(_layers(rest, shape))


def write_network(shape: Shape, layers: Sequence[Layer]) -> str:
    """The text that `read_network` reads, or the name of a known network."""
    written = " ".join(["x".join(map(str, shape)), *(layer.text for layer in layers)])
    known = (name for name, text in NETWORKS.items() if read_network(text) == list(layers))
    return next(known, written)


def _layers(words: list[str], shape: Shape) -> Iterator[Layer]:
    """The layers of these words, each made for what the one before it gives."""
    for word in words:
        layer = _layer(word, shape)
        shape = layer.output_shape(shape)
        yield layer


def _layer(word: str, shape: Shape) -> Layer:
    match = _LAYER.fullmatch(word)
    if match is None or not (match["name"] or match["numbers"]):
        raise NetworkError(
            f"A layer of the network is {shown(word)}; expected a name with its numbers and options, such as "
            "conv5x6,stride=2, or the outputs of a linear layer."
        )
    numbers = [_number(part, word) for part in (match["numbers"] or "").split("x") if part]
    options: dict[str, Any] = {}
    for option in match["options"].split(",")[1:]:
        key, equals, value = option.partition("=")
        options[key.strip().replace("-", "_")] = value.strip() if equals else True
    if match["inner"]:
        options["inner"] = tuple(_layers(_words(match["inner"][1:-1]), shape))
    kind = find_layer(match["name"]) if match["name"] else Linear
    try:
        return kind.of(shape, *numbers, **options)
    except NetworkError:
        raise
    except TypeError:
        raise NetworkError(
            f"The layer {shown(word)} has numbers or options that it does not take; expected those of {kind.name}."
        ) from None
    except Exception as error:
        raise LoadError(
            f"The layer {shown(word)} could not be made: {said(error)}; expected what {kind.name} takes."
        ) from error


def _words(text: str) -> list[str]:
    """The words between blanks, those in brackets left together; raises `NetworkError` for unequal brackets."""
    words, depth = [""], 0
    for letter in text.strip():
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            break
        if letter.isspace() and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    if depth != 0:
        raise NetworkError(f"The network is {shown(text)}; expected as many brackets closed as opened.")
    return [word for word in words if word] or [""]


def _number(text: str, word: str) -> float:
    try:
        return _size(text) if text.isdecimal() else float(text)
    except ValueError:
        raise NetworkError(
            f"The layer {shown(word)} has the number {shown(text)}; expected one such as 5."
        ) from None


def _size(text: str) -> int:
    """A size, above zero; raises `NetworkError` for one that no array can have."""
    if len(text) > 20 or not 1 <= int(text) <= MOST_ENTRIES:
        raise NetworkError(
            f"A size of the network is {shown(text)}; expected a whole number from 1 to {MOST_ENTRIES:,}."
        )
    return int(text)
