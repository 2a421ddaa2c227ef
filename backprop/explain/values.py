"""One's own numbers on the board: an .npz of W1, b1, W2, …, inputs and labels, or some of these; the rest is drawn.

np.savez("mine.npz", W1=W1, b1=b1, inputs=x, labels=y)

Wₖ (i, o), bₖ (o,)       the weights and the bias of the k-th linear layer
inputs (n, i)            the samples
labels (n,)              their class numbers
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import (
    DataError,
    DtypeError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
    is_file,
    shown,
)
from backprop.explain.explanation import MOST_NUMBERS, TooLargeError, example
from backprop.network import Batch, Network
from backprop.npz import Check, read_npz
from backprop.parameters import Parameters

EXAMPLE = (3, 4, 2)
"""Sizes where nothing tells them: inputs, every hidden layer, classes."""

_AXES = {"W": ("i", "o"), "b": ("o",), "inputs": ("n", "i"), "labels": ("n",)}
_NAME = re.compile(r"([Wb])([1-9])|inputs|labels")


@dataclass(frozen=True)
class Values:
    """Arrays by name, each finite and of the axes that its name says; file: where they come from, for messages."""

    arrays: dict[str, Array] = field(default_factory=dict)
    file: str = ""

    def sizes(self) -> str:
        """The sizes of the network that the shapes tell, such as 3-4-2.

        The last layer is that of the highest number among W1, b1, W2, …; two layers where there is none. A size
        that no array tells is that of the example, or, of classes, enough for the labels. Raises `ShapeError` for
        arrays that do not fit together.
        """
        last = max((int(name[1:]) for name in self.arrays if name[0] in "Wb"), default=2)
        sizes: dict[int, tuple[int, str]] = {}
        for position, size, name in self._told():
            known, by = sizes.setdefault(position, (size, name))
            if known != size:
                what = "inputs of the network" if position == 0 else f"outputs of layer {position}"
                raise ShapeError(
                    f"The arrays {by} {self.arrays[by].shape} and {name} {self.arrays[name].shape} of {self.file!r} "
                    f"do not fit together; expected as many {what} in both, {known} or {size}."
                )
        first, hidden, classes = EXAMPLE
        if "labels" in self.arrays:
            classes = max(classes, int(self.arrays["labels"].max()) + 1)
        others = {0: first, last: classes}
        return "-".join(str(sizes.get(k, (others.get(k, hidden), ""))[0]) for k in range(last + 1))

    @property
    def samples(self) -> int | None:
        """n, by the inputs or labels; None where neither is there. Raises `ShapeError` where they differ."""
        counts = {name: len(self.arrays[name]) for name in ("inputs", "labels") if name in self.arrays}
        if len(set(counts.values())) > 1:
            raise ShapeError(
                f"The inputs of {self.file!r} have {counts['inputs']} samples and the labels {counts['labels']}; "
                "expected a label for each sample."
            )
        return next(iter(counts.values()), None)

    def complete(self, network: Network, n: int, seed: int) -> tuple[Parameters, Batch, str]:
        """Parameters and n samples for a network, drawn where they are not given, and a sentence that says which are.

        The sentence is "" where all are drawn. Raises `UnknownNameError` for an array that the network does not have,
        `ShapeError` for one that does not fit, and `LabelError` for a label that is no class.
        """
        shapes = dict(network.layout.shapes) | {"inputs": (n, network.inputs), "labels": (n,)}
        for name, array in self.arrays.items():
            if name not in shapes:
                raise UnknownNameError(f"array of the network {network.sizes}", name, shapes)
            if array.shape != shapes[name]:
                raise ShapeError(
                    f"The array {name} of {self.file!r} has the shape {array.shape}; expected {shapes[name]}, for "
                    f"the network {network.sizes} and {n} sample{'s' * (n > 1)}."
                )
        params, drawn = example(network, n, np.random.default_rng(seed))
        for name in network.layout.names:
            if name in self.arrays:
                params[name][...] = self.arrays[name]
        inputs, labels = (self.arrays.get(name, getattr(drawn, name)) for name in ("inputs", "labels"))
        batch = network.batch(inputs.astype(params.dtype), labels, params.dtype)
        return params, batch, self._origin(list(shapes), seed)

    def _told(self) -> Iterator[tuple[int, int, str]]:
        """Every size that an array tells: its position in 3-4-2, the size, and the name of the array."""
        for name, array in self.arrays.items():
            if name == "inputs":
                yield 0, array.shape[1], name
            elif name != "labels":
                layer = int(name[1:])
                yield from ((layer - array.ndim + 1 + k, size, name) for k, size in enumerate(array.shape))

    def _origin(self, names: list[str], seed: int) -> str:
        if not self.arrays:
            return ""
        given = ", ".join(name for name in names if name in self.arrays)
        others = ", ".join(name for name in names if name not in self.arrays)
        return f"From {self.file}: {given}." + (f" Drawn with seed {seed}: {others}." if others else "")


def read_values(path: Path) -> Values:
    """The arrays of an .npz file; nothing in it is unpickled, and no header is trusted.

    Raises `DataError` for a file that is missing or no such archive, `UnknownNameError` for an array of another name,
    `ShapeError`, `DtypeError` and `NonFiniteError` for one that is not what its name says, and `TooLargeError` for
    one of more numbers than are printed.
    """
    name = shown(str(path))
    if not is_file(path):  # a folder, a device or a pipe is none
        raise DataError(f"There is no file {name}; expected an .npz file, as np.savez writes it.")
    arrays = read_npz(path, f"The file {name}", lambda member: _check_of(member, path.name))
    if not arrays:
        raise DataError(f"The file {name} holds no array; expected some of W1, b1, W2, …, inputs and labels.")
    for member, array in arrays.items():
        if not np.isfinite(array).all():
            index = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
            raise NonFiniteError(
                f"The array {member} of {path.name!r} has {array[tuple(index)]} at {index}; expected finite numbers."
            )
        arrays[member] = array.astype(int if member == "labels" else np.float64)
    return Values(arrays, path.name)


def _check_of(name: str, file: str) -> Check:
    """What the header of the array of that name must say."""
    if not _NAME.fullmatch(name):
        raise UnknownNameError("array", name, ["W1", "b1", "W2", "b2", "inputs", "labels"])
    axes = _AXES[name if name in _AXES else name[0]]
    what = f"The array {name} of {file!r}"

    def check(shape: tuple[int, ...], dtype: DType) -> None:
        if len(shape) != len(axes) or 0 in shape:
            expected = f"({', '.join(axes)}{',' * (len(axes) == 1)})"
            raise ShapeError(f"{what} has the shape {shape}; expected {expected}, none of them 0.")
        kinds, expected = (
            ("iu", "integers, the class numbers") if name == "labels" else ("iuf", "real numbers")
        )
        if dtype.kind not in kinds:
            raise DtypeError(f"{what} is of the dtype {dtype}; expected {expected}.")
        if math.prod(shape) > MOST_NUMBERS:
            raise TooLargeError(
                f"{what} has {math.prod(shape):,} numbers; expected at most {MOST_NUMBERS:,}, which can be read on "
                "a page."
            )

    return check
