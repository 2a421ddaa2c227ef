"""Symmetric: a function of a symmetric matrix that reads one of its triangles, as Cholesky's factorisation does.

Its slopes by single entries are those of a triangle. The gradient that people write is symmetric: log det S has S⁻¹.
Both say the same along every symmetric direction, and a symmetric matrix is moved along no other.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.forms.tensors import Form
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.evaluation import OutOfCalls
from backprop.check.numeric.truth import Truth

_DIRECTIONS = 2


def agrees_on_symmetric_directions(truth: Truth, form: Form, name: str, rng: np.random.Generator) -> bool:
    """Whether a gradient that seems wrong is symmetric, as its point is, and right along symmetric directions.

    Only where the function reads one triangle: elsewhere both triangles count, and the gradient is wrong.
    """
    places = form.views(np.arange(form.size))[name]
    if truth.probe.outputs or places.ndim != 2 or places.shape[0] != places.shape[1] or len(places) < 2:
        return False
    matrix, claim = truth.probe.point[places], truth.claimed[0][places]
    largest = np.max(np.abs(claim))
    slack = largest * float(np.max(truth.relative[places]))
    if not np.array_equal(matrix, matrix.T) or np.any(np.abs(claim - claim.T) > slack):
        return False
    scale = float(np.max(truth.scales.tensor[places]))
    try:
        upper, lower = (
            truth.quotients(
                Direction(places[triangle], _signs(len(places[triangle]), rng) * scale), thorough=True
            )
            for triangle in (np.triu_indices_from(matrix, 1), np.tril_indices_from(matrix, -1))
        )
        moves = [abs(float(slope.value[0])) > 10 * float(slope.error[0]) for slope in (upper, lower)]
        if all(moves):
            return False
        for _ in range(_DIRECTIONS):
            if not truth.read(_symmetric(places, scale, rng)).clean:
                return False
    except OutOfCalls:
        return False
    return True


def _symmetric(places: Array, scale: float, rng: np.random.Generator) -> Direction:
    """All entries, each by as much as the one on the other side of the diagonal."""
    by = scale * _signs(places.size, rng).reshape(places.shape)
    by = np.triu(by) + np.triu(by, 1).T
    return Direction(places.reshape(-1), by.reshape(-1))


def _signs(count: int, rng: np.random.Generator) -> Array:
    """Random numbers of few bits between a half and one and a half, of either sign."""
    return np.asarray(rng.integers(512, 1536, count) / 1024 * rng.choice((-1.0, 1.0), count))
