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
from backprop.check.patterns import is_diagonal, where
from backprop.check.ratios import known_as, slice_factors, statistics
from backprop.check.rearranged import sentence_of_sum, subsets
from backprop.check.slope_names import named_slope
from backprop.check.words import some

_MOST_PAIRS = 3_000_000
"""Numbers that are compared to tell which row, or which column, stands in the place of which."""
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
    for pattern in patterns:
        seen = pattern(one)
        if seen is not None:
            kind, evidence = seen
            sure: Confidence = "likely" if kind in _LIKELY or prefix else "certain"
            return found(kind, one.name, f"{prefix}{evidence}", sure)
    return None


_LIKELY = ("shared-term", "sum-not-zero", "path-missing", "direct-term", "other-terms")
"""Kinds that say which equality holds, of which several mistakes may be the cause."""


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
        if is_diagonal(there | claimed) and not _are_among(
            one.claimed[extra], one.true[there], float(np.max(one.slack))
        ):
            return None  # another slope
        return "terms-too-many", f"{count} should be 0; those that should not are right."
    if not np.any(claimed[np.any(left, 1)]):
        rows = np.any(left, 1).reshape(one.rows)
        seen = f"The gradient does not use all of the upstream gradient. Of its entries: {where(rows)}"
        return "upstream-left-out", seen
    if is_diagonal(claimed):
        own = np.diag(one.true)
        if np.all(np.abs(own - one.output * (1 - one.output)) <= np.diag(one.slack) + 1e-12):
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
    for k in np.flatnonzero(np.any(one.off, 1)):
        got, true = (each[np.abs(each) > one.slack[k]] for each in (one.claimed[k], one.true[k]))
        if min(len(got), len(true)) != 1 or np.ptp(got) + np.ptp(true) > 4 * np.max(one.slack[k]):
            return None
        ways.append((len(got), len(true)))
    if len(ways) < 2 or len(set(ways)) != 1:
        return None
    many, few = ways[0]
    if many > few:
        return (
            "other-shares",
            f"Each of {many} entries has 1/{many} of an upstream entry, which belongs to one of them.",
        )
    return (
        "other-shares",
        f"One entry has all of an upstream entry, of which 1/{few} belongs to each of {few}.",
    )


def _are_among(values: Array, others: Array, slack: float) -> bool:
    """Whether each value is one of the others."""
    return bool(np.all(np.min(np.abs(values[:, None] - others[None]), 1, initial=np.inf) <= slack))


def _reordered(one: Local) -> tuple[str, str] | None:
    """The right values in other places, in each row; or the right rows for other upstream entries."""
    slack = float(np.max(one.slack))
    if np.max(np.abs(one.claimed - one.true)) < 1e3 * slack:
        return None
    there = one.is_there
    if np.all(np.abs(np.sort(one.claimed, 1) - np.sort(one.true, 1)) <= slack) and one.true.shape[1] > 1:
        place = _same_columns(one, slack)
        seen = "Each upstream entry arrives with the right values at other entries than it should."
        if place is not None:
            seen = f"The entries are the right ones, in another order: {place}."
        return "reordered", seen
    if len(one.true) > 1 and len(one.true) * one.true.size < _MOST_PAIRS and np.all(np.any(there, 1)):
        apart = np.max(np.abs(one.claimed[:, None] - one.true[None]), 2) <= slack
        if np.all(np.any(apart, 1)) and np.all(np.any(apart, 0)):
            order = np.argmax(apart, 1)
            seen = f"Upstream entry k is taken for another one: [{some(order, 8)}]."
            return "upstream-reordered", seen
    return None


def _same_columns(one: Local, slack: float) -> str | None:
    """Which column stands in the place of which, where the columns are the right ones."""
    if one.true.shape[1] * one.true.size > _MOST_PAIRS:
        return None
    apart = np.max(np.abs(one.claimed.T[:, None] - one.true.T[None]), 2) <= slack
    if not (np.all(np.any(apart, 1)) and np.all(np.any(apart, 0))):
        return None
    order = np.argmax(apart, 1)
    return some((f"entry {k} is that of {j}" for k, j in enumerate(order) if not apart[k, k]), 4)


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
    difference = one.claimed - one.true
    for k in np.flatnonzero(np.any(one.off, 1)):
        support = one.is_there[k] | one.is_claimed[k]
        d, y, slack = difference[k, support], one.output[support], one.slack[k, support]
        share = (d / slack) @ (y / slack) / ((y / slack) @ (y / slack))
        if np.sum(support) < 3 or np.any(np.abs(d - share * y) > 2 * slack):
            return False
    return True


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
    difference = one.claimed - one.true
    wrong = np.flatnonzero(np.any(one.off, 1))
    needs = set()
    surplus = 0
    for k in wrong:
        support = one.is_there[k] | one.is_claimed[k]
        if np.any(one.off[k] & ~support) or np.sum(support) < 3:
            return None
        d, x, slack = difference[k, support], one.value[support], one.slack[k, support]
        for words, columns in (
            ("the same number", [np.ones_like(x)]),
            (f"a multiple of {one.name}", [x]),
            (f"a multiple of {one.name} minus its mean", [x - np.mean(x)]),
            (f"a number and a multiple of {one.name}", [np.ones_like(x), x]),
        ):
            base = np.stack(columns, 1) / slack[:, None]
            found, *_ = np.linalg.lstsq(base, d / slack, rcond=None)
            if np.sum(support) - len(columns) >= 2 and np.all(np.abs(base @ found - d / slack) <= 2):
                needs.add(words)
                surplus += int(np.sum(support)) - len(columns)
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
    for axes in subsets(len(one.columns)):
        count = int(np.prod([one.columns[axis] for axis in axes]))
        if count < 3:
            continue
        over = tuple(axis + 1 for axis in axes)
        true, claimed, slack = (
            each.reshape(len(each), *one.columns).sum(over) for each in (one.true, one.claimed, one.slack)
        )
        size = np.abs(one.true).reshape(len(one.true), *one.columns).sum(over)
        if np.any(np.abs(true) > slack) or np.sum(size > 20 * slack) < 2:
            continue
        if np.any(np.abs(claimed) > 20 * slack):
            return "sum-not-zero", sentence_of_sum(one.name, axes, float(np.max(np.abs(claimed))))
    return None
