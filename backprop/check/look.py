"""A closer look at tensors whose error has no known signature, which takes more calls.

First at the local Jacobian as a whole, then, of a function with steps, at the rows of the first step: there the sums
over steps have one term.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import Evidence
from backprop.check.kinds import Finding, found
from backprop.check.local import Local, local_jacobians
from backprop.check.local_patterns import recognised
from backprop.check.probes import probe
from backprop.check.product import Product


def look_closer(seen: Evidence, product: Product, names: Sequence[str]) -> dict[str, Finding]:
    """What the local Jacobian of a backward pass, and other inputs, show of the tensors `names`, by name."""
    jacobians = local_jacobians(seen, product)
    found = {}
    for name in (name for name in names if name in jacobians):
        one, others = jacobians[name], {other: one for other, one in jacobians.items() if other != name}
        finding = recognised(one, others) or _in_steps(one, others)
        if finding is not None:
            found[name] = finding
    return {**found, **probe(seen, [name for name in names if name not in found])}


def _in_steps(one: Local, others: Mapping[str, Local]) -> Finding | None:
    """Rows that are right at the first index of an axis and wrong after it; or a pattern of the first alone."""
    for axis, size in enumerate(one.rows):
        if size < 2 or len(one.rows) < 2:
            continue
        every = (one, *others.values())
        if not any(_is_causal(each, axis) for each in every) or not any(
            _is_shared(each, axis) for each in every
        ):
            continue  # no step follows from the one before, or none has the weights of another
        first = one.at(axis, 0)
        if not np.any(first.off):
            finding = _after_the_first(one, others, axis)
            if finding is not None:
                return finding
            continue
        rest = {name: other.at(axis, 0) for name, other in others.items() if other.rows == one.rows}
        finding = recognised(first, rest, f"For the upstream gradient at index 0 of axis {axis} alone: ")
        if finding is not None:
            return finding
    return None


def _after_the_first(one: Local, others: Mapping[str, Local], axis: int) -> Finding | None:
    """Right at step 0 and wrong after it, where later outputs depend on what earlier ones depend on."""
    if not all(np.any(one.at(axis, t).off) for t in range(1, one.rows[axis])):
        return None
    right = [each.name for each in others.values() if not np.any(each.off) and _is_shared(each, axis)]
    if right:
        seen = (
            f"It is right for the upstream gradient at index 0 of axis {axis}, where its sum has one term, and wrong "
            f"after it; the gradient of {', '.join(right[:3])} is right, and so is δ."
        )
        return found("steps-not-summed", one.name, seen)
    seen = (
        f"It is right for the upstream gradient at index 0 of axis {axis}, and wrong for every later index: what one "
        "step hands to the one before it is wrong."
    )
    return found("between-steps", one.name, seen)


def _masks(one: Local, axis: int) -> list[Array]:
    """For each step the entries of the tensor (p,) on which the output of that step depends."""
    return [np.any(one.at(axis, t).is_there, 0) for t in range(one.rows[axis])]


def _is_causal(one: Local, axis: int) -> bool:
    """Whether each step depends on more entries than the step before, and on all of that one's."""
    masks = _masks(one, axis)
    pairs = itertools.pairwise(masks)
    return bool(np.any(masks[0])) and all(
        not np.any(before & ~after) and np.sum(after) > np.sum(before) for before, after in pairs
    )


def _is_shared(one: Local, axis: int) -> bool:
    """Whether all steps depend on the same entries."""
    masks = _masks(one, axis)
    return bool(np.any(masks[0])) and all(np.array_equal(masks[0], mask) for mask in masks)
