"""Review: a second look at the verdicts of tensors in coarse formats, and of symmetric matrices.

A function that takes bfloat16 or float16 and nothing wider still tells how far a gradient is off:

    f(x + δ) - f(x - δ) - ⟨got, 2δ⟩ = 2⟨true - got, δ⟩ + c₃ h³ + noise            steps h, h/2, h/4

The rounding of the function's values hides every single quotient. Along many random directions it is different each
time, so that the mean square of the left side is known, and with it how far the gradient is off, as a share of its
norm. The size of the noise follows from the combination of the three steps in which h and h³ vanish. A kink within
the steps makes the same difference. It shows in f(x + δ) + f(x - δ) - 2 f(x), which then falls as h and not as h².
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import HALF
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import Direction, drawn, random_weights
from backprop.check.numeric.looks import compare
from backprop.check.numeric.quotients import CLEARLY
from backprop.check.numeric.verdict import TensorVerdict
from backprop.check.oracle import FunctionOracle, OutOfCalls
from backprop.check.patterns import Known
from backprop.verify.agreement import ratio

_DIRECTIONS = 24
"""The mean square of 24 numbers is known to a third: √(2/24)."""
_STEPS = np.array([1.0, 0.5, 0.25])
_LONGEST = 0.25
"""The longest step, as a share of each entry's scale: many roundings of bfloat16, and its h⁵ is small."""
_POWERS = np.stack([_STEPS, _STEPS**3], axis=1)
_SLOPE = np.linalg.pinv(_POWERS)[0]
"""The weights (3,) of the three steps that give the slope."""
_NOISE = np.array([0.0625, -0.625, 1.0])
"""The weights (3,) with which h and h³ vanish, so that noise is left."""
_KINK = np.linalg.pinv(np.stack([_STEPS, _STEPS**2], axis=1))[0] / 2
"""The weights (3,) of the second differences that give what a kink adds to a slope."""
_BEYOND = 4.0
"""An error whose mean square is more than this multiple of the kinks' is not due to kinks."""
_FAR = 32.0
"""How many roundings of the format a right gradient that is computed in it may be off, as a share of its norm."""
_SURE = 6.0
"""A multiple of the noise's mean square that chance exceeds in less than one case of a million."""
_NEARER, _FALLS = 0.25, 0.85
"""A wrong gradient has at this share of the step at least this share of its error; a fine structure has less."""
_SLACK, _SHARE = 4.0, 1 / 4
"""Of the noise, and of the error allowed: how far off a slope may be that a signature explains."""
_UPPER = 3.0
"""The true mean square is below this multiple of that of 24 directions, in all but one of 10,000 cases."""


def within_stairs(check: DirectionalCheck, verdicts: list[TensorVerdict]) -> list[TensorVerdict]:
    """The verdicts, in which open tensors are judged again: wrong if far off, right if exact to one rounding.

    Of the others a note says how far they may be off. All verdicts are returned as they are if the function takes a
    wider format, gives an array, or has too few calls left.
    """
    function = check.function
    is_coarse = (
        function.dtype is None and function.structure.format.bits <= HALF.bits
    )  # their rounding hides slopes
    open_ones = [each for each in verdicts if each.tensor.verdict == "undecided"]
    calls = 2 * len(_STEPS) * _DIRECTIONS
    if not is_coarse or function.outputs or not function.room(calls * len(open_ones)):
        return verdicts
    return [_looked_at(check, each) if each in open_ones else each for each in verdicts]


@dataclass(frozen=True)
class _Seen:
    """Mean squares along directions: `off` of the gradient's error, and what `noise` and `kinks` make of it.

    slopes (k,): of the function along `directions` (k, size).
    """

    directions: Array
    slopes: Array
    off: float
    noise: float
    kinks: float

    @property
    def is_off(self) -> bool:
        """Whether the gradient is off by more than noise and kinks explain."""
        return self.off > max(_SURE * self.noise, _BEYOND * self.kinks)

    @property
    def size(self) -> float:
        """The root mean square of the slopes."""
        return float(np.sqrt(max(np.mean(self.slopes**2) - self.noise, 0.0)))

    @property
    def error(self) -> float:
        """How far the gradient is off, as a share of its norm."""
        return ratio(float(np.sqrt(max(self.off - self.noise, 0.0))), self.size)

    @property
    def most(self) -> float:
        """How far the gradient may be off at most, as a share of its norm."""
        return ratio(float(np.sqrt(_UPPER * self.off)), self.size)


def _looked_at(check: DirectionalCheck, verdict: TensorVerdict) -> TensorVerdict:
    name, form = verdict.tensor.name, check.function.structure.format
    seen, allowed = _look(check, name, 1.0), _FAR * form.eps
    if seen is None:
        return verdict
    if seen.is_off and allowed < seen.error < np.inf:
        nearer = _look(check, name, _NEARER)
        if nearer is None or not nearer.is_off or nearer.error < _FALLS * seen.error:
            return verdict
        slack = _SLACK * np.sqrt(seen.noise) + _SHARE * allowed * np.abs(seen.slopes)
        tensor = replace(verdict.tensor, verdict="wrong", error=seen.error, tolerance=allowed)
        return replace(verdict, tensor=tensor, known=Known(seen.slopes, slack, seen.directions), note="")
    if not seen.most < 1:
        return verdict
    most = max(seen.most, form.eps)
    tensor = replace(verdict.tensor, error=seen.error, tolerance=most)
    # A function that rounds nothing, such as a sum over few numbers, shows the whole error.
    if most == form.eps:
        tensor = replace(tensor, verdict="right")
    known = f"the gradient is off by at most {most:.0e} of its norm"
    note = f"{name}: the function takes {form.name} alone; {known}."
    return replace(verdict, tensor=tensor, note=note)


