"""Products in a wrong local Jacobian: of x ⊗ δ one factor is wrong, a path W δ is missing, or two are exchanged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.local import Local


def outer_product(one: Local) -> tuple[str, str] | None:
    """Of a ⊗ b in every row one factor is right and the other is not, and the one that is right is known.

    It is known as x where it is a row of an input, and as the upstream gradient where it is 1 at its own entry.
    """
    if len(one.columns) != 2 or min(one.columns) < 2 or not one.rows:
        return None
    wrong, right, words = np.flatnonzero(np.any(one.off, 1)), [0, 0], [set[str](), set[str]()]
    for k in wrong:
        true, claimed = one.true[k].reshape(one.columns), one.claimed[k].reshape(one.columns)
        slack = float(np.max(one.slack[k]))
        parts, other = _factors_of(true, slack), _factors_of(claimed, slack)
        if parts is None or other is None:
            return None
        for axis in (0, 1):
            blur = slack / max(1e-300, float(np.max(np.abs(claimed))))
            if _is_parallel(parts[axis], other[axis], blur):
                right[axis] += 1
                words[axis].add(_known_vector(parts[axis], one, int(k)))
    for axis in (0, 1):
        if right[axis] < len(wrong) or right[1 - axis] == len(wrong) or len(words[axis]) != 1:
            continue
        word = words[axis].pop()
        if word == _UPSTREAM:
            return (
                "wrong-layer-input",
                "For every upstream entry it is x ⊗ δ with the right δ, and another x.",
            )
        if word:
            seen = f"For every upstream entry it is x ⊗ δ with the right x, a row of {word}, and another δ."
            return "delta-wrong", seen
    return None


_UPSTREAM = "the upstream gradient"


def _known_vector(unit: Array, one: Local, k: int) -> str:
    """Of what a vector of unit length is a multiple: a row of an input by name, or the upstream gradient; or ""."""
    used = np.flatnonzero(np.abs(unit) > 1e-9)
    index = np.unravel_index(k, one.rows)
    if len(used) == 1:
        is_own = one.rows[-1] == len(unit) and used[0] == index[-1] and len(one.rows) > 1
        return _UPSTREAM if is_own else ""
    for name, value in one.point.items():
        if name == one.name or value.ndim == 0 or value.shape[-1] != len(unit):
            continue
        rows = value.reshape(-1, len(unit)).astype(np.float64)
        size = np.linalg.norm(rows, axis=1)
        if np.any((size > 0) & (np.abs(np.abs(rows @ unit) - size) <= 1e-9 * size)):
            return name
    return ""


def _factors_of(matrix: Array, slack: float) -> tuple[Array, Array] | None:
    """a, b of unit length with matrix ∝ a ⊗ b; None where it is no such product."""
    u, s, v = np.linalg.svd(matrix.astype(np.float64))
    if s[0] <= 20 * slack or (len(s) > 1 and s[1] > 4 * slack * max(matrix.shape)):
        return None
    return u[:, 0], v[0]


def _is_parallel(one: Array, other: Array, relative: float) -> bool:
    """Whether two vectors of unit length have the same direction."""
    return bool(np.linalg.norm(one - (one @ other) * other) <= 1e-9 + 20 * relative * np.sqrt(len(one)))


def path(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """got - expected is W δ in every row, with a weight W and the δ of its gradient x ⊗ δ."""
    if not one.columns:
        return None
    width, difference = one.columns[-1], one.claimed - one.true
    wrong = np.flatnonzero(np.any(one.off, 1))
    for name, weight in others.items():
        if len(weight.columns) != 2 or len(weight.true) != len(one.true):
            continue
        matrix = weight.value.reshape(weight.columns).astype(np.float64)
        for side in (0, 1):
            through = matrix if side == 0 else matrix.T
            if through.shape[0] != width or width < 2:
                continue
            if (
                all(_is_through(one, difference[k], through, weight, int(k), side) for k in wrong)
                and len(wrong) > 1
            ):
                seen = f"What is missing or too much is {name} δ, with the δ of the gradient by {name}, in every row."
                return "path-missing", seen
    return None


def _is_through(one: Local, difference: Array, through: Array, weight: Local, k: int, side: int) -> bool:
    """Whether one row's difference is a multiple of W δ, in one place along the other axes."""
    slack = float(np.max(weight.slack[k]))
    parts = _factors_of(weight.true[k].reshape(weight.columns), slack)
    if parts is None:
        return False
    direction = through @ parts[1 - side]
    size = float(np.linalg.norm(direction))
    places = difference.reshape(-1, len(through))
    used = places[np.any(np.abs(places) > np.max(one.slack[k]), 1)].astype(np.float64)
    if size < 1e-9 or not len(used):
        return False
    unit = direction / size
    rest = used - np.outer(used @ unit, unit)
    return bool(np.max(np.abs(rest)) <= 20 * float(np.max(one.slack[k])) + 1e-8 * float(np.max(np.abs(used))))


