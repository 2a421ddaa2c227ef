"""The upstream gradient of a backward pass: changed in place, ignored, used in part alone, or not as a factor.

Each of these is proven by calls with other upstream gradients: by answers that are the same, to the last bit, or that
are not the sum that they would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from backprop.arrays import Array
from backprop.check.evidence import Evidence
from backprop.check.kinds import Finding, found
from backprop.check.numeric.directional import ROUNDINGS
from backprop.check.numeric.directions import drawn
from backprop.check.numeric.looks import compare
from backprop.check.numeric.noise import relative_tolerance
from backprop.check.numeric.tensors import two_directions
from backprop.check.oracle import Budget, GradientOracle, OutOfCalls
from backprop.check.product import Product

_LARGER = 1024.0
"""Times the upstream gradient: what a clipped gradient does not follow. It is a power of two, to round nothing."""
_NARROW = 2.0**-12
"""Formats with a larger eps reach so far less that `_LARGER_IF_NARROW` is all that they are asked for."""
_LARGER_IF_NARROW = 8.0
_TRUTH_CALLS = 200
"""Calls of the function that the truth for another upstream gradient may take."""
MOST_BLURRED = 0.25
"""An answer that is off by more than this share of its largest entry is not linear, in any format."""


def look_at_upstream(seen: Evidence, product: Product, rng: np.random.Generator, rtol: float | None) -> None:
    """Put into the evidence what is wrong with the use that the backward pass B makes of its upstream gradient u.

    B(u) is compared with B(v), B(u/2 + v) and B(1024 u), and where it is wrong with those of upstream gradients that
    agree with u in part. Each tensor counts by itself.
    """
    for kind, what, names in (
        ("upstream-changed-in-place", "the upstream gradient of ", {f"y{name}" for name in product.changed}),
        ("modifies-arguments", "", product.changed_inputs),
    ):
        if names:
            changed = f"The backward pass changed {what}{', '.join(sorted(names))} in place."
            seen.blame(found(kind, None, changed))
    if seen.gradient is None or seen.check is None:
        return
    other = np.where(product.upstream != 0, drawn(len(product.upstream), rng), 0)
    look = _Look(seen, product, np.where(other == product.upstream, -other, other))
    exact = max(seen.check.rows_eps, seen.function.coarse)
    # The errors of B(u), B(v), B(u/2 + v), and of their sum.
    slack = max(relative_tolerance(exact, MOST_BLURRED), 4 * (rtol or 0))
    wrong = {each.tensor.name for each in seen.verdicts if each.wrong}
    nonlinear = look.nonlinear(slack, _LARGER if exact < _NARROW else _LARGER_IF_NARROW)
    if look.pulled_other is not None and look.pulled_sum is not None:
        seen.linear = frozenset(seen.names) - set(nonlinear)
    for name in seen.names:
        finding = look.unused(name, in_part=name in wrong) or nonlinear.get(name)
        if finding is not None:
            seen.named[name] = finding
        elif name in wrong and len(product.output.names) > 1:
            outputs = look.wrong_outputs(name)
            if 0 < len(outputs) < len(product.output.names):
                right = ", ".join(each for each in product.output.names if each not in outputs)
                part = f"{name}: the part of its gradient that comes from {', '.join(outputs)} is wrong"
                seen.answer.notes.append(f"{part}; that from {right} is right.")


def pulled(seen: Evidence, product: Product, upstream: Array) -> Array | None:
    """The gradient (p,) that a backward pass gives for another upstream gradient; None where it gives none."""
    wide = seen.gradient is not None and seen.gradient.wide
    oracle = GradientOracle(lambda at: product.claim(at, upstream), seen.function, wide)
    rows = oracle.rows(seen.function.point)
    seen.gradient_calls += oracle.calls
    return None if rows is None else rows[0]


@dataclass
class _Look:
    """A backward pass with other upstream gradients than its own: `other` is drawn as that was."""

    seen: Evidence
    product: Product
    other: Array

    def pulled(self, upstream: Array) -> Array | None:
        """The gradient (p,) for an upstream gradient; None where there is none."""
        return pulled(self.seen, self.product, upstream)

    @cached_property
    def pulled_other(self) -> Array | None:
        """The gradient (p,) for the other upstream gradient v."""
        return self.pulled(self.other)

    @cached_property
    def pulled_sum(self) -> Array | None:
        """The gradient (p,) for u/2 + v."""
        return self.pulled(self.product.upstream / 2 + self.other)

    def nonlinear(self, slack: float, factor: float) -> dict[str, Finding]:
        """The tensors that are not linear in the upstream gradient, beyond `slack` of their largest entry."""
        own, other, u = self.product.upstream, self.pulled_other, self.seen.rows[0]
        findings: dict[str, Finding] = {}
        if other is None:
            return findings
        for words, got, expected in (
            ("B(u/2 + v) is not B(u)/2 + B(v)", self.pulled_sum, u / 2 + other),
            (f"B({factor:g} u) is not {factor:g} B(u)", self.pulled(factor * own), factor * u),
        ):
            if got is None:
                continue
            for name in self.seen.names:
                off = self._apart(name, got, expected, slack)
                if off is not None:
                    seen = f"{words}, for upstream gradients u and v: it is off by up to {off:.3g}."
                    findings.setdefault(name, self._named_nonlinear(name, seen))
        return findings

    def _named_nonlinear(self, name: str, seen: str) -> Finding:
        """A relu of the upstream gradient, or a term without it, by what is got for parts of it."""
        own, places = self.product.upstream, self.seen.function.structure.places[name]
        one = self.seen.rows[0, places]
        positive, nothing = (self.pulled(each) for each in (np.maximum(own, 0), 0 * own))
        if positive is not None and np.any(own < 0) and np.array_equal(positive[places], one):
            negative = self.pulled(np.minimum(own, 0))
            if negative is not None and not np.any(negative[places]):
                same = "B(u) = B(max(u, 0)) for an upstream gradient u of either sign."
                return found("relu-of-delta", name, same)
        if nothing is not None and np.any(nothing[places]):
            seen = f"{seen} It is not 0 for an upstream gradient of 0: a term of it is not multiplied by u."
        return found("not-linear-in-upstream", name, seen)

    def _apart(self, name: str, got: Array, expected: Array, slack: float) -> float | None:
        """How far two gradients by a tensor are apart; None where rounding may be all."""
        places, check = self.seen.function.structure.places[name], self.seen.check
        one, two = got[places], expected[places]
        if check is None or not len(places) or not np.all(np.isfinite([one, two])):
            return None
        off, size = float(np.max(np.abs(one - two))), float(np.max(np.maximum(np.abs(one), np.abs(two))))
        if off <= slack * size:
            return None
        check.look_at_rounding()
        return off if off > slack * size + ROUNDINGS * float(np.max(check.rounding[0, places])) else None

    def unused(self, name: str, *, in_part: bool) -> Finding | None:
        """The part of the upstream gradient that a tensor does not see: all; all but the first; an output's.

        in_part: whether more than all of it is looked at, which proves something only of a tensor that is wrong.
        """
        places = self.seen.function.structure.places[name]
        one = self.seen.rows[0, places]

        def is_same(gradient: Array | None) -> bool:
            return gradient is not None and np.array_equal(gradient[places], one)

        # For a single number, one of the two may hold by chance.
        if is_same(self.pulled_other) and is_same(self.pulled_sum):
            seen = "The gradient is the same, to the last bit, for three upstream gradients drawn at random."
            return found("upstream-ignored", name, seen) if np.any(one) else None
        return next(self._used_in_part(name, is_same), None) if in_part else None

    def _used_in_part(self, name: str, is_same: Callable[[Array | None], bool]) -> Iterator[Finding]:
        """Mistakes by which a tensor sees a part of the upstream gradient alone.

        The gradient is the same for others that agree with it in that part, and the truth for one that is 0 in the
        rest, or repeats that part.
        """
        own, views = self.product.upstream, self.product.output.views
        leaves = [leaf for leaf in self.product.output.leaves if np.any(views(own)[leaf.name])]
        for axis in range(max(len(leaf.shape) for leaf in leaves)):
            mixed, alone, repeated = self.other.copy(), own.copy(), own.copy()
            first, rest = (*axis * (slice(None),), slice(0, 1)), (*axis * (slice(None),), slice(1, None))
            long = [leaf for leaf in leaves if axis < len(leaf.shape)]
            for leaf in long:
                part = views(own)[leaf.name][first]
                views(mixed)[leaf.name][first], views(repeated)[leaf.name][...] = part, part
                views(alone)[leaf.name][rest] = 0
            if max(leaf.shape[axis] for leaf in long) > 1 and is_same(self.pulled(mixed)):
                seen = (
                    f"The gradient changes with index 0 of axis {axis} of the upstream gradient, and no other"
                )
                if self._is_truth_for(name, alone) or self._is_truth_for(name, repeated):
                    right = f"{seen}; it is right for one that is so everywhere."
                    yield found("only-first-upstream", name, right)
                elif axis == 0:
                    yield found("only-first-upstream", name, f"{seen}.", "likely")
        for leaf in leaves if len(leaves) > 1 else ():
            mixed, without = own.copy(), own.copy()
            views(mixed)[leaf.name][...], views(without)[leaf.name][...] = views(self.other)[leaf.name], 0
            if is_same(self.pulled(mixed)):
                seen = f"The gradient does not change with the upstream gradient of {leaf.name}"
                if self._is_truth_for(name, without):
                    yield found("upstream-ignored", name, f"{seen}; it is right where that is 0.")

    def wrong_outputs(self, name: str) -> list[str]:
        """The outputs, of several, whose part of the gradient by a tensor is wrong."""
        views, wrong = self.product.output.views, []
        for output in self.product.output.names:
            alone = np.zeros_like(self.product.upstream)
            views(alone)[output][...] = views(self.product.upstream)[output]
            gradient = self.pulled(alone) if np.any(alone) else None
            if gradient is not None and not self._is_truth_for(name, alone, gradient[None]):
                wrong.append(output)
        return wrong

    def _is_truth_for(self, name: str, upstream: Array, rows: Array | None = None) -> bool:
        """Whether the gradient by a tensor, or other `rows` (1, p), is right for another upstream gradient.

        It is compared along two directions.
        """
        function, check = self.seen.function, self.seen.check
        if check is None:
            return False
        code = replace(self.product, upstream=upstream).value
        other = replace(function, code=code, calls=0, seen={}, budget=Budget(_TRUTH_CALLS))
        other.value = other.at(function.point)
        claimed = check.claimed if rows is None else rows
        beside = replace(check, function=other, claimed=claimed, rows_at=None, refine=None, beside=None)
        where = function.structure.places[name]
        try:
            return all(compare(beside, direction).clean for direction in two_directions(check, where))
        except OutOfCalls:
            return False
        finally:
            function.count(other.calls)
