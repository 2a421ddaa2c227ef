"""A closer look at tensors whose error has no known signature, which takes more calls.

For a backward pass: at its local Jacobian; if the function has steps, also at the rows of the first step alone, where
sums over steps have one term. For any gradient: at what changes with another value of one input.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import Evidence
from backprop.check.kinds import Finding, found
from backprop.check.leaves import to_numpy
from backprop.check.local import Local, local_jacobians
from backprop.check.local_patterns import recognised
from backprop.check.numeric.directions import random_weights
from backprop.check.product import Product
from backprop.check.rearranged import orders


def look_closer(seen: Evidence, product: Product, names: Sequence[str]) -> dict[str, Finding]:
    """What the local Jacobian of a backward pass, and other inputs, show of the tensors `names`, by name."""
    jacobians = local_jacobians(seen, product)
    named = {}
    for name in (name for name in names if name in jacobians):
        others = {other: each for other, each in jacobians.items() if other != name}
        finding = recognised(jacobians[name], others) or _in_steps(jacobians[name], others)
        if finding is not None:
            named[name] = finding
    return {**named, **probe(seen, [name for name in names if name not in named])}


def _in_steps(one: Local, others: Mapping[str, Local]) -> Finding | None:
    """Rows that are right at the first index of an axis and wrong after it; or a pattern of the first alone."""
    for axis, size in enumerate(one.rows):
        if size < 2 or len(one.rows) < 2:
            continue
        masks = [_masks(each, axis) for each in (one, *others.values())]
        if not any(map(_is_causal, masks)) or not any(map(_is_shared, masks)):
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
    same = [each for each in others.values() if not np.any(each.off) and _is_shared(_masks(each, axis))]
    right = [each.name for each in same]
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


def _is_causal(masks: list[Array]) -> bool:
    """Whether each step depends on more entries than the step before, and on all of that one's."""
    grows = (
        np.all(after >= before) and np.any(after > before) for before, after in itertools.pairwise(masks)
    )
    return bool(np.any(masks[0])) and all(grows)


def _is_shared(masks: list[Array]) -> bool:
    """Whether all steps depend on the same entries."""
    return bool(np.any(masks[0])) and all(np.array_equal(masks[0], mask) for mask in masks)


# Probes: a few calls with another value of one input.
#
#     other input     got = the right gradient for one input that is transposed, reversed, shifted or exchanged
#     input ignored   got does not change by a bit when one input changes, and the right gradient does
#
# The right gradient is compared along random directions of the tensor: one complex step for each.

_DIRECTIONS = 3
"""Directions along which the right gradient is compared: no wrong one fits along all of them by chance."""
_STEP = 1e-30
"""The complex step: its square vanishes beside any number."""
_SAME, _OTHER = 1e-9, 1e-7
"""Relative differences: up to the first one numbers are equal, beyond the second one clearly different."""
_MOVED = 1e-4
"""By which share of its values an input is moved."""
_ROUNDINGS = 32
"""A change of so many roundings shows in an answer."""
_MOST_INPUTS = 12
"""The most inputs for which other values are tried."""


def probe(seen: Evidence, names: Sequence[str]) -> dict[str, Finding]:
    """For the tensors `names`, the mistakes that other values of the inputs show."""
    if seen.check is None or not seen.check.complex or seen.function.outputs:
        return {}
    findings: dict[str, Finding] = {}
    for name in names:
        finding = _other_input(seen, name) or _input_ignored(seen, name)
        if finding is not None:
            findings[name] = finding
    return findings


def _other_input(seen: Evidence, name: str) -> Finding | None:
    """The gradient is right for another value of one input."""
    places = seen.function.structure.places[name]
    along = _directions(len(places))
    if len(places) < 2:
        return None
    got = along @ seen.rows[0, places].astype(np.float64)
    size = float(np.max(np.abs(got)))
    for words, point, constants in _others(seen):
        if not seen.function.room(len(along) + 1):
            return None
        for direction, slope in zip(along, got, strict=True):
            true = _slope(seen, point, constants, places, direction)
            if true is None or not abs(true - slope) <= _SAME * size:
                break
        else:
            return found("other-input", name, f"It is the right gradient with {words}, to rounding.")
    return None


