"""The rounding of a layer that has no analysis of its own: it is measured at values beside those of the batch.

Everything the layer is handed is moved, by random signs times what rounding may have moved it by and by a relative
rounding of its own, which stands for the layer's arithmetic (Higham 2002, section 1.5). The root mean square of the
changes of an answer over several such draws estimates its rounding, as independent errors add in quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.network.quadrature import together
from backprop.layers import Layer

_DRAWS = 12

Arrays = Mapping[str, Array]


def forward_error(
    layer: Layer, own: Arrays, x: Array, y: Array, error: Array, unit: float, rng: np.random.Generator
) -> Array:
    """How far the layer's output may be off, when its input may be off by `error`; NaN where nobody can tell."""
    relative = unit * math.sqrt(
        x.shape[1] + y.shape[1]
    )  # a sum over the features rounds as often as it has terms

    def answer(draw: Callable[[Array, Array | float], Array]) -> dict[str, Array]:
        moved = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
        return {"y": layer.forward(moved, draw(x, together(error, relative * x)))}

    return together(_changes(answer, {"y": y}, rng)["y"], unit * y)


def vjp_error(
    layer: Layer,
    own: Arrays,
    x: Array,
    y: Array,
    dy: Array,
    errors: tuple[Array, Array, Array],
    unit: float,
    rng: np.random.Generator,
) -> tuple[Array, Array, dict[str, Array]]:
    """∂L/∂x, how far it may be off, and how far each ∂L/∂θ may be, when x, y and dy may be off by `errors`."""
    relative = unit * math.sqrt(sum(x.shape) + y.shape[1])
    dx, dparams = _vjp(layer, own, x, y, dy)

    def answer(draw: Callable[[Array, Array | float], Array]) -> dict[str, Array]:
        moved = [
            draw(array, together(error, relative * array))
            for array, error in zip((x, y, dy), errors, strict=True)
        ]
        tensors = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
        moved_dx, moved_own = _vjp(layer, tensors, *moved)
        return {"": moved_dx, **moved_own}

    changes = _changes(answer, {"": dx, **dparams}, rng)
    bounds = {name: together(changes[name], relative * tensor) for name, tensor in dparams.items()}
    return dx, together(changes[""], relative * dx), bounds


def _vjp(layer: Layer, own: Arrays, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
    dx, dparams = layer.vjp(own, x, y, dy.copy())
    assert dx is not None  # it was asked for
    return np.array(dx, np.float64), {name: np.array(tensor, np.float64) for name, tensor in dparams.items()}


def _changes(
    answer: Callable[[Callable[[Array, Array | float], Array]], dict[str, Array]],
    expected: Arrays,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The root mean square of what `answer` changes by, over draws of random signs; NaN where it fails."""

    def draw(array: Array, error: Array | float) -> Array:
        return np.asarray(array + rng.choice((-1.0, 1.0), np.shape(array)) * error)

    squares = {name: np.zeros(np.shape(array)) for name, array in expected.items()}
    with np.errstate(all="ignore"):
        for _ in range(_DRAWS):
            try:
                answers = answer(draw)
            except Exception:  # an outside layer may refuse what lies beside its input
                return {name: np.full(np.shape(array), np.nan) for name, array in expected.items()}
            for name, array in expected.items():
                squares[name] += np.square(answers[name] - array)
    return {name: np.sqrt(square / _DRAWS) for name, square in squares.items()}
