"""The vector-Jacobian product of a forward pass, and what is wrong with its use of the upstream gradient.

In the order of this file: the forward pass; the product; the looks at the upstream gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.forms import named_inputs, outputs_of
from backprop.check.kinds import Finding, found
from backprop.check.leaves import (
    as_jax,
    as_upstream,
    autodiff_for,
    is_jax,
    is_torch,
    module_as_function,
    no_upstream,
)
from backprop.check.numeric.directional import FINEST
from backprop.check.numeric.directions import random_signs
from backprop.check.oracle import GradientOracle, differing
from backprop.check.points import Structure, structure_of
from backprop.check.report import Evidence
from backprop.check.trees import copied, ends_of, mapped
from backprop.errors import CheckError

_LARGER = 1024.0
"""Times the upstream gradient: what a clipped gradient does not follow. It is a power of two, to round nothing."""
_NARROW = 2.0**-12
"""Formats with a larger eps reach so far less that `_LARGER_IF_NARROW` is all that they are asked for."""
_LARGER_IF_NARROW = 8.0
_ROUNDINGS = 32.0
"""Times the rounding that was measured of a gradient: what it may be for other upstream gradients."""
_SUMMED, _LEAST = 256.0, 0.25
"""Roundings that the order of a long sum may add up to, of the largest entry, and no more than a share of it."""


# Forward: the function of the inputs by name, and the library that differentiates it, where one is to do that.

_PARAMETERS = "parameters"
"""The input that holds the parameters of a module."""


@dataclass(frozen=True)
class Forward:
    """A forward pass at its inputs: `point` (p,) in a `structure`. run: from the inputs by name to what it returns.

    inputs: by name. autodiff: "torch" or "jax", where the derivative is the one that this library takes; else None.
    """

    run: Callable[[dict[str, Any]], Any]
    inputs: dict[str, Any]
    autodiff: str | None
    structure: Structure
    point: Array

    @property
    def by_library(self) -> str:
        """The sentence that says whose derivative it is."""
        library = {"torch": "PyTorch", "jax": "JAX"}[str(self.autodiff)]
        return f"The derivative is the one that {library} takes of forward."


def forward_pass(forward: Any, inputs: Any, derivative: Any) -> Forward:
    """The forward pass, with the derivative that was written by hand, or none.

    Raises `CheckError` where there are no inputs, or no derivative of any kind.
    """
    if inputs is None:
        raise CheckError("There are no inputs; expected a tuple with one for each argument of forward.")
    module = module_as_function(forward)
    named, by_keyword = named_inputs(forward if module is None else forward.forward, inputs)
    if module is not None:
        forward, parameters = module
        named = {_PARAMETERS: parameters, **named}

    def run(point: dict[str, Any]) -> Any:
        return forward(**point) if by_keyword else forward(*point.values())

    autodiff = autodiff_for(forward, [end for _, end in ends_of(named)]) if derivative is None else None
    if derivative is None and autodiff is None:
        raise CheckError(
            "There is no derivative; expected one, or inputs that are PyTorch tensors or JAX arrays: their library "
            "has a derivative of forward, which is checked then."
        )
    if autodiff == "jax":
        named = mapped(as_jax, named)
    structure, x = structure_of(named, fixed=_fixed(named, autodiff))
    return Forward(run, named, autodiff, structure, x)


def _fixed(named: dict[str, Any], autodiff: str | None) -> Callable[[Any], bool] | None:
    """Which numbers among the inputs have no gradient: in a library's derivative all but its own arrays."""
    if autodiff is None:
        return None
    if autodiff == "jax":
        return lambda value: not is_jax(value)
    inputs = [end for name, part in named.items() if name != _PARAMETERS for _, end in ends_of(part)]
    wanted = any(is_torch(end) and end.requires_grad for end in inputs)
    return lambda value: not is_torch(value) or (wanted and not value.requires_grad)


# The product: the function to a number and the claim of its gradient, for an upstream gradient that may be replaced.