def exchanged(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """got is V δ₁ + W δ₂ in every wrong row, where x ⊗ δ₁ and x ⊗ δ₂ are the true rows of W and V."""
    if len(one.columns) < 2:
        return None
    rows = one.value.reshape(-1, one.columns[-1]).astype(np.float64)
    wrong = np.flatnonzero(np.any(one.off, 1))
    for (first, w), (second, v) in itertools.combinations(others.items(), 2):
        if w.columns != v.columns or len(w.columns) != 2 or min(w.columns) < 2 or len(wrong) < 2:
            continue
        for side in (0, 1):
            if w.columns[side] == rows.shape[1] and all(
                _is_exchanged(one, w, v, rows, int(k), side) for k in wrong
            ):
                seen = f"It is {second} δ with the δ of {first}, and {first} δ with that of {second}, in every row."
                return "wrong-layer-weights", f"{seen} The two are exchanged."
    return None


def _is_exchanged(one: Local, w: Local, v: Local, rows: Array, k: int, side: int) -> bool:
    """Whether one row is what it is with two weights exchanged, at the one row x of the tensor that it depends on."""
    claimed, true = (each[k].reshape(rows.shape).astype(np.float64) for each in (one.claimed, one.true))
    used = np.flatnonzero(np.any(np.abs(true) > np.max(one.slack[k]), 1))
    if len(used) != 1 or not np.any(rows[used[0]]):
        return False
    x = rows[used[0]]
    weights = [_seen_from(each.value.reshape(each.columns), side) for each in (w, v)]
    deltas = [x @ _seen_from(each.true[k].reshape(each.columns), side) / (x @ x) for each in (w, v)]
    room = 20 * float(np.max(one.slack[k])) + 1e-8 * float(np.max(np.abs(claimed)))
    right = weights[0] @ deltas[0] + weights[1] @ deltas[1]
    other = weights[1] @ deltas[0] + weights[0] @ deltas[1]
    return bool(
        np.all(np.abs(true[used[0]] - right) <= room) and np.all(np.abs(claimed[used[0]] - other) <= room)
    )


def _seen_from(matrix: Array, side: int) -> Array:
    """A weight, or its gradient, with the axis `side` first."""
    wide: Array = matrix.astype(np.float64)
    return wide.T if side else wide


def other_delta(one: Local, others: Mapping[str, Local]) -> tuple[str, str] | None:
    """A vector that is a multiple of the δ of another tensor's gradient x ⊗ δ in every row, and not in truth."""
    wrong = np.flatnonzero(np.any(one.off, 1))
    if len(one.columns) != 1 or one.columns[0] < 3 or len(wrong) < 2:
        return None
    for name, weight in others.items():
        if len(weight.columns) != 2 or min(weight.columns) < 2 or len(weight.true) != len(one.true):
            continue
        for axis in (0, 1):
            if weight.columns[axis] != one.columns[0]:
                continue
            seen = [_of_delta(one, weight, int(k), axis) for k in wrong]
            if all(got for got, _ in seen) and not any(true for _, true in seen):
                return (
                    "delta-wrong",
                    f"For every upstream entry it is a multiple of δ in the gradient x ⊗ δ by {name}, and should be "
                    "another δ.",
                )
    return None


def _of_delta(one: Local, weight: Local, k: int, axis: int) -> tuple[bool, bool]:
    """Whether the claimed row and the true one are multiples of a factor of another tensor's row."""
    parts = _factors_of(weight.true[k].reshape(weight.columns), float(np.max(weight.slack[k])))
    if parts is None or np.sum(np.abs(parts[axis]) > 1e-9) < 2:
        return False, True
    sizes = [float(np.linalg.norm(each[k])) for each in (one.claimed, one.true)]
    if min(sizes) <= 20 * float(np.max(one.slack[k])):
        return False, True
    got, true = (
        _is_parallel(parts[axis], each[k].astype(np.float64) / size, float(np.max(one.slack[k])) / size)
        for each, size in zip((one.claimed, one.true), sizes, strict=True)
    )
    return got, true