def _others(seen: Evidence) -> Iterator[tuple[str, Array, dict[str, Any]]]:
    """Points at which one input has another value: the change in words, the point (p,), other constants."""
    structure, x = seen.function.structure, seen.function.point
    leaves = structure.leaves[:_MOST_INPUTS]
    for leaf in leaves:
        for words, changed in _other_values(structure.views(x)[leaf.name]):
            other = x.copy()
            structure.views(other)[leaf.name][...] = changed
            yield f"{leaf.name} {words}", other, {}
    for one, two in itertools.combinations(leaves, 2):
        if one.shape == two.shape and one.shape:
            other = x.copy()
            structure.views(other)[one.name][...] = structure.views(x)[two.name]
            structure.views(other)[two.name][...] = structure.views(x)[one.name]
            yield f"{one.name} and {two.name} exchanged", other, {}
    for name, constant in structure.constants.items():
        if type(constant) is np.ndarray and constant.dtype.kind in "iub":
            for words, changed in _other_values(constant):
                yield f"{name} {words}", x, {name: changed}


def _other_values(value: Array) -> list[tuple[str, Array]]:
    """Arrays that may be used in the place of this one by mistake, each with what was changed, in words."""
    others = list(orders(value)) if value.size > 1 else []
    if value.dtype.kind in "iu" and value.size > 1:
        others += [(f"counted from {step}", (value + step) % (int(np.max(value)) + 1)) for step in (1, -1)]
    elif value.dtype.kind == "b":
        others += [("left out", np.ones_like(value)), ("the other way round", ~value)]
    return [(words, one) for words, one in others if one.shape == value.shape and np.any(one != value)]


def _input_ignored(seen: Evidence, name: str) -> Finding | None:
    """The gradient stays the same when an input changes, although the right gradient changes."""
    function, structure = seen.function, seen.function.structure
    places = structure.places[name]
    along = _directions(len(places))[:1]
    eps = max(structure.format.eps, seen.answer.formats.get(name, structure.format).eps)
    if seen.gradient is None or _ROUNDINGS * eps > _MOVED:  # its rounding may hide the change
        return None
    before = _slope(seen, function.point, {}, places, along[0])
    for leaf in structure.leaves[:_MOST_INPUTS]:
        if not function.room(3) or before is None:  # the gradient and the slope elsewhere, and one to spare
            return None
        other = _elsewhere(function.point, structure.places[leaf.name])
        rows = seen.gradient.rows(other)
        if rows is None or not np.array_equal(rows[0, places], seen.rows[0, places]):
            continue
        after = _slope(seen, other, {}, places, along[0])
        if after is not None and before != 0 and abs(after - before) > _OTHER * max(abs(after), abs(before)):
            evidence = (
                f"It is the same, to the last bit, for another {leaf.name}; the right gradient along a direction "
                f"changes by {abs(after / before - 1):.1e} of itself."
            )
            return found("input-ignored", name, evidence)
    return None


def _elsewhere(point: Array, places: Array) -> Array:
    """The point with one tensor moved so little that no mask changes."""
    other = point.copy()
    size = np.where(point[places] == 0, 1, point[places])
    other[places] += _MOVED * _directions(len(places))[0] * size
    return other


def _directions(count: int) -> Array:
    """Directions (k, count) without any zero."""
    return random_weights((_DIRECTIONS, count), np.random.default_rng(1))


def _slope(
    seen: Evidence, point: Array, constants: dict[str, Any], places: Array, direction: Array
) -> float | None:
    """The slope of the function at a point along a direction of one tensor, by a complex step; None without one."""
    function, structure = seen.function, seen.function.structure
    moved = point.astype(np.complex128)
    moved[places] += 1j * _STEP * direction
    function.count(1)
    tensors = structure.ends(structure.build(moved, np.dtype(np.complex128)))
    at = structure.assemble(tensors, lambda constant: constants.get(constant.name, constant.value))
    try:
        raw = to_numpy(function.code(at))
        return float(np.imag(raw) / _STEP) if np.size(raw) == 1 and np.all(np.isfinite(raw)) else None
    except Exception:  # of whatever kind: it is the user's
        return None
