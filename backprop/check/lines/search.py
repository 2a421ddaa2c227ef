"""The search: which line's value, replaced by the truth in all its executions, makes wrong tensors right.

Let b be a value of the backward pass and k one of the forward pass. The gradient of a tensor is affine in b:

    g(b) = g(0) + A b

The truth dL/dk in the place of b makes g right if and only if what follows b is the adjoint of what leads to k, and
the rest is right as well. With random r, and random directions v of the tensor, whose tangent at k is J v:

    <A (r - b), v> = <r - b, J v>                              A = Jᵀ
    <g(b), v> - <b, J v> = <dL/dθ, v> where k is held          the rest

Neither needs dL/dk itself, so that a large array costs no more than a small one. A factor s with A = s Jᵀ is allowed:
`dlogits` may be divided by n a line later; the truth is dL/dk / s then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group, Pair, alignments, groups_of
from backprop.check.lines.repair import Repair, Target, rank
from backprop.check.lines.response import Response, Responses
from backprop.check.lines.sides import Sides, sides_of
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.tensors import DIRECTIONS, Names
from backprop.check.lines.truth import Shapes, Truth
from backprop.check.words import is_gradient_of

Recognised = tuple[Group, Event, float]
"""A forward line, the execution of it, and the factor: a value is factor · dL/d(event)."""


@dataclass
class Search:
    """The search for repairs of `wrong` tensors.

    others: further wrong tensors, which a repair need not make right. in_any_order: whether executions are also
    matched where those of the backward pass come in no usual order.
    """

    truth: Truth
    sides: Sides
    responses: Responses
    sites: Mapping[int, Site]
    wrong: frozenset[str]
    others: frozenset[str] = frozenset()
    in_any_order: bool = False

    @classmethod
    def begun(
        cls,
        truth: Truth,
        sites: Mapping[int, Site],
        wrong: frozenset[str],
        known: dict[tuple[Event, ...], bool] | None = None,
    ) -> Search:
        """The search of a program with these sites; `known` is that of `sides_of`."""
        responses = Responses(truth)
        sides = sides_of(groups_of(truth.base, sites), responses, {} if known is None else known)
        truth.watched = frozenset(
            event for group in (*sides.forward, *sides.handed) for event in group.events
        )
        return cls(truth, sides, responses, sites, wrong)

    @cached_property
    def order(self) -> dict[Event, int]:
        """The place of each event in the run."""
        return {event: k for k, event in enumerate(self.truth.base.values)}

    def recognised(self, event: Event, groups: list[Group], ahead: Event) -> list[Recognised]:
        """The forward events of some groups of which a value is the derivative, or a multiple of it.

        ahead: the event whose derivative it is to be; of what a loop repeats, only the same turn is looked at. A
        tensor of the point is no event, and belongs to no turn.
        """
        value, found, order = self.truth.base.values[event], [], self.order
        turn = range(order.get(ahead, len(order)), order.get((ahead[0], ahead[1] + 1), len(order)))
        for group in groups:
            for event in group.events:
                is_near = len(group.events) == 1 or order[event] in turn
                factor = self.truth.factor(value, event) if is_near else None
                if factor is not None:
                    found.append((group, event, factor))
        return found

    def names(self, some: frozenset[str]) -> list[str]:
        """Some tensors, in the order of the point."""
        return [name for name in self.truth.program.structure.names if name in some]

    def response(self, events: tuple[Event, ...], shapes: Shapes) -> Response | None:
        """The response to a group that is replaced by arrays of these shapes; None where no wrong tensor has any."""
        return self.responses.of(events, shapes, self.wrong)

    def is_gradient_name(self, name: str) -> bool:
        """Whether a name is that of the derivative by any variable."""
        words = {word for group in self.sides.whole for word in group.site.words}
        return any(
            is_gradient_of(name, of) for of in {*words, *map(stem, self.truth.program.structure.names)}
        )

    def moved(self, group: Group) -> list[str]:
        """The tensors that depend on a group; empty where no wrong tensor depends on it."""
        response = self.response(group.events, self.truth.shapes(group.events))
        return [name for name in self.truth.program.structure.names if response and response.moves(name)]

    def repeats(self, group: Group) -> bool:
        """Whether a group, of several numbers each, has only values of the forward pass, under its name or none."""

        def is_again(event: Event) -> bool:
            sites = self.sides.holding(event, self.sides.computed)
            return self.truth.base.values[event].size > 1 and any(
                group.site.stem in ("", site.stem) for site in sites
            )

        return all(map(is_again, group.events))

    # Repairs -------------------------------------------------------------------------------------------------

    def repairs(self, *, apart: bool = False) -> Iterator[Repair]:
        """Every group whose truth makes all wrong tensors right that depend on it, and no right one wrong.

        apart: of one wrong tensor, also those that make it right only together with another one.
        """
        for group in (*self.sides.backward, *self.sides.kept):  # `f.grad = err` looks like what is kept
            if self.repeats(group):  # it is computed, or read, once more, and is no derivative
                continue
            found = []
            for target in self._targets(group):
                tried = (self._repair(group, target, pairs, apart) for pairs in self._pairs(group, target))
                first = next((each for each in tried if each is not None), None)
                found += [] if first is None else [first]
            yield from sorted(found, key=rank, reverse=True)

    def _targets(self, group: Group) -> Iterator[Target]:
        """What the group may be the derivative by: what has its shape, or the name that its own name is made of."""
        shapes = self.truth.shapes(group.events)
        touches = self.response(group.events, shapes) is not None
        lost = {
            self._shape(Target(name), (-1, 0)) for name in self.wrong if name not in self.truth.base.gradient
        }
        for name in self.wrong:
            is_lost = name not in self.truth.base.gradient
            is_alike = touches and self.truth.program.structure.leaf(name).shape in shapes
            if is_lost or is_alike or is_gradient_of(group.site.stem, stem(name)):
                yield Target(name)
        for each in self.sides.targets:
            ahead = set(self.truth.shapes(each.events))
            is_alike = touches and set(shapes) <= ahead
            is_lost = len(group.events) == len(each.events) > 1 and ahead <= lost
            if is_lost or is_alike or is_gradient_of(group.site.stem, each.site.stem):
                yield Target(each.site.name or each.site.text, each)

    def _pairs(self, group: Group, target: Target) -> Iterator[tuple[Pair, ...]]:
        if target.group is None:  # in a loop over the tensors, one turn belongs to each
            shape, values = self._shape(target, (-1, 0)), self.truth.base.values
            is_loop = not group.site.name.isidentifier() and len(group.events) <= len(
                self.truth.program.structure.names
            )
            turns = [e for e in group.events[-2::-1] if values[e].shape == shape] if is_loop else []
            yield from (((event, (-1, 0)),) for event in (group.events[-1], *turns))
        else:
            known = list(alignments(group.events, target.group.events, self.order))
            yield from known
            if self.in_any_order and min(len(group.events), len(target.group.events)) > 2:
                yield self._matched(group, target, known)

    def _matched(self, group: Group, target: Target, known: list[tuple[Pair, ...]]) -> tuple[Pair, ...]:
        """The executions that belong to one another by what depends on them, where no known order fits the last."""
        values, ahead = self.truth.base.values, target.group.events if target.group else ()
        names = tuple(name for name in self.moved(group) if name in self.wrong)
        last = next((e for e in group.events[::-1] if self.response((e,), (values[e].shape,))), None)
        # What follows the last one does not lead through the same line again: nothing need be held for that.
        near = {k for k in ahead if last is not None and self._fits(target, ((last, k), (last, k)))[0]}
        is_known = any(event == last and k in near for pairs in known for event, k in pairs)
        return self.responses.matched(group.events, ahead, names) if names and near and not is_known else ()

    def _fits(self, target: Target, pairs: tuple[Pair, ...]) -> tuple[bool, float | None]:
        """Whether A = s Jᵀ holds for one execution, whose tangents cost nothing more; and s, where it is known.

        It is the last one that has any effect: what follows it does not lead through the same line again.
        """
        for back, ahead in reversed(pairs if target.group is not None and len(pairs) > 1 else ()):
            response = self.response((back,), (self._shape(target, ahead),))
            moved = tuple(name for name in self.wrong if response and response.moves(name))
            if response and moved:
                factor = self._factor(moved, target, ((back, ahead),), response)
                return factor is not None, factor
        return True, None

    def _shape(self, target: Target, forward: Event) -> tuple[int, ...]:
        if target.group is None:
            return self.truth.program.structure.leaf(target.name).shape
        return self.truth.base.values[forward].shape

    def _repair(self, group: Group, target: Target, pairs: tuple[Pair, ...], apart: bool) -> Repair | None:
        """What the truth of the target in the place of the group repairs; None where it breaks a right tensor."""
        fits, known = self._fits(target, pairs)
        if not fits or not pairs:
            return None
        events = tuple(back for back, _ in pairs)
        shapes = tuple(self._shape(target, ahead) for _, ahead in pairs)
        response = self.response(events, shapes)
        if response is None:
            return None
        moved = [name for name in self.truth.program.structure.names if response.moves(name)]
        wrong = tuple(name for name in moved if name in self.wrong)
        right = tuple(name for name in moved if name not in self.wrong | self.others)
        factor = self._factor(wrong, target, pairs, response, known) if wrong else None
        if not factor or (right and self._factor(right, target, pairs, response, factor) is None):
            return None
        rest = self._rest(wrong, target, pairs, response, factor, apart)
        repaired = frozenset(wrong if self._is_zero(wrong, rest) else ())
        if not (repaired or apart):
            return None
        repaired |= {name for name in self.wrong.difference(moved) if self._is_freed(name, response)}
        if right and not self._is_zero(right, self._rest(right, target, pairs, response, factor)):
            repaired = frozenset()
        if group.site.role == "change" and len(pairs) > 1 and self._is_whole_in_last(events, response, moved):
            pairs = pairs[-1:]
        return Repair(group, target, pairs, repaired, factor, rest)

    def _is_whole_in_last(self, events: tuple[Event, ...], response: Response, names: list[str]) -> bool:
        """Whether the last event alone, as that of a sum, decides what the tensors become."""
        last = self.truth.program.replaced(events[-1:], [response.random[events[-1]]])
        gradient = {} if last is None else last.gradient
        return all(np.array_equal(gradient.get(name, np.nan), response.at_random[name]) for name in names)

    def _is_freed(self, name: str, response: Response) -> bool:
        """Whether a tensor is right as soon as a group is replaced, by whatever: the two shared their memory."""
        old, new = self.truth.base.gradient.get(name), response.at_random.get(name)
        if new is None or (old is not None and np.array_equal(old, new)):
            return False
        return self.truth.is_right(name, new)

    def count(self, site: Site) -> int:
        """How often the line of a site was executed, in the forward pass and in the backward pass."""
        return sum(event[0] == site.number for event in self.order)

    def _is_zero(self, names: Names, rest: Array | list[float]) -> bool:
        """Whether what is left of the error of tensors along the first directions is rounding."""
        return bool(np.all(np.abs(rest) <= self.truth.tolerance(names)[: len(rest)]))

    def _factor(
        self,
        names: Names,
        target: Target,
        pairs: tuple[Pair, ...],
        response: Response,
        factor: float | None = None,
    ) -> float | None:
        """The s with which A = s Jᵀ for these tensors; None where there is none, or another one than `factor`."""
        truth, change = self.truth, response.change(names)
        slack = truth.rtol * truth.size(change, names)
        sides = []
        for j in range(DIRECTIONS):
            moved = self._tangents(target, pairs, names, j)
            if moved is None:
                return None
            wanted = sum(
                float(np.vdot(response.random[b] - response.start[b], m))
                for (b, _), m in zip(pairs, moved, strict=True)
            )
            sides.append((truth.along(change, names, j), wanted))
            if factor is not None and abs(sides[j][0] - factor * wanted) > slack:
                return None
        candidates = [1.0 if factor is None else factor]
        if factor is None and sides[0][1]:
            ratio = sides[0][0] / sides[0][1]
            is_one = sum(each.size for each in change.values()) == 1
            others = [(name,) for name in self.others if response.moves(name)] if is_one else []
            # A single number has a factor with whatever it is compared: another tensor has to confirm it.
            if not is_one or any(self._factor(each, target, pairs, response, ratio) for each in others):
                candidates.append(ratio)
        for s in candidates:
            if all(abs(got - s * wanted) <= slack for got, wanted in sides):
                return s
        return None

    def _tangents(self, target: Target, pairs: tuple[Pair, ...], names: Names, j: int) -> list[Array] | None:
        if target.group is None:
            shape = self._shape(target, pairs[0][1])
            is_own = target.name in names
            return [self.truth.directions[target.name][j].reshape(shape) if is_own else np.zeros(shape)]
        return self.truth.tangents(tuple(ahead for _, ahead in pairs), names, j)

    def _rest(
        self,
        names: Names,
        target: Target,
        pairs: tuple[Pair, ...],
        response: Response,
        factor: float,
        apart: bool = False,
    ) -> Array:
        """What the slopes of the loss beside k are more than g(b) - s Jᵀ b promises, for each direction.

        Unless `apart`, only up to the first direction along which they are.
        """
        truth, found = self.truth, list[float]()
        for j in range(DIRECTIONS):
            moved = self._tangents(target, pairs, names, j)
            assert moved is not None
            if target.group is None:
                through = truth.slope((target.name,), j) if target.name in names else 0.0
                beside = truth.slope(names, j) - through
            else:
                beside = truth.slope_beside(tuple(ahead for _, ahead in pairs), names, j)
            start = sum(float(np.vdot(response.start[b], m)) for (b, _), m in zip(pairs, moved, strict=True))
            found.append(beside - truth.along(response.at_start, names, j) + factor * start)
            if not (apart or self._is_zero(names, found)):
                break
        return np.array(found)
