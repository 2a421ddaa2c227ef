"""What the layers over a sequence share: the inputs (n, t d) of a sample are t tokens, or steps, of d numbers each.

1x28x28 is taken as 28 tokens of 28 numbers: the rows of an image
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from backprop.arrays import Array
from backprop.layers.base import OfShape, Shape
from backprop.layers.reading import misshapen


def tokens_of(shape: Shape, name: str) -> tuple[int, int]:
    """t and d of a shape (t, d) or (1, t, d); raises `NetworkError` for any other."""
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        expected = (
            "tokens by numbers, such as 28x28. The layer tokens makes them of channels, rows and columns"
        )
        raise misshapen(name, shape, expected)
    return shape[0], shape[1]


@dataclass(frozen=True, repr=False)
class OverTokens(OfShape):
    """A layer that is made for `tokens` = t tokens of `features` = d numbers."""

    tokens: int
    features: int

    reads_input: ClassVar[bool] = True

    @property
    def input_shape(self) -> Shape:
        """(t, d)."""
        return (self.tokens, self.features)

    def split(self, x: Array) -> Array:
        """The inputs (…, t, d) of x (…, t d)."""
        return x.reshape(*x.shape[:-1], self.tokens, self.features)