@dataclass
class Product:
    """The vector-Jacobian product of a forward pass at inputs (p,), for an `upstream` gradient (k,) of its outputs.

    run: from the inputs by name to what forward returns. outputs: of that, those that count. output: their structure.
    pull: from the inputs, and a function that makes the upstream gradient of what was returned, to the answer.
    changed: the names of the outputs whose upstream gradient was changed in place.
    """

    run: Callable[[dict[str, Any]], Any]
    outputs: Callable[[Any], Any]
    pull: Callable[[dict[str, Any], Callable[[Any], Any]], Any]
    structure: Structure
    point: Array
    output: Structure
    upstream: Array
    note: str
    changed: set[str] = field(default_factory=set)

    def value(self, point: dict[str, Any]) -> Any:
        """⟨u, forward(x)⟩."""
        return self.upstream @ self.output.read(self.outputs(self.run(point)))

    def claim(self, point: dict[str, Any], upstream: Array | None = None) -> Any:
        """What backward gives for the upstream gradient, this one's or another."""
        given: list[tuple[Any, Any]] = []

        def make(returned: Any) -> Any:
            made = upstream_like(self.outputs(returned), self.upstream if upstream is None else upstream)
            given.append((made, copied(made)))
            return made

        answer = self.pull(point, make)
        for after, before in given:
            self.changed.update(f"y{name}" for name in differing(before, after))
        return answer


def upstream_like(outputs: Any, vector: Array) -> Any:
    """An upstream gradient (k,) in the form of the outputs, each in the dtype and the library of its output."""
    structure = outputs_of(outputs)
    views = structure.views(vector)
    tensors = [as_upstream(leaf.build(views[leaf.name])) for leaf in structure.leaves]
    return structure.assemble(tensors, lambda constant: no_upstream(constant.value))


def drawn(count: int, rng: np.random.Generator) -> Array:
    """Numbers of five bits, which every format holds, of either sign, between a half and one and a half."""
    return np.asarray(rng.integers(8, 25, count) / 16 * random_signs(count, rng))


# The upstream gradient: changed in place, ignored, used in its first part alone, or not as a factor.


def look_at_upstream(seen: Evidence, product: Product, rng: np.random.Generator, rtol: float | None) -> None:
    """Put into the evidence what is wrong with the use that the backward pass B makes of its upstream gradient u.

    B(u) is compared with B(v), B(u/2 + v) and B(1024 u), and where it is wrong with those of upstream gradients that
    agree with u in part. Each tensor counts by itself.
    """
    if product.changed:
        what = f"The backward pass changed the upstream gradient of {', '.join(sorted(product.changed))} in place."
        changed = found("upstream-changed-in-place", None, what)
        seen.asked = replace(seen.asked, findings=(*seen.asked.findings, changed))
    if seen.gradient is None or seen.check is None:
        return
    look = _Look(seen, product, np.where(product.upstream != 0, drawn(len(product.upstream), rng), 0))
    exact = 2.0**-52 if seen.gradient.wide else look.eps
    slack = max(min(_SUMMED * exact, _LEAST), FINEST, 4 * (rtol or 0))
    wrong = {each.tensor.name for each in seen.verdicts if each.wrong}
    nonlinear = look.nonlinear(slack, _LARGER if exact < _NARROW else _LARGER_IF_NARROW)
    for name in seen.claims.names:
        finding = look.unused(name, in_part=name in wrong) or nonlinear.get(name)
        if finding is not None:
            seen.named[name] = finding


