"""Verdict: a verdict for every tensor, from what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.slopes import Direction
from backprop.check.numeric.tensors import Table, TensorSearch
from backprop.check.oracle import OutOfCalls
from backprop.check.patterns import Known
from backprop.check.points import Structure
from backprop.check.result import Entry, Kink, TensorCheck, Verdict

# Judge: a verdict for every tensor from what was measured of it.

_WORST = 5
NO_NOISE = 1e-9  # of a function: what a value of a few millions is rounded to
_UNMOVED = 1e-3  # of how fast the function changes along the rest of the point
_KINKS = 1000


@dataclass(frozen=True)
class TensorVerdict:
    """A tensor with its verdict, what is known of its truth, and its kinks.

    note: for the reader, or empty. finished: whether the calls sufficed.
    """

    tensor: TensorCheck
    known: Known | None
    kinks: tuple[Kink, ...]
    note: str = ""
    finished: bool = True

    @property
    def wrong(self) -> bool:
        """Whether the verdict is `wrong`."""
        return self.tensor.verdict == "wrong"


def judge_entries(
    name: str,
    structure: Structure,
    check: DirectionalCheck,
    table: Table,
    outputs: tuple[int, ...],
    signal: float,
) -> TensorVerdict:
    """By its entries, all of which were to be compared.

    signal: the fastest change of the function that was seen anywhere, for a step of the scale of what moves.
    """
    places = structure.views(np.arange(structure.size))[name].reshape(-1)
    shape = outputs + structure.leaf(name).shape
    got, expected = check.claimed[:, places], table.expected[:, places]
    tolerance, wrong = table.tolerance[:, places], table.wrong[:, places]
    use = np.isfinite(tolerance)
    entries = worst(check, table, places, shape)
    error = _ratio(_norm((got - expected)[use]), _norm(expected[use]))
    allowed = _ratio(_norm(tolerance[use]), _norm(expected[use]))
    if entries and not error > allowed:  # a small entry beside large ones: what it is off by itself
        error, allowed = _of_entry(entries[0], tolerance, got, expected, wrong)
    is_open = bool(np.any(table.open[:, places]) or not np.all(table.seen[places]))
    own = np.broadcast_to(check.scales.own[places], got.shape)
    blurred = _is_blurred(
        (own * got)[use],
        (own * tolerance)[use],
        (own * check.rounding[:, places])[use],
        (own * table.steep[:, places])[use],
        signal,
        check.blurred,
    )
    verdict: Verdict = "wrong" if np.any(wrong) else "undecided" if is_open or blurred else "right"
    note = ""
    if not np.all(table.seen[places]):
        note = f"{name}: the calls were used up after {int(np.sum(table.seen[places]))} of {len(places)} entries."
    elif verdict == "undecided" and is_open:
        unclear = places[np.any(table.open[:, places], axis=0)]
        reason = table.reasons.get(int(unclear[0]), "no derivative was found")
        note = f"{name}: of {len(unclear)} of {len(places)} entries nothing can be said: {reason}."
    elif blurred and verdict == "undecided":
        note = f"{name}: the function's own noise hides its gradient: {allowed:.1e} of it."
    return TensorVerdict(
        TensorCheck(name, shape, verdict, error, allowed, int(use.sum()), entries),
        Known(expected.reshape(-1), tolerance.reshape(-1)),
        kinks(name, structure, table, places),
        note,
        bool(np.all(table.seen[places])),
    )


def _of_entry(
    entry: Entry, tolerance: Array, got: Array, expected: Array, wrong: Array
) -> tuple[float, float]:
    """Error and tolerance of the entry that is farthest off, relative to what is right."""
    off = abs(entry.got - entry.expected)
    finite = wrong & np.isfinite(tolerance) & (np.abs(np.abs(got - expected) - off) <= 1e-12 * off)
    allowed = float(np.min(tolerance[finite])) if np.any(finite) else 0.0
    return _ratio(off, abs(entry.expected)), _ratio(allowed, abs(entry.expected))


def judge_directions(
    search: TensorSearch,
    structure: Structure,
    check: DirectionalCheck,
    table: Table,
    outputs: tuple[int, ...],
    signal: float,
) -> TensorVerdict:
    """By directions in it, and a sample of its entries. signal: as for entries."""
    shape = outputs + search.shape
    seen = search.places[table.seen[search.places]]
    entries_wrong = bool(np.any(table.wrong[:, seen]))
    entries_open = bool(np.any(table.open[:, seen]))
    error, allowed, blurred = _over(search.comparisons, check, signal)
    is_wrong = search.wrong or entries_wrong
    verdict: Verdict = (
        "wrong" if is_wrong else "undecided" if search.open or entries_open or blurred else "right"
    )
    compared = int(np.sum(np.isfinite(table.tolerance[:, seen])))
    note = ""
    if search.wrong and search.slices is not None and any(one is not None for one in search.slices.chosen):
        note = f"{search.name}: the error lies in {search.name}{search.slices}."
    if verdict == "undecided" and not search.finished:
        note = f"{search.name}: the calls were used up; a larger max_calls decides it."
    elif verdict == "undecided" and blurred:
        note = f"{search.name}: the function's own noise hides its gradient: {allowed:.1e} of it."
    if search.kinks is not None:
        note = " ".join(
            each for each in (note, f"{search.name}: at a kink are {search.name}{search.kinks}.") if each
        )
    return TensorVerdict(
        TensorCheck(
            search.name,
            shape,
            verdict,
            error,
            allowed,
            compared,
            worst(check, table, search.places, shape),
        ),
        _known(search) if search.comparisons else None,
        kinks(search.name, structure, table, search.places),
        note,
        search.finished,
    )


def judge_constant(
    check: DirectionalCheck, structure: Structure, names: tuple[str, ...], outputs: tuple[int, ...]
) -> list[TensorVerdict]:
    """The verdict on every tensor where the function moves along none, beyond its noise.

    A gradient of zero, to its own rounding, is right then. Any other may be hidden by the rounding of the function's
    values, and so may be one that a claim of zero denies, where these values are large.
    """
    places = structure.views(np.arange(structure.size))
    noise = float(np.max(check.noise))
    verdicts = []
    for name in names:
        where = places[name].reshape(-1)
        claimed = check.claimed[:, where]
        beside = check.claims_beside() if np.any(claimed) else None
        # Of the rounding of a zero nothing is left at the next point.
        spread = 0.0 if beside is None else _norm(np.std(beside[:, :, where], axis=0))
        is_zero = _norm(claimed) <= 4 * spread + _norm(check.slack[:, where]) and noise <= NO_NOISE
        value = float(np.max(np.abs(check.function.value)))
        note = (
            f"{name}: the function is constant here to its rounding, and so its gradient is 0: "
            "nothing of its formula is tested."
            if is_zero
            else f"{name}: the function is constant here to its rounding, of {noise:.1e} beside a value of "
            f"{value:.3g}, which hides its gradient."
        )
        nothing = float("nan")
        shape = outputs + structure.leaf(name).shape
        tensor = TensorCheck(name, shape, "right" if is_zero else "undecided", nothing, nothing, 0)
        verdicts.append(TensorVerdict(tensor, None, (), note))
    return verdicts


def as_right_on_symmetric_directions(one: TensorVerdict) -> TensorVerdict:
    """A tensor whose gradient is right along the symmetric directions: its point moves along no others."""
    name = one.tensor.name
    note = (
        f"{name} is symmetric, and the function reads one of its triangles: the gradients agree along every "
        "symmetric direction."
    )
    return replace(one, tensor=replace(one.tensor, verdict="right", worst=()), known=None, note=note)


def worst(check: DirectionalCheck, table: Table, places: Array, shape: tuple[int, ...]) -> tuple[Entry, ...]:
    """The wrong entries among `places`, those first that are farthest off."""
    off = np.where(table.wrong[:, places], np.abs(check.claimed[:, places] - table.expected[:, places]), -1)
    flat = off.reshape(-1)
    order = np.argsort(-np.where(np.isnan(flat), np.inf, flat))[:_WORST]
    chosen = []
    for k in order[flat[order] >= 0]:
        row, column = divmod(int(k), len(places))
        index = tuple(int(i) for i in np.unravel_index(int(k), shape)) if shape else ()
        place = places[column]
        chosen.append(
            Entry(
                index,
                float(check.claimed[row, place]),
                float(table.expected[row, place]),
                float(table.error[row, place]),
            )
        )
    return tuple(chosen)


def kinks(name: str, structure: Structure, table: Table, places: Array) -> tuple[Kink, ...]:
    """The entries of the parameter at which there is no derivative."""
    marked = places[np.any(table.kink[:, places], axis=0)]
    return tuple(
        Kink(
            name,
            structure.layout.locate(int(place))[1],
            table.reasons.get(int(place), "no derivative was found"),
        )
        for place in marked[:_KINKS]
    )


def _known(search: TensorSearch) -> Known:
    """The truth along the directions, output by output."""
    start, size = int(search.places[0]), len(search.places)
    directions = np.zeros((len(search.comparisons), size))
    for row, comparison in zip(directions, search.comparisons, strict=True):
        inside = (comparison.direction.where >= start) & (comparison.direction.where < start + size)
        row[comparison.direction.where[inside] - start] = comparison.direction.by[inside]
    values = np.stack([comparison.value for comparison in search.comparisons], axis=1)
    blind = [
        np.where(comparison.open | comparison.kink, np.inf, comparison.tolerance)
        for comparison in search.comparisons
    ]
    return Known(values.reshape(-1), np.stack(blind, axis=1).reshape(-1), directions)


def _over(comparisons: list[Comparison], check: DirectionalCheck, signal: float) -> tuple[float, float, bool]:
    """Error and tolerance over all directions, relative to ‖g∘v‖, and whether the noise hides the gradient."""
    if not comparisons:
        return float("nan"), float("nan"), True
    use = [~(comparison.open | comparison.kink) for comparison in comparisons]
    if not any(np.any(one) for one in use):
        return float("nan"), float("nan"), False

    def joined(values: list[Array]) -> Array:
        return np.concatenate([value[one] for value, one in zip(values, use, strict=True)])

    off = joined([r.value - r.claimed for r in comparisons])
    allowed = joined([r.tolerance for r in comparisons])
    own = joined([r.direction.size(np.nan_to_num(check.claimed)) for r in comparisons])
    values = joined([r.value for r in comparisons])
    rounding = joined([r.direction.size(check.rounding) for r in comparisons])
    steep = joined([r.steep for r in comparisons])
    size = _norm(own) if _norm(off) <= _norm(allowed) else _norm(values)
    blurred = _is_blurred(own, allowed, rounding, steep, signal, check.blurred)
    return _ratio(_norm(off), size), _ratio(_norm(allowed), size), blurred


def _is_blurred(
    got: Array, tolerance: Array, rounding: Array, steep: Array, signal: float, blurred: float
) -> bool:
    """Whether the truth is so uncertain that a gradient that is off by the share `blurred` would pass as well.

    All are for a step of the scale of what moves. Beside how fast the function changes nearby, a gradient that cannot
    be told from zero is zero, as at a minimum. So is a claim of zero, to its own rounding, where other parts of the
    point move the function.
    """
    size, allowed = max(_norm(got), _norm(steep)), _norm(tolerance)
    is_zero = _norm(got) <= 32 * _norm(rounding)
    return blurred * size < allowed and not (is_zero and allowed <= _UNMOVED * signal)


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return 0.0 if numerator == 0 else float("inf")
    return numerator / denominator


# Symmetric: a function of a symmetric matrix that reads one of its triangles, as Cholesky's factorisation does.
#
# Its slopes by single entries are those of a triangle. The gradient that people write is symmetric: log det S has
# S⁻¹. Both say the same along every symmetric direction, and a symmetric matrix is moved along no other.

_DIRECTIONS = 2


def agrees_on_symmetric_directions(
    check: DirectionalCheck, structure: Structure, name: str, rng: np.random.Generator
) -> bool:
    """Whether a gradient that seems wrong is symmetric, as its point is, and right along symmetric directions.

    Only where the function reads one triangle: elsewhere both triangles count, and the gradient is wrong.
    """
    places = structure.views(np.arange(structure.size))[name]
    if check.function.outputs or places.ndim != 2 or places.shape[0] != places.shape[1] or len(places) < 2:
        return False
    matrix, claim = check.function.point[places], check.claimed[0][places]
    largest = np.max(np.abs(claim))
    slack = largest * float(np.max(check.relative[places]))
    if not np.array_equal(matrix, matrix.T) or np.any(np.abs(claim - claim.T) > slack):
        return False
    scale = float(np.max(check.scales.tensor[places]))
    try:
        upper, lower = (
            check.quotients(
                Direction(places[triangle], _signs(len(places[triangle]), rng) * scale), thorough=True
            )
            for triangle in (np.triu_indices_from(matrix, 1), np.tril_indices_from(matrix, -1))
        )
        moves = [abs(float(slope.value[0])) > 10 * float(slope.error[0]) for slope in (upper, lower)]
        if all(moves):
            return False
        for _ in range(_DIRECTIONS):
            if not check.compare(_symmetric(places, scale, rng)).clean:
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
