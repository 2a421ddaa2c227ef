"""Copies: arguments and answers in memory of their own, and whether two of them are equal to rounding."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.forms.tree import join

_ROUNDING = 1e-6
"""Answers this close, against the largest entry, are equal.

Where a copy happens to lie in memory changes the order of a sum, and an intermediate may be float32.
"""


def copied(value: Any) -> Any:
    """The same containers around copies of the same arrays; anything else as deeply as it can be copied."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return copy.deepcopy(value)


def differing(one: Any, other: Any) -> list[str]:
    """The names of the arrays that differ in any bit, or in NaN; "" for a lone array."""
    first, second = dict(_arrays(one)), dict(_arrays(other))
    names = [name for name in first if name not in second or not _same(first[name], second[name])]
    return names + [name for name in second if name not in first]


def first_difference(one: Any, other: Any) -> str | None:
    """Where and how much two answers differ, in words; None where they are equal to rounding."""
    first, second = dict(_arrays(one)), dict(_arrays(other))
    if set(first) != set(second):
        return "it has other tensors"
    for name, a in first.items():
        b = second[name]
        where = f"{name} " if name else ""
        if a.shape != b.shape:
            return f"{where}of shape {a.shape}, then {b.shape}"
        if a.dtype.kind not in "iufcb" or _same(a, b) or a.size == 0:
            continue
        with np.errstate(all="ignore"):
            gap = np.abs(np.subtract(a, b, dtype=np.result_type(a, b, np.float64)))
            scale = np.max(np.maximum(np.abs(a), np.abs(b)))
            different = ~(gap <= _tolerance(a) * scale)
        if np.any(different & ~(np.isnan(a) & np.isnan(b))):
            worst = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), -1, gap))), a.shape)
            return f"{where}{[int(k) for k in worst]} was {a[worst]:.6g}, then {b[worst]:.6g}"
    return None


def is_sum(one: Any, two: Any, three: Any) -> bool:
    """Whether three answers are equally spaced and not equal: each call adds the same to the one before."""
    a, b, c = (dict(_arrays(each)) for each in (one, two, three))
    if not a.keys() == b.keys() == c.keys() or any(
        not a[name].shape == b[name].shape == c[name].shape for name in a
    ):
        return False
    grows = False
    for name in a:
        if a[name].dtype.kind not in "iuf":
            continue
        step, next_step = b[name] - a[name], c[name] - b[name]
        scale = np.max(np.abs(c[name]), initial=0)
        if not np.all(np.abs(next_step - step) <= 10 * _tolerance(a[name]) * scale):
            return False
        grows |= bool(np.any(np.abs(step) > 1e3 * _tolerance(a[name]) * scale))
    return grows


def _tolerance(array: Array) -> float:
    if array.dtype.kind not in "fc":
        return 0.0
    return max(_ROUNDING, 16 * float(np.finfo(array.dtype).eps))


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _arrays(value: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Every array or number in containers, by name."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _arrays(child, join(path, key, True))
    elif isinstance(value, list | tuple):
        for key, child in enumerate(value):
            yield from _arrays(child, join(path, key, False))
    elif value is not None:
        yield path, np.asarray(value)
