"""The local Jacobian of a small function: what a backward pass takes it for, against what it is.

    claimed (k, …)   backward(e_k) of every unit upstream gradient e_k, for a tensor of shape …
    true    (k, …)   ∂y_k / ∂tensor

One upstream gradient mixes all rows; row by row it is seen which terms are there, and which are wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import Evidence
from backprop.check.jacobians import LARGE
from backprop.check.numeric.directions import Direction, scales
from backprop.check.numeric.quotients import ALLOWED
from backprop.check.numeric.slopes import complex_slope
from backprop.check.oracle import FunctionOracle
from backprop.check.product import Product
from backprop.check.upstream import pulled

_COMPLEX, _CENTRAL = 1, 6
"""Calls that the true Jacobian takes for each entry of the point: by complex steps, and by central quotients."""
_SPARE = 50
"""Entries for which calls are left over: for what is looked at after."""
_FIRST, _SMOOTH = 2.0**-6, 1e-7
"""Of the scale: the longest step. Of the largest entry: the error of quotients of a smooth function."""
_RELATIVE, _OF_LARGEST, _LEAST = 1e-9, 1e-12, 1e-290
"""Of an entry, and of the largest one: what rounding in float64 leaves."""
_SUMMED, _CANCELLED = 256, 64
"""The same in a narrower format: how many roundings of an entry, and how many of the largest one."""
_CLEAR = 10
"""Times the slack: an entry that is larger is not zero."""
FACTORED, _RANK = 20, 4
"""Times the slack: the least first singular value of a row x ⊗ δ, and the largest value of its further ones."""
PARALLEL = 1e-9
"""Of a vector: what rounding leaves of a part that is 0, such as the sine of the angle to one that is parallel."""


@dataclass(frozen=True)
class Local:
    """The local Jacobian by one tensor, as claimed and as it is.

    claimed, true, slack (k, p): rows are the entries of the output, of shape `rows`, columns those of the tensor, of
    shape `columns`; slack: how far a right entry may be off. value (p,): of the tensor. output (k,): of the function.
    point: the values of every tensor.
    """

    name: str
    claimed: Array
    true: Array
    slack: Array
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    value: Array
    output: Array
    point: Mapping[str, Array]

    @property
    def off(self) -> Array:
        """Where the claim is wrong (k, p)."""
        return np.asarray(np.abs(self.claimed - self.true) > self.slack)

    @property
    def wrong(self) -> Array:
        """The numbers of the rows that are wrong."""
        return np.flatnonzero(np.any(self.off, 1))

    @property
    def is_there(self) -> Array:
        """Where the true Jacobian is clearly not zero (k, p)."""
        return np.asarray(np.abs(self.true) > _CLEAR * self.slack)

    @property
    def is_claimed(self) -> Array:
        """Where the claimed Jacobian is not zero (k, p)."""
        return np.asarray(np.abs(self.claimed) > self.slack)

    @property
    def is_matrix(self) -> bool:
        """Whether the tensor is a matrix: then a row of its Jacobian may be a product x ⊗ δ."""
        return len(self.columns) == 2 and min(self.columns) > 1

    @property
    def matrix(self) -> Array:
        """The values of the tensor in its shape, in float64."""
        return np.asarray(self.value.reshape(self.columns), np.float64)

    def blur(self, row: int) -> float:
        """How far any entry of a row may be off."""
        return float(np.max(self.slack[row]))

    def factors(self, row: int, jacobian: Array | None = None) -> tuple[Array, Array] | None:
        """a, b of unit length with the true row ∝ a ⊗ b, or that of another Jacobian; None where it is no product."""
        matrix = (self.true if jacobian is None else jacobian)[row].reshape(self.columns)
        u, s, v = np.linalg.svd(matrix.astype(np.float64))
        slack = self.blur(row)
        if s[0] <= FACTORED * slack or (len(s) > 1 and s[1] > _RANK * slack * max(matrix.shape)):
            return None
        return u[:, 0], v[0]

    def at(self, axis: int, index: int) -> Local:
        """The rows at one index of an axis of the output alone."""
        chosen = np.take(np.arange(len(self.true)).reshape(self.rows), index, axis).reshape(-1)
        rows = tuple(size for k, size in enumerate(self.rows) if k != axis)
        claimed, true, slack = (each[chosen] for each in (self.claimed, self.true, self.slack))
        return replace(self, claimed=claimed, true=true, slack=slack, rows=rows, output=self.output[chosen])


def is_parallel(one: Array, other: Array, relative: float) -> bool:
    """Whether two vectors of unit length, known to a `relative` error, have the same direction."""
    sine = np.linalg.norm(one - (one @ other) * other)
    return bool(sine <= PARALLEL + FACTORED * relative * np.sqrt(len(one)))


def local_jacobians(seen: Evidence, product: Product) -> dict[str, Local]:
    """The local Jacobians by every tensor that can be compared; none where there is no room for the calls."""
    function, structure = seen.function, seen.function.structure
    k, is_complex = product.output.size, seen.check is not None and seen.check.complex
    calls = (_COMPLEX if is_complex else _CENTRAL) * (structure.size + _SPARE)
    largest = k * max(leaf.size for leaf in structure.leaves)
    if seen.gradient is None or largest > LARGE or not function.room(k + calls):
        return {}
    pulls = [pulled(seen, product, unit) for unit in np.eye(k)]
    if any(row is None for row in pulls):
        return {}
    claimed, point = np.array(pulls), structure.views(function.point)
    whole = FunctionOracle(
        lambda at: product.output.read(product.outputs(product.run(at))),
        structure,
        function.point,
        function.budget,
        dtype=function.dtype,
    )
    true = _with_slack(seen, *(_by_complex_step(whole) if is_complex else _by_central_quotients(whole)))
    function.calls += whole.calls
    outputs, found = product.output.leaves, {}
    rows = outputs[0].shape if len(outputs) == 1 else (k,)
    output = whole.value.astype(np.float64)
    for leaf in structure.leaves:
        own = claimed[:, structure.places[leaf.name]]
        if np.all(np.isfinite([own, *true[leaf.name]])):
            value = point[leaf.name].reshape(-1)
            found[leaf.name] = Local(leaf.name, own, *true[leaf.name], rows, leaf.shape, value, output, point)
    return found


def _by_complex_step(whole: FunctionOracle) -> tuple[Array, Array]:
    """The true local Jacobian and its error, by complex steps, which were confirmed before."""
    structure, x = whole.structure, whole.point
    whole.value = np.asarray(whole.code(structure.build(x)), structure.dtype).reshape(-1)
    nothing, one = np.full(whole.value.shape, np.nan), np.ones(1, x.dtype)
    columns = [complex_slope(whole, Direction(np.array([i]), one)) for i in range(structure.size)]
    jacobian = np.array([nothing if each is None else each for each in columns], np.float64).T
    return jacobian, np.zeros_like(jacobian)


def _by_central_quotients(whole: FunctionOracle) -> tuple[Array, Array]:
    """The true local Jacobian and its error, by quotients of three steps; NaN where the function is not smooth."""
    structure, x = whole.structure, whole.point
    whole.start(whole.code(structure.build(x, whole.dtype)), jacobian=True)
    scale, columns = scales(structure, x).own, []
    for i in range(structure.size):
        quotients = []
        for step in _FIRST * scale[i] * 0.5 ** np.arange(3):
            up, down = x.copy(), x.copy()
            up[i], down[i] = up[i] + step, down[i] - step
            quotients.append((whole.at(up) - whole.at(down)) / (up[i] - down[i]))
        first = [(4 * fine - coarse) / 3 for coarse, fine in itertools.pairwise(quotients)]
        best = (16 * first[1] - first[0]) / 15  # Richardson's, of h² and h⁴
        columns.append((best, np.abs(best - first[1])))
    jacobian, error = (np.array(each, np.float64).T for each in zip(*columns, strict=True))
    is_smooth = np.max(error) <= _SMOOTH * np.max(np.abs(jacobian))
    return (jacobian if is_smooth else np.full_like(jacobian, np.nan)), error


def _with_slack(seen: Evidence, jacobian: Array, error: Array) -> dict[str, tuple[Array, Array]]:
    """The Jacobian by each tensor, with how far a right entry may be off."""
    formats = [each.eps for each in seen.answer.formats.values()]
    least = float(np.finfo(np.float64).eps)
    eps = least if seen.gradient is not None and seen.gradient.wide else max([least, *formats])
    size, found = np.abs(jacobian), {}
    for name, places in seen.function.structure.places.items():
        largest = np.max(size[:, places], initial=0)
        slack = max(_RELATIVE, _SUMMED * eps) * size[:, places] + max(_OF_LARGEST, _CANCELLED * eps) * largest
        found[name] = (jacobian[:, places], np.maximum(slack + ALLOWED * error[:, places], _LEAST))
    return found
