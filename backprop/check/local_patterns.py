"""Patterns of a wrong local Jacobian, each an equality to rounding that holds in every row.

element-wise      both have one entry a row, in the same place: the slope is another one
mask              where both are not zero they are equal: terms left out, terms too many, or both
reordered         each row has the right values, in other places; or the rows are another upstream entry's
factors           row k is r_k times the right one, or column i c_i times
as constants      the claimed one is diagonal, the true one is not
direct term       only the diagonal is wrong
shared term       got - expected = a + b x along every row, on the entries that the row depends on
outer product     of x ⊗ δ in every row x is right and δ is not, or the other way round
path              got - expected is W δ, with the δ of another tensor's gradient
exchanged         got is V δ₁ + W δ₂ where W δ₁ + V δ₂ is right
other δ           got is a multiple of the δ of another tensor's gradient x ⊗ δ
shares            every row has the right sum: even where one entry should have all, or the other way round
invariance        the true row sums to zero over some axes, the claimed one does not
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Confidence, Finding, found
from backprop.check.local import Local
from backprop.check.local_products import exchanged, other_delta, outer_product, path
from backprop.check.patterns import ENOUGH, EXCHANGED, is_diagonal, where
from backprop.check.ratios import known_as, slice_factors, statistics
from backprop.check.rearranged import sum_not_zero
from backprop.check.slope_names import named_slope
from backprop.check.words import some

_MOST_PAIRS = 3_000_000
"""Numbers that are compared to tell which row, or which column, stands in the place of which."""
_LIKELY = ("shared-term", "sum-not-zero", "path-missing", "direct-term", "other-terms")
"""Kinds that state an equality which several different mistakes could cause."""
_EQUATIONS = 3
"""A pattern has so many more numbers to explain than it has of its own, at least."""


def recognised(one: Local, others: Mapping[str, Local], prefix: str = "") -> Finding | None:
    """The first pattern that the rows have; prefix: of the sentence that says so."""
    patterns: tuple[Callable[[Local], tuple[str, str] | None], ...] = (
        _mask,
        _shares,
        _element_wise,
        _reordered,
        _factors,
        _as_constants,
        _direct_term,
        _shared_term,
        outer_product,
        lambda local: path(local, others),
        lambda local: exchanged(local, others),
        lambda local: other_delta(local, others),
        _invariance,
    )
    seen = next(filter(None, (pattern(one) for pattern in patterns)), None)
    if seen is None:
        return None
    sure: Confidence = "likely" if seen[0] in _LIKELY or prefix else "certain"
    return found(seen[0], one.name, f"{prefix}{seen[1]}", sure)


def _element_wise(one: Local) -> tuple[str, str] | None:
    """Each output entry depends on one entry of the tensor, and the slope there is wrong."""
    place = np.argmax(np.abs(one.true) + np.abs(one.claimed), 1)
    row = np.arange(len(place))
    rest = np.ones(one.true.shape, bool)
    rest[row, place] = False
    if len(row) < 2 or np.any((one.is_there | one.is_claimed)[rest]):
        return None
    claimed, true = one.claimed[row, place], one.true[row, place]
    x, off = one.value[place], one.off[row, place]
    one_each = len(np.unique(place)) == len(place)
    if one_each and np.all(np.abs(claimed - 1) <= one.slack[row, place]):
        seen = "Each entry is its upstream entry: the slope there is taken for 1."
        return "activation-derivative-missing", seen
    worst = int(np.argmax(np.where(off, np.abs(claimed - true), -1)))
    what = named_slope(claimed, x, one.output, _aligned(one))
    is_slope = f" Everywhere it is {what}." if what else ""
    seen = (
        f"Each upstream entry is multiplied by one number, and {int(off.sum())} of {len(off)} of these are wrong: "
        f"{claimed[worst]:.6g} in place of {true[worst]:.6g} where {one.name} is {x[worst]:.4g}.{is_slope}"
    )
    return "local-derivative", seen


def _mask(one: Local) -> tuple[str, str] | None:
    """Where both are not zero they are equal."""
    off, there, claimed = one.off, one.is_there, one.is_claimed
    if np.any(there) and not np.any(claimed):
        return "terms-left-out", "All of it is 0, and should not be."
    left, extra = off & there & ~claimed, off & ~there & claimed
    if np.any(off & ~left & ~extra) or np.sum(there & claimed) < _EQUATIONS:
        return None
    if np.any(off & ~there & (np.abs(one.true) > one.slack)):
        return None
    count = f"{int(np.sum(off))} of {off.size} entries of the local Jacobian"
    if np.any(left) and np.any(extra):
        seen = f"{int(np.sum(left))} are 0 and should not be, {int(np.sum(extra))} should be 0; the rest is right."
        return "other-terms", f"{count} are wrong: {seen}"
    if np.any(extra):
        others = np.abs(one.claimed[extra][:, None] - one.true[there][None])
        is_among = np.min(others, 1, initial=np.inf) <= np.max(one.slack)
        if is_diagonal(there | claimed) and not np.all(is_among):
            return None  # another slope
        return "terms-too-many", f"{count} should be 0; those that should not are right."
    if not np.any(claimed[np.any(left, 1)]):
        rows = np.any(left, 1).reshape(one.rows)
        seen = f"The gradient does not use all of the upstream gradient. Of its entries: {where(rows)}"
        return "upstream-left-out", seen
    if is_diagonal(claimed):
        own = np.diag(one.true)
        if np.all(np.abs(own - one.output * (1 - one.output)) <= np.diag(one.slack)):
            seen = "The local Jacobian is diag(y (1 - y)): its diagonal is right; the rest, -y_i y_j, is 0."
            return "softmax-diagonal-only", seen
    if not np.any(claimed[:, np.any(left, 0)] & there[:, np.any(left, 0)]):
        columns = np.any(left, 0).reshape(one.columns)
        return "entries-left-out", f"{where(columns)} They are 0; every other one is right, to rounding."
    return "terms-left-out", f"{count} are 0 and should not be; the rest is right, to rounding."


def _shares(one: Local) -> tuple[str, str] | None:
    """Every row has the right sum, over other entries: one takes all where the others have an equal part each."""
    if len(one.true) < 2 or np.any(np.abs((one.claimed - one.true).sum(1)) > one.slack.sum(1)):
        return None
    ways = []
    for k in one.wrong:
        got, true = (each[np.abs(each) > one.slack[k]] for each in (one.claimed[k], one.true[k]))
        apart = np.ptp(got) + np.ptp(true)  # of equal shares, each off by as much as the slack to either side
        if min(len(got), len(true)) != 1 or apart > 4 * np.max(one.slack[k]):
            return None
        ways.append((len(got), len(true)))
    if len(ways) < 2 or len(set(ways)) != 1:
        return None
    many, few = ways[0]
    seen = f"One entry gets all of an upstream entry; {few} entries should get 1/{few} each."
    if many > few:
        seen = f"Each of {many} entries gets 1/{many} of an upstream entry; one of them should get all of it."
    return "other-shares", seen


def _reordered(one: Local) -> tuple[str, str] | None:
    """The right values in other places, in each row; or the right rows for other upstream entries."""
    slack = float(np.max(one.slack))
    if np.max(np.abs(one.claimed - one.true)) < EXCHANGED * slack:
        return None
    if np.all(np.abs(np.sort(one.claimed, 1) - np.sort(one.true, 1)) <= slack) and one.true.shape[1] > 1:
        same = _same_rows(one.claimed.T, one.true.T, slack)
        if same is None:
            seen = "The values for each upstream entry are right, but they stand at the wrong entries."
            return "reordered", seen
        moved = (f"entry {k} is that of {np.argmax(row)}" for k, row in enumerate(same) if not row[k])
        return "reordered", f"The entries are right, but in another order: {some(moved)}."
    same = _same_rows(one.claimed, one.true, slack) if np.all(np.any(one.is_there, 1)) else None
    if same is None or len(same) < 2:
        return None
    seen = f"Upstream entry k is taken for another one: [{some(np.argmax(same, 1))}]."
    return "upstream-reordered", seen


def _same_rows(claimed: Array, true: Array, slack: float) -> Array | None:
    """Which claimed row equals which true row (k, k); None if a row equals none, or there are too many numbers."""
    if len(true) * true.size > _MOST_PAIRS:
        return None
    same: Array = np.max(np.abs(claimed[:, None] - true[None]), 2) <= slack
    return same if np.all(np.any(same, 1)) and np.all(np.any(same, 0)) else None


def _factors(one: Local) -> tuple[str, str] | None:
    """Every row, or every column, is a multiple of the right one."""
    for axis, of in ((0, "upstream entry"), (1, "entry of the gradient")):
        k = slice_factors(one.claimed, one.true, one.slack / 2, axis)
        if k is None:
            continue
        shape = one.rows if axis == 0 else one.columns
        what = known_as(k, _aligned(one) if axis == 0 else {one.name: one.value}, _moments(one, shape))
        far = int(np.argmax(np.abs(k - 1)))
        index = [int(j) for j in np.unravel_index(far, shape)] if shape else []
        are = f"; the factors are {what}" if what else ""
        seen = f"Every {of} has a factor of its own, such as {k[far]:.6g} at {index}{are}."
        return "factor-along-axis", seen
    return None


def _aligned(one: Local) -> dict[str, Array]:
    """Every tensor that can be broadcast to the output, and the output, each (k,)."""
    found = {"y": one.output}
    for name, value in one.point.items():
        if len(value.shape) > len(one.rows) or not value.shape:
            continue
        try:
            found[name] = np.broadcast_to(value, one.rows).reshape(-1)
        except ValueError:
            continue
    return found


def _moments(one: Local, shape: tuple[int, ...]) -> dict[str, Array]:
    """Statistics of the tensor over each axis, where it has the shape of the output, each (k,)."""
    if one.columns != shape:
        return {}
    value, found = one.value.reshape(shape), {}
    for axis in range(len(shape)):
        rows = np.moveaxis(value, axis, -1)
        for name, each in statistics(rows.reshape(-1, shape[axis]), f"{one.name} over axis {axis}").items():
            spread = np.broadcast_to(each.reshape(*rows.shape[:-1], 1), rows.shape)
            found[name] = np.moveaxis(spread, -1, axis).reshape(-1)
    return found


def _as_constants(one: Local) -> tuple[str, str] | None:
    """The claimed Jacobian is diagonal, and the true one is not."""
    if not is_diagonal(one.is_claimed) or np.sum(one.is_claimed) < _EQUATIONS:
        return None
    count = int(np.sum(one.is_there & ~np.eye(len(one.true), dtype=bool)))
    if count < _EQUATIONS:
        return None
    seen = f"Each entry depends on its own upstream entry alone; in truth {count} pairs depend on each other"
    if _is_shared_term(one):
        return "statistics-as-constants", f"{seen}, by what they share: the rest is a + b {one.name} or b y."
    return "path-missing", f"{seen}: the paths from an entry to other entries are left out."


def _is_shared_term(one: Local) -> bool:
    """Whether got - expected is a + b x, or b y, along the entries that depend on each other, in every row."""
    if _shared_term(one) is not None:
        return True
    if one.true.shape[0] != one.true.shape[1]:
        return False
    for k in one.wrong:
        support = one.is_there[k] | one.is_claimed[k]
        if np.sum(support) < ENOUGH or not _is_sum_of([one.output], one, k, support):
            return False
    return True


def _is_sum_of(parts: list[Array], one: Local, row: int, support: Array) -> bool:
    """Whether got - expected is a linear combination of these arrays (p,) in some entries of a row."""
    slack = one.slack[row, support]
    base = np.stack([part[support] / slack for part in parts], 1)
    difference = (one.claimed - one.true)[row, support] / slack
    factors, *_ = np.linalg.lstsq(base, difference, rcond=None)
    return bool(np.all(np.abs(base @ factors - difference) <= 2))


def _direct_term(one: Local) -> tuple[str, str] | None:
    """Only the diagonal is wrong."""
    if one.true.shape[0] != one.true.shape[1] or len(one.true) < 2:
        return None
    rest = one.is_there & ~np.eye(len(one.true), dtype=bool)
    if not is_diagonal(one.off) or np.sum(rest) < _EQUATIONS:
        return None
    return "direct-term", "What an entry does to itself is wrong, and what it does to the others is right."


def _shared_term(one: Local) -> tuple[str, str] | None:
    """got - expected = a + b x in every row, on the entries that the row depends on."""
    needs, surplus, x = set(), 0, one.value
    for k in one.wrong:
        support = one.is_there[k] | one.is_claimed[k]
        count, ones = int(np.sum(support)), np.ones_like(x)
        if np.any(one.off[k] & ~support) or count < ENOUGH:
            return None
        for words, parts in (
            ("the same number", [ones]),
            (f"a multiple of {one.name}", [x]),
            (f"a multiple of {one.name} minus its mean", [x - np.mean(x[support])]),
            (f"a number and a multiple of {one.name}", [ones, x]),
        ):
            if count - len(parts) >= 2 and _is_sum_of(parts, one, k, support):
                needs.add(words)
                surplus += count - len(parts)
                break
        else:
            return None
    if not needs or surplus < 2 * _EQUATIONS:
        return None
    what = needs.pop() if len(needs) == 1 else f"a number and a multiple of {one.name}"
    other = "both" if "number" in what else "the variance or the norm"
    term = "the mean" if what == "the same number" else other
    seen = (
        f"got - expected is {what} along the entries that depend on each other: the term that comes through what "
        f"they share ({term}) is left out or wrong."
    )
    return "shared-term", seen


def _invariance(one: Local) -> tuple[str, str] | None:
    """Every true row sums to zero over some axes of the tensor, and the claimed one does not."""
    shape = (len(one.true), *one.columns)
    true, claimed, slack = (each.reshape(shape) for each in (one.true, one.claimed, one.slack))
    seen = sum_not_zero(one.name, true, claimed, slack, 1)
    return ("sum-not-zero", seen) if seen else None
