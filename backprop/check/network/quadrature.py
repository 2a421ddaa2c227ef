"""Errors that are independent add in quadrature; the rounding of a sum is a random walk."""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array


def walk(unit: float, k: int, total: Array, squares: Array) -> Array:
    """The variance of the rounding of a sum of k terms, from the sum and the sum of their squares."""
    return np.asarray(unit**2 * k * (np.square(total) + squares))


def together(*errors: Array | float) -> Array:
    """Independent errors, added in quadrature."""
    total: Array = np.sqrt(sum(np.square(error) for error in errors))
    return total


def row_norm(x: Array) -> Array:
    """The Euclidean norm of each row, (n, 1)."""
    norm: Array = np.sqrt(np.sum(np.square(x), axis=1, keepdims=True))
    return norm


def row_largest(x: Array) -> Array:
    """The largest absolute value of each row, (n, 1)."""
    largest: Array = np.max(np.abs(x), axis=1, keepdims=True)
    return largest
