"""Repairs: a wrong value of the backward pass, the truth in its place, and the tensors that this makes right."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group, Pair
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.truth import Truth
from backprop.check.words import is_gradient_of


@dataclass(frozen=True)
class Target:
    """The variable by which a value should be the derivative: of a forward line, or without a group a tensor."""

    name: str
    group: Group | None = None


@dataclass
class Repair:
    """A wrong group of the backward pass: if each execution in `pairs` gives the truth instead, `tensors` are right.

    factor: s; later lines multiply the value by s, so that the truth is divided by it. rest: how far the slopes of
    the tensors are off after the repair. first: the place in `pairs` of the first wrong execution.
    is_right: whether all values equal the truth; then the factor alone makes up for the mistake of a later line.
    at: the statement that changed the value wrongly, where it is not the statement of the group.
    values: by pair the right value, where it is no derivative by a forward line; said: this value in words; of: the
    forward line that it belongs to. is_overwriting: whether the mistake is that a sum is overwritten.
    """

    group: Group
    target: Target
    pairs: tuple[Pair, ...]
    tensors: frozenset[str]
    factor: float
    rest: Array
    first: int = 0
    is_right: bool = False
    at: Site | None = None
    values: tuple[Array, ...] = ()
    said: str = ""
    of: Site | None = None
    is_overwriting: bool = False

    @property
    def site(self) -> Site:
        """The place of the mistake."""
        return self.at or self.group.site

    @property
    def event(self) -> Event:
        """The first execution whose value is wrong."""
        return self.pairs[self.first][0]

    @property
    def ahead(self) -> Event:
        """The event of the forward pass whose derivative that value is to be."""
        return self.pairs[self.first][1]


Sums = list[tuple[tuple[int, ...], Array]]
"""Sums of a value, each with its axes."""


def summed_later(repair: Repair, truth: Truth) -> Sums:
    """The sums of a value that have the shape of the truth, and that alone matter later.

    A move whose sum is zero then changes no tensor. None where the value has the shape of the truth itself.
    """
    value, group = truth.base.values[repair.event], repair.target.group
    leaf = None if group else truth.program.structure.leaf(repair.target.name)
    shape = leaf.shape if leaf else truth.base.values[repair.ahead].shape
    found: Sums = []
    for axes, summed in sums(value, shape) if value.shape != shape and not repair.values else ():
        move = truth.rng.standard_normal(value.shape)
        move -= np.mean(move, axes, keepdims=True)
        moved = truth.program.replaced([repair.event], [value + move])
        old, new = truth.base.gradient, {} if moved is None else moved.gradient
        if all(n in old and n in new and np.allclose(new[n], old[n]) for n in repair.tensors):
            found.append((axes, summed))
    return found


def sums(value: Array, shape: tuple[int, ...]) -> Sums:
    """The sums of a value over one axis, or over the first two, that have a shape."""
    axes = [(k,) for k in range(value.ndim)] + [(0, 1)] * (value.ndim > 1)
    both = itertools.product(axes, (False, True))
    found = [(axis, np.asarray(value.sum(axis, keepdims=keep))) for axis, keep in both]
    return [(axis, summed) for axis, summed in found if summed.shape == shape]


def is_named(repair: Repair) -> bool:
    """Whether the name of the value says which derivative it should be: dh for dL/dh."""
    name = repair.target.name
    return is_gradient_of(repair.group.site.stem, stem(name) if repair.target.group else name)


def rank(repair: Repair) -> tuple[int, bool, bool, bool, bool]:
    """A key to sort the targets of one group: the best repairs most tensors, without a factor, as its name says.

    Of targets alike, a variable is better than a part of its line: more goes back through it, such as a bias.
    """
    group = repair.target.group
    is_value, is_variable = group is None or not group.site.is_use, group is None or bool(group.site.name)
    return len(repair.tensors), repair.factor == 1, is_named(repair), is_value, is_variable
