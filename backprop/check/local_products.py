"""Products in a wrong local Jacobian: of x ⊗ δ one factor is wrong, a path W δ is missing, or two are exchanged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.local import FACTORED, PARALLEL, Local, is_parallel
from backprop.check.numeric.quotients import TINY
from backprop.check.patterns import ENOUGH


def outer_product(one: Local) -> tuple[str, str] | None:
    """In every row a ⊗ b one factor is right and the other is wrong, and it is known what the right one is.

    It is known as x where it is a row of an input, and as the upstream gradient where it is 1 at its own entry.
    """
    if not one.is_matrix or not one.rows:
        return None
    right, words = [0, 0], [set[str](), set[str]()]
    for k in one.wrong:
        true, claimed = one.factors(k), one.factors(k, one.claimed)
        if true is None or claimed is None:
            return None
        blur = one.blur(k) / max(TINY, float(np.max(np.abs(one.claimed[k]))))
        for axis in (0, 1):
            if is_parallel(true[axis], claimed[axis], blur):
                right[axis] += 1
                words[axis].add(_known_vector(true[axis], one, int(k)))
    for axis in (0, 1):
        if right[axis] < len(one.wrong) or right[1 - axis] == len(one.wrong) or len(words[axis]) != 1:
            continue
        word = words[axis].pop()
        if word == _UPSTREAM:
            seen = "For every upstream entry it is x ⊗ δ with the right δ, and another x."
            return "wrong-layer-input", seen
        if word:
            seen = f"For every upstream entry it is x ⊗ δ with the right x, a row of {word}, and another δ."
            return "delta-wrong", seen
    return None


_UPSTREAM = "the upstream gradient"


def _known_vector(unit: Array, one: Local, k: int) -> str:
    """The name of what a unit vector is a multiple of, a row of an input or the upstream gradient; else ""."""
    used = np.flatnonzero(np.abs(unit) > PARALLEL)
    index = np.unravel_index(k, one.rows)
    if len(used) == 1:
        is_own = one.rows[-1] == len(unit) and used[0] == index[-1] and len(one.rows) > 1
        return _UPSTREAM if is_own else ""
    for name, value in one.point.items():
        if name == one.name or value.ndim == 0 or value.shape[-1] != len(unit):
            continue
        rows = value.reshape(-1, len(unit)).astype(np.float64)
        size = np.linalg.norm(rows, axis=1)
        if np.any((size > 0) & (np.abs(np.abs(rows @ unit) - size) <= PARALLEL * size)):
            return name
    return ""


def path(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """got - expected is W δ in every row, with a weight W and the δ of its gradient x ⊗ δ."""
    if not one.columns or one.columns[-1] < 2 or len(one.wrong) < 2:
        return None
    for name, weight in others.items():
        if len(weight.columns) != 2 or len(weight.true) != len(one.true):
            continue
        for side, through in enumerate((weight.matrix, weight.matrix.T)):
            rows = (_is_through(one, through, weight, k, side) for k in one.wrong)
            if len(through) == one.columns[-1] and all(rows):
                seen = f"What is missing or too much is {name} δ, with the δ of the gradient by {name}, in every row."
                return "path-missing", seen
    return None


def _is_through(one: Local, through: Array, weight: Local, k: int, side: int) -> bool:
    """Whether one row's difference is a multiple of W δ, in one place along the other axes."""
    parts = weight.factors(k)
    if parts is None:
        return False
    direction = through @ parts[1 - side]
    size = float(np.linalg.norm(direction))
    places = (one.claimed - one.true)[k].reshape(-1, len(through))
    used = places[np.any(np.abs(places) > one.blur(k), 1)].astype(np.float64)
    if size < PARALLEL or not len(used):
        return False
    unit = direction / size
    rest = used - np.outer(used @ unit, unit)
    return bool(np.max(np.abs(rest)) <= _room(one, k, used))


def _room(one: Local, k: int, values: Array) -> float:
    """How far the values of a row that is a product may be from that product."""
    return FACTORED * (one.blur(k) + PARALLEL * float(np.max(np.abs(values))))


def exchanged(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """got is V δ₁ + W δ₂ in every wrong row, where x ⊗ δ₁ and x ⊗ δ₂ are the true rows of W and V."""
    if len(one.columns) < 2 or len(one.wrong) < 2:
        return None
    rows = one.value.reshape(-1, one.columns[-1]).astype(np.float64)
    for (first, w), (second, v) in itertools.combinations(others.items(), 2):
        for side in (0, 1) if w.columns == v.columns and w.is_matrix else ():
            each_row = (_is_exchanged(one, w, v, rows, k, side) for k in one.wrong)
            if w.columns[side] == rows.shape[1] and all(each_row):
                seen = f"It is {second} δ with the δ of {first}, and {first} δ with that of {second}, in every row."
                return "wrong-layer-weights", f"{seen} The two are exchanged."
    return None


def _is_exchanged(one: Local, w: Local, v: Local, rows: Array, k: int, side: int) -> bool:
    """Whether one row is what it is with two weights exchanged, at the one row x of the tensor that it depends on."""
    claimed, true = (each[k].reshape(rows.shape).astype(np.float64) for each in (one.claimed, one.true))
    used = np.flatnonzero(np.any(np.abs(true) > one.blur(k), 1))
    if len(used) != 1 or not np.any(rows[used[0]]):
        return False
    place, x = used[0], rows[used[0]]

    def from_x(matrix: Array) -> Array:
        """A weight or its gradient, transposed where needed so that the axis of x comes first."""
        return matrix.T if side else matrix

    weights = [from_x(each.matrix) for each in (w, v)]
    gradients = [from_x(each.true[k].reshape(each.columns).astype(np.float64)) for each in (w, v)]
    deltas = [x @ each / (x @ x) for each in gradients]
    right = weights[0] @ deltas[0] + weights[1] @ deltas[1]
    other = weights[1] @ deltas[0] + weights[0] @ deltas[1]
    off = np.abs([true[place] - right, claimed[place] - other])
    return bool(np.all(off <= _room(one, k, claimed)))


def other_delta(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """A vector that is a multiple of the δ of another tensor's gradient x ⊗ δ in every row, and not in truth."""
    if len(one.columns) != 1 or one.columns[0] < ENOUGH or len(one.wrong) < 2:
        return None
    for name, weight in others.items():
        for axis in (0, 1) if weight.is_matrix and len(weight.true) == len(one.true) else ():
            rows = (_is_of_delta(one, weight, k, axis) for k in one.wrong)
            if weight.columns[axis] == one.columns[0] and all(rows):
                seen = f"For every upstream entry it is a multiple of δ in the gradient x ⊗ δ by {name}"
                return "delta-wrong", f"{seen}, and should be another δ."
    return None


def _is_of_delta(one: Local, weight: Local, k: int, axis: int) -> bool:
    """Whether the claimed row is a multiple of a factor of another tensor's row, while the true row is not."""
    parts = weight.factors(k)
    if parts is None or np.sum(np.abs(parts[axis]) > PARALLEL) < 2:
        return False
    sizes = [float(np.linalg.norm(each[k])) for each in (one.claimed, one.true)]
    if min(sizes) <= FACTORED * one.blur(k):
        return False
    got, true = (
        is_parallel(parts[axis], each[k].astype(np.float64) / size, one.blur(k) / size)
        for each, size in zip((one.claimed, one.true), sizes, strict=True)
    )
    return got and not true