@dataclass
class _Look:
    """A backward pass with other upstream gradients than its own: `other` is drawn as that was."""

    seen: Evidence
    product: Product
    other: Array

    @property
    def eps(self) -> float:
        """The rounding of what goes in and of what comes out."""
        formats = self.seen.answer.formats.values()
        return max([self.seen.function.structure.format.eps, *(each.eps for each in formats)])

    def pulled(self, upstream: Array) -> Array | None:
        """The gradient (p,) for an upstream gradient; None where there is none."""
        seen, wide = self.seen, self.seen.gradient is not None and self.seen.gradient.wide
        structure, budget = seen.function.structure, seen.function.budget
        oracle = GradientOracle(lambda at: self.product.claim(at, upstream), structure, (), budget, wide)
        rows = oracle.rows(seen.function.point)
        seen.gradient_calls += oracle.calls
        return None if rows is None else rows[0]

    @cached_property
    def pulled_other(self) -> Array | None:
        """The gradient (p,) for the other upstream gradient."""
        return self.pulled(self.other)

    def nonlinear(self, slack: float, factor: float) -> dict[str, Finding]:
        """The tensors that are not linear in the upstream gradient, beyond `slack` of their largest entry."""
        own, other, u = self.product.upstream, self.pulled_other, self.seen.claims.rows[0]
        findings: dict[str, Finding] = {}
        if other is None:
            return findings
        for words, got, expected in (
            ("B(u/2 + v) is not B(u)/2 + B(v)", self.pulled(own / 2 + self.other), u / 2 + other),
            (f"B({factor:g} u) is not {factor:g} B(u)", self.pulled(factor * own), factor * u),
        ):
            if got is None:
                continue
            for name in self.seen.claims.names:
                off = self._apart(name, got, expected, slack)
                if off is not None:
                    seen = f"{words}, for upstream gradients u and v: it is off by up to {off:.3g}."
                    findings.setdefault(name, self._named_nonlinear(name, seen))
        return findings

    def _named_nonlinear(self, name: str, seen: str) -> Finding:
        """A relu of the upstream gradient, or a term without it, by what is got for parts of it."""
        own, places = self.product.upstream, self.seen.function.structure.places[name]
        one = self.seen.claims.rows[0, places]
        positive, nothing = (self.pulled(each) for each in (np.maximum(own, 0), 0 * own))
        if positive is not None and np.any(own < 0) and np.array_equal(positive[places], one):
            negative = self.pulled(np.minimum(own, 0))
            if negative is not None and not np.any(negative[places]):
                return found(
                    "relu-of-delta", name, "B(u) = B(max(u, 0)) for an upstream gradient u of either sign."
                )
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
        return off if off > slack * size + _ROUNDINGS * float(np.max(check.rounding[0, places])) else None

    def unused(self, name: str, *, in_part: bool) -> Finding | None:
        """The part of the upstream gradient that a tensor does not see: all; all but the first; an output's.

        in_part: whether more than all of it is looked at, which proves something only of a tensor that is wrong.
        """
        places, own = self.seen.function.structure.places[name], self.product.upstream
        one = self.seen.claims.rows[0, places]

        def is_same(gradient: Array | None) -> bool:
            return gradient is not None and np.array_equal(gradient[places], one)

        if is_same(self.pulled_other):
            seen = "The gradient is the same, to the last bit, for two upstream gradients drawn at random."
            return found("upstream-ignored", name, seen) if np.any(one) else None
        views = self.product.output.views
        leaves = [leaf for leaf in self.product.output.leaves if np.any(views(own)[leaf.name])]
        for axis in range(max(len(leaf.shape) for leaf in leaves) if in_part else 0):
            mixed, first = self.other.copy(), (*axis * (slice(None),), slice(0, 1))
            long = [leaf for leaf in leaves if axis < len(leaf.shape)]
            for leaf in long:
                views(mixed)[leaf.name][first] = views(own)[leaf.name][first]
            if max(leaf.shape[axis] for leaf in long) > 1 and is_same(self.pulled(mixed)):
                seen = f"The gradient changes with index 0 of axis {axis} of the upstream gradient, and no other."
                return found("only-first-upstream", name, seen)
        for leaf in leaves if in_part and len(leaves) > 1 else ():
            mixed = own.copy()
            views(mixed)[leaf.name][...] = views(self.other)[leaf.name]
            if is_same(self.pulled(mixed)):
                seen = f"The gradient does not change with the upstream gradient of {leaf.name}."
                return found("upstream-ignored", name, seen)
        return None