def _look(check: DirectionalCheck, name: str, factor: float) -> _Seen | None:
    """The measurement of a tensor with `factor` times the longest step; None if the function has no values there."""
    function, places = check.function, check.function.structure.places[name]
    if not function.room(2 * len(_STEPS) * _DIRECTIONS):
        return None
    got = check.claimed[0, places].astype(np.float64)
    longest = factor * _LONGEST * check.scales.own[places]
    directions, changes, left, even = _measured(function, places, got, longest)
    if not np.all(np.isfinite(left)):
        return None
    noise = float(np.mean((left @ _NOISE) ** 2)) * float(_SLOPE @ _SLOPE) / float(_NOISE @ _NOISE)
    off, kinks = (float(np.mean(each**2)) for each in (left @ _SLOPE, even @ _KINK))
    return _Seen(directions, changes @ _SLOPE, off, noise, kinks)


def _measured(
    function: FunctionOracle, places: Array, got: Array, longest: Array
) -> tuple[Array, Array, Array, Array]:
    """Directions (k, size), and for each three steps (k, 3) of: half the difference of the function, the same less
    what `got` predicts, and the second difference.

    Points are rounded to numbers of the format.
    """
    directions = random_weights((_DIRECTIONS, len(places)), np.random.default_rng(0)) * longest
    changes, left, even = np.full((3, _DIRECTIONS, len(_STEPS)), np.nan)
    for j, direction in enumerate(directions):
        for k, step in enumerate(_STEPS):
            up, down = function.point.copy(), function.point.copy()
            up[places] += step * direction
            up = function.as_given(up)
            down[places] -= up[places] - down[places]
            down = function.as_given(down)
            above, below = float(function.at(up)[0]), float(function.at(down)[0])
            changes[j, k], even[j, k] = (above - below) / 2, above + below - 2 * float(function.value[0])
            left[j, k] = changes[j, k] - float(got @ (up - down)[places].astype(np.float64)) / 2
    return directions, changes, left, even


# Symmetric: a function of a symmetric matrix that reads one of its triangles, as Cholesky's factorisation does.
#
# Its slopes by single entries are those of one triangle. The gradient that people write is symmetric: that of log det
# S is S⁻¹. Both agree along every symmetric direction, and a symmetric matrix moves along no others.

_SYMMETRIC = 2
"""The number of random symmetric directions along which a gradient must be right."""


def forgive_symmetric(verdicts: list[TensorVerdict], check: DirectionalCheck) -> list[TensorVerdict]:
    """The verdicts, in which a symmetric tensor is called right if it is right along symmetric directions."""
    forgiven = []
    for each in verdicts:
        note = f"{each.tensor.name} is symmetric, and the function reads one of its triangles"
        note += ": the gradients agree along every symmetric direction."
        tensor = replace(each.tensor, verdict="right", worst=())
        is_right = each.wrong and _is_right_if_symmetric(check, each.tensor.name)
        forgiven.append(replace(each, tensor=tensor, known=None, note=note) if is_right else each)
    return forgiven


def _is_right_if_symmetric(check: DirectionalCheck, name: str) -> bool:
    """Whether a gradient that seems wrong is symmetric, as its point is, and right along symmetric directions.

    Only where the function reads one triangle: elsewhere both triangles count, and the gradient is wrong.
    """
    shape = check.function.structure.leaf(name).shape
    if check.function.outputs or len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
        return False
    places = check.function.structure.places[name].reshape(shape)
    matrix, claim = check.function.point[places], check.claimed[0][places]
    slack = np.max(np.abs(claim)) * float(np.max(check.relative[places]))
    if not np.array_equal(matrix, matrix.T) or np.any(np.abs(claim - claim.T) > slack):
        return False
    scale = float(np.max(check.scales.tensor[places]))

    def moves(triangle: Array) -> bool:
        direction = Direction(triangle, scale * drawn(len(triangle), check.rng))
        slope = check.quotients(direction)
        return abs(float(slope.value[0])) > CLEARLY * float(slope.error[0])

    triangles = places[np.triu_indices_from(matrix, 1)], places[np.tril_indices_from(matrix, -1)]
    try:
        if all(list(map(moves, triangles))):
            return False
        for _ in range(_SYMMETRIC):
            by = scale * drawn(places.size, check.rng).reshape(shape)
            by = np.triu(by) + np.triu(by, 1).T
            if not compare(check, Direction(places.reshape(-1), by.reshape(-1))).clean:
                return False
    except OutOfCalls:
        return False
    return True
