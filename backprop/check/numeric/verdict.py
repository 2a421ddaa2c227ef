"""Verdict: right, wrong or undecided, for every tensor, from what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.entry import Entry, worst_entries
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import ROUNDINGS, DirectionalCheck
from backprop.check.numeric.kinks import judge_slices, judge_together
from backprop.check.numeric.method import Curve
from backprop.check.numeric.quotients import TINY
from backprop.check.numeric.tensors import Table, TensorSearch, by_directions, every_entry
from backprop.check.patterns import Known
from backprop.check.result import Kink, TensorCheck, verdict_of
from backprop.verify.agreement import norm, ratio

_NO_NOISE = 1e-9
"""Noise of a function that moves nowhere: what a value of a few millions is rounded to."""
_SAME = 1e-12
"""Of a difference: the same one, computed twice."""
_UNMOVED = 1e-3
"""Of how fast the function changes along the rest of the point: a slope of less beside it is none."""
_MOST_KINKS = 1000
"""Kinks that are listed of one tensor."""
_NO_REASON = "no derivative was found"
_COMPLEX, _CENTRAL, _NOISY = 2, 10, 18
"""Calls for one entry, with some to spare: by complex steps, by central quotients, with noise."""
_KINKED = 14
"""Calls for one entry at a kink, which noise hides less."""
_FEW_COMPLEX, _FEW_CENTRAL = 1, 4
"""Calls for one entry if the budget is small and is used up."""


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


def judge_tensors(
    check: DirectionalCheck, steps: Curve | None, names: tuple[str, ...]
) -> list[TensorVerdict]:
    """Judge every tensor that can be compared, by its entries or along directions."""
    structure, budget = check.function.structure, check.function.budget
    where = np.concatenate([structure.places[name] for name in names])
    per_entry = _COMPLEX if check.complex else _NOISY if check.noisy else _CENTRAL
    if steps is not None and np.any(steps.slope.kink):  # which entries are at kinks, and which share one?
        per_entry = min(per_entry, _KINKED)
    if not budget.is_roomy:
        per_entry = _FEW_COMPLEX if check.complex else _FEW_CENTRAL
    signal = 0.0 if steps is None else float(np.max(steps.slope.steep))
    if len(where) * per_entry <= budget.left:
        table = every_entry(check, where)
        if table is None:  # quotients take more calls: maybe more than there are for every entry
            return judge_tensors(check, steps, names)
        judge_together(check, table)
        signal = max(signal, float(np.max(table.steep * check.scales.own)))
        return [judge_entries(name, check, table, signal) for name in names]
    table = Table(len(check.claimed), structure.size)
    searches = by_directions(check, names, table)
    for search in searches:
        judge_slices(check, table, search.kinked)
    signal = max([signal, *(float(np.max(each.steep)) for search in searches for each in search.comparisons)])
    return [judge_directions(search, check, table, signal) for search in searches]


def judge_entries(name: str, check: DirectionalCheck, table: Table, signal: float) -> TensorVerdict:
    """Judge a tensor by its entries, all of which were to be compared.

    signal: the fastest change of the function that was seen anywhere, for a step of the scale of what moves.
    """
    places = check.function.structure.places[name]
    got, expected = check.claimed[:, places], table.expected[:, places]
    tolerance, wrong = table.tolerance[:, places], table.wrong[:, places]
    use, seen = np.isfinite(tolerance), table.seen[places]
    shape = check.function.shape_of(name)
    entries = _worst(check, table, places, shape)
    error = ratio(norm((got - expected)[use]), norm(expected[use]))
    allowed = ratio(norm(tolerance[use]), norm(expected[use]))
    if entries and not error > allowed:  # a small entry beside large ones: what it is off by itself
        error, allowed = _of_entry(entries[0], tolerance, got, expected, wrong)
    blind = (
        ~(use | table.kink[:, places] | wrong) & seen
    )  # whatever hides them, what was not compared is not right
    unclear = places[np.any(table.open[:, places] | blind, axis=0)]
    own, rounding, steep = check.scales.own[places], check.rounding[:, places], table.steep[:, places]
    got_use, allowed_use, rounding, steep = ((own * each)[use] for each in (got, tolerance, rounding, steep))
    blurred = _is_blurred(got_use, allowed_use, rounding, steep, signal, check.blurred)
    is_open = bool(len(unclear)) or not np.all(seen)
    verdict = verdict_of(wrong=bool(np.any(wrong)), undecided=is_open or blurred)
    note = ""
    if not np.all(seen):
        note = f"{name}: the calls were used up after {int(np.sum(seen))} of {len(places)} entries."
    elif verdict == "undecided" and len(unclear):
        reason = table.reasons.get(int(unclear[0]), _NO_REASON)
        note = f"{name}: of {len(unclear)} of {len(places)} entries nothing can be said: {reason}."
    elif verdict == "undecided":
        note = _hidden_by_noise(name, allowed)
    return TensorVerdict(
        TensorCheck(name, shape, verdict, error, allowed, int(use.sum()), entries),
        Known(expected.reshape(-1), tolerance.reshape(-1)),
        _kinks(name, check, table, places),
        note,
        bool(np.all(seen)),
    )


def _of_entry(
    entry: Entry, tolerance: Array, got: Array, expected: Array, wrong: Array
) -> tuple[float, float]:
    """Error and tolerance of the entry that is farthest off, relative to what is right."""
    off = abs(entry.got - entry.expected)
    itself = wrong & np.isfinite(tolerance) & (np.abs(np.abs(got - expected) - off) <= _SAME * off)
    allowed = float(np.min(tolerance[itself])) if np.any(itself) else 0.0
    return ratio(off, abs(entry.expected)), ratio(allowed, abs(entry.expected))


def judge_directions(
    search: TensorSearch, check: DirectionalCheck, table: Table, signal: float
) -> TensorVerdict:
    """Judge a tensor by directions in it, and a sample of its entries. signal: as for entries."""
    name, shape = search.name, check.function.shape_of(search.name)
    seen = search.places[table.seen[search.places]]
    error, allowed, blurred = _over(search.comparisons, check, signal)
    is_open = search.open or bool(np.any(table.open[:, seen])) or blurred
    is_wrong = search.wrong or bool(np.any(table.wrong[:, seen]))
    verdict = verdict_of(wrong=is_wrong, undecided=is_open)
    notes = []
    if verdict == "undecided" and not search.finished:
        notes.append(f"{name}: the calls were used up; a larger max_calls decides it.")
    elif verdict == "undecided" and blurred:
        notes.append(_hidden_by_noise(name, allowed))
    elif search.wrong and search.slices is not None and any(one is not None for one in search.slices.chosen):
        notes.append(f"{name}: the error lies in {name}{search.slices}.")
    if search.kinks is not None:
        notes.append(f"{name}: at a kink are {name}{search.kinks}.")
    compared = int(np.sum(np.isfinite(table.tolerance[:, seen])))
    entries = _worst(check, table, search.places, shape)
    return TensorVerdict(
        TensorCheck(name, shape, verdict, error, allowed, compared, entries),
        _known(search) if search.comparisons else None,
        _kinks(name, check, table, search.places),
        " ".join(notes),
        search.finished,
    )


def stays_constant(check: DirectionalCheck, steps: Curve) -> bool:
    """Whether neither small nor large steps move the function."""
    quiet = not check.noisy or float(np.max(check.noise)) <= _NO_NOISE
    return steps.still and quiet and check.stays_still(steps.direction)


def judge_constant(check: DirectionalCheck, names: tuple[str, ...]) -> list[TensorVerdict]:
    """The verdict on every tensor where the function moves along none, beyond its noise.

    A gradient of zero, to its own rounding, is right then. Any other may be hidden by the rounding of the function's
    values. Where these values are large, so may be a slope that a claim of zero denies.
    """
    noise, value = float(np.max(check.noise)), float(np.max(np.abs(check.function.value)))
    verdicts = []
    for name in names:
        where = check.function.structure.places[name]
        claimed = check.claimed[:, where]
        beside = check.claims_beside() if np.any(claimed) else None
        # Of the rounding of a zero nothing is left at the next point.
        spread = 0.0 if beside is None else norm(np.std(beside[:, :, where], axis=0))
        is_zero = norm(claimed) <= 4 * spread + norm(check.slack[:, where]) and noise <= _NO_NOISE
        note = f"{name}: the function is constant here to its rounding, "
        note += (
            "and so its gradient is 0: nothing of its formula is tested."
            if is_zero
            else f"of {noise:.1e} beside a value of {value:.3g}, which hides its gradient."
        )
        verdict = verdict_of(wrong=False, undecided=not is_zero)
        tensor = TensorCheck(name, check.function.shape_of(name), verdict, float("nan"), float("nan"), 0)
        verdicts.append(TensorVerdict(tensor, None, (), note))
    return verdicts


def _hidden_by_noise(name: str, share: float) -> str:
    return f"{name}: the function's own noise hides its gradient: {share:.1e} of it."


def _worst(check: DirectionalCheck, table: Table, places: Array, shape: tuple[int, ...]) -> tuple[Entry, ...]:
    """The wrong entries among `places`, those first that are farthest off."""
    got, expected, error = (each[:, places] for each in (check.claimed, table.expected, table.error))
    return worst_entries(got, expected, error, table.wrong[:, places], shape)


def _kinks(name: str, check: DirectionalCheck, table: Table, places: Array) -> tuple[Kink, ...]:
    """The entries of the parameter at which there is no derivative."""
    layout = check.function.structure.layout
    marked = map(int, places[np.any(table.kink[:, places], axis=0)][:_MOST_KINKS])
    reasons = {place: table.reasons.get(place, _NO_REASON) for place in marked}
    return tuple(Kink(name, layout.locate(place)[1], reason) for place, reason in reasons.items())


def _known(search: TensorSearch) -> Known:
    """The truth along the directions, output by output."""
    start, size = int(search.places[0]), len(search.places)
    directions = np.zeros((len(search.comparisons), size))
    for row, each in zip(directions, search.comparisons, strict=True):
        where = each.direction.where - start
        inside = (where >= 0) & (where < size)
        row[where[inside]] = each.direction.by[inside]
    values = np.stack([each.value for each in search.comparisons], axis=1)
    blind = [np.where(each.open | each.kink, np.inf, each.tolerance) for each in search.comparisons]
    return Known(values.reshape(-1), np.stack(blind, axis=1).reshape(-1), directions)


def _over(comparisons: list[Comparison], check: DirectionalCheck, signal: float) -> tuple[float, float, bool]:
    """Error and tolerance over all directions, relative to ‖g∘v‖, and whether the noise hides the gradient."""
    nothing = float("nan")
    if not comparisons:
        return nothing, nothing, True
    use = [~(each.open | each.kink) for each in comparisons]
    if not any(np.any(one) for one in use):
        return nothing, nothing, False

    def joined(values: Sequence[Array]) -> Array:
        return np.concatenate([value[one] for value, one in zip(values, use, strict=True)])

    off = joined([each.value - each.claimed for each in comparisons])
    allowed = joined([each.tolerance for each in comparisons])
    own = joined([each.direction.size(np.nan_to_num(check.claimed)) for each in comparisons])
    rounding = joined([each.direction.size(check.rounding) for each in comparisons])
    steep = joined([each.steep for each in comparisons])
    size = norm(own) if norm(off) <= norm(allowed) else norm(joined([each.value for each in comparisons]))
    blurred = _is_blurred(own, allowed, rounding, steep, signal, check.blurred)
    return ratio(norm(off), size), ratio(norm(allowed), size), blurred


def _is_blurred(
    got: Array, tolerance: Array, rounding: Array, steep: Array, signal: float, blurred: float
) -> bool:
    """Whether the truth is so uncertain that a gradient that is off by the share `blurred` would pass as well.

    All are for a step of the scale of what moves. Beside how fast the function changes nearby, a gradient that cannot
    be told from zero is zero, as at a minimum. So is a claim of zero, to its own rounding, where other parts of the
    point move the function.
    """
    size, allowed = max(norm(got), norm(steep)), norm(tolerance)
    is_zero = norm(got) <= ROUNDINGS * norm(rounding)
    return blurred * size < allowed and not (is_zero and allowed <= max(_UNMOVED * signal, TINY))
