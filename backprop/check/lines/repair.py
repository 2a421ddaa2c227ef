"""Repairs: which value of the backward pass is wrong, and what in its place makes which tensors right."""

from __future__ import annotations

from dataclasses import dataclass

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group, Pair
from backprop.check.lines.naming import is_gradient_of
from backprop.check.lines.sites import Site, stem


@dataclass(frozen=True)
class Target:
    """What a value is to be the derivative by: a forward line, or a tensor of the point (without a group)."""

    name: str
    group: Group | None = None


@dataclass
class Repair:
    """A group of the backward pass that is wrong: the truth of `pairs` in its place repairs `tensors`.

    factor: s, by which the code multiplies the value later. rest: how far the slopes are still off then. first: the
    place in `pairs` of the first wrong execution.
    is_right: whether the value is the truth all along, and only the factor makes up for a later mistake.
    at: the statement that has changed the value wrongly, where it is not that of the group.
    values: by pair, what is to be in the place of the group's, where that is no derivative of the loss by a forward
    value; said: what these are; of: the line they belong to.
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


def is_named(repair: Repair) -> bool:
    """Whether a value has the name of the derivative that it is to be."""
    name = repair.target.name
    return is_gradient_of(repair.group.site.stem, stem(name) if repair.target.group else name)


def rank(repair: Repair) -> tuple[int, bool, bool, bool]:
    """Of several targets of one group, the one that repairs most, without a factor, under its own name."""
    is_value = repair.target.group is None or not repair.target.group.site.is_use
    return len(repair.tensors), repair.factor == 1, is_named(repair), is_value
