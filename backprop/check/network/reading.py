"""Reading: a user's function, called in the layout that it wants, and its answer as gradients by name.

The layout of this package is tried first. Others are tried only where the function raises there, or returns shapes
that say so, and one is taken only where no other orientation of weights and samples fits as well: what the sizes of
the network do not tell is refused, never guessed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer, read_answer, value_and_gradient
from backprop.check.behaviour import differing
from backprop.check.network.layouts import CONTAINERS, ORIENTATIONS, Layout, layouts, roles
from backprop.check.network.returned import NoGradientsError, named
from backprop.check.points import Structure, structure_of
from backprop.check.trees import ends_of
from backprop.errors import CheckError
from backprop.network import Network
from backprop.parameters import Parameters

GradientFunction = Callable[..., Any]

_SPEAKS_OF_LAYOUT = frozenset(
    ["ValueError", "TypeError", "IndexError", "KeyError", "AttributeError", "AssertionError", "RuntimeError"]
)
"""What code raises that is handed arrays, or a container, of another form than it expects."""
_MISFITS = ("wrong-name", "wrong-shape")


class Tried(NamedTuple):
    """A layout in which the function runs, its answer and order, and how many gradients have wrong shapes."""

    layout: Layout
    answer: Any
    order: str | None
    misfits: int


class Reading:
    """The function of (params, inputs, labels) in this package's layout; what it returns is gradients by name, or a
    pair of the loss and those. What is no function is such an answer, in this package's layout.

    roles: of the parameters. orientation: how weights and samples lie, where that is known. layout: None until the
    first call has found it. order: the words for the order of gradients that come without names; None where they have
    names.
    """

    def __init__(
        self,
        function: GradientFunction | Any,
        network: Network,
        params: Parameters,
        orientation: tuple[str, str] | None = None,
    ) -> None:
        self.is_function = callable(function)
        self._function = function if self.is_function else lambda *_: function
        self._network, self._params, self.roles = network, params, roles(network)
        self._orientation = orientation
        self.layout: Layout | None = None if self.is_function else Layout()
        self.order: str | None = None
        self._structures: dict[Layout, Structure] = {}  # kept, since every call needs them

    def __call__(self, params: dict[str, Array], inputs: Array, labels: Array) -> Any:
        """Call the function. Raises `CheckError` for what is no gradient, and whatever the function raises."""
        if self.layout is None:
            self.layout, answer, self.order, _ = self._find(params, inputs, labels)
        else:
            answer, self.order = self._called(self.layout, params, inputs, labels)
        return answer

    def _called(
        self, layout: Layout, params: dict[str, Array], inputs: Array, labels: Array
    ) -> tuple[Any, str | None]:
        """The answer in a layout, and its order; what the function changes in its arguments, is changed in ours."""
        if layout.is_plain:
            answer = self._function(params, inputs, labels)
        else:
            given = layout.arguments(self._network, params, inputs, labels)
            before = copy.deepcopy(given)
            answer = self._function(*given)
            self._reflect(layout, before, given, (params, inputs, labels))
        return self.named(answer, layout)

    def named(self, answer: Any, layout: Layout) -> tuple[Any, str | None]:
        """An answer in a layout as gradients by name, or a pair of the loss and those, and their order."""
        return named(answer, self.structure(layout), self._network)

    def read(self, gradient: Mapping[str, Any], layout: Layout | None = None) -> Answer:
        """The tensors of an answer in this package's layout, and what is amiss with them in the function's own."""
        layout = layout or self.layout or Layout()
        backward_order = [names[local] for names in reversed(self._network.names) for local in names]
        answer = read_answer(gradient, self.structure(layout), order=backward_order)
        for tensors in (answer.tensors, answer.reshaped):
            for name, tensor in tensors.items():
                tensors[name] = layout.out_of(self.roles[name], tensor)
        return answer

    def structure(self, layout: Layout) -> Structure:
        """The parameters as the function has them."""
        if layout not in self._structures:
            params = self._params
            self._structures[layout] = structure_of(
                {name: layout.into(self.roles[name], np.asarray(params[name])) for name in params}
            )[0]
        return self._structures[layout]

    @property
    def note(self) -> str | None:
        """How the function was read, in a sentence; None where it is as this package has it."""
        layout = self.layout or Layout()
        parts = [] if layout.is_plain else [layout.words(self._network)]
        parts += [f"gradients without names as {self.order}"] if self.order else []
        if not parts:
            return None
        said = f"The function was read as {'; '.join(parts)}."
        has_shapes = layout.weights != "io" or layout.biases != "o"
        return f"{said} Shapes and indices are those of this layout." if has_shapes else said

    def others(self, params: Mapping[str, Array], inputs: Array, labels: Array) -> Iterator[Tried]:
        """The answers in other layouts that fit as well as the one that was found.

        They are computed if the answer is wrong. If the layout found is that of this package, others are tried only
        where sizes coincide: elsewhere no function for another layout runs in it.
        """
        own = self.layout or Layout()
        shapes = [layer.parameter_shapes().get("W") for layer in self._network.layers]
        coincide = any(shape is not None and shape[0] == shape[1] for shape in shapes)
        coincide |= any(len(labels) in pair for pair in self._network.widths)
        if self._orientation is None and (coincide or not own.is_plain):
            tries = self._tries(own, own.container, params, inputs, labels)
            yield from (tried for tried in tries if not tried.misfits)

    def _may_be(self, layout: Layout) -> bool:
        return self._orientation in (None, layout.orientation)

    # Which layout -------------------------------------------------------------------------------------------

    def _find(self, params: dict[str, Array], inputs: Array, labels: Array) -> Tried:
        """The call in the layout that fits best. If the function runs in none, raises what it raised in ours."""
        plain, first = Layout(), None
        if self._may_be(plain):
            first = self._try(plain, params, inputs, labels)
        if isinstance(first, NoGradientsError):
            raise first
        if isinstance(first, Tried) and not first.misfits:
            return first
        containers = ["dict"] if isinstance(first, Tried) else CONTAINERS
        every = (list(self._tries(plain, each, params, inputs, labels)) for each in containers)
        found = next(filter(None, every), [])
        if isinstance(first, Tried) and all(each.misfits for each in found):
            return first
        best = min((each.misfits for each in found), default=0)
        chosen = [each for each in found if each.misfits == best]
        if not chosen:  # the function ran nowhere
            nowhere = "The function returns no gradients, or does not run, in the layout that was given"
            raise first if isinstance(first, Exception) else CheckError(f"{nowhere}; expected another.")
        self._refuse_two(chosen)
        return chosen[0]

    def _tries(
        self, known: Layout, container: str, params: Mapping[str, Array], inputs: Array, labels: Array
    ) -> Iterator[Tried]:
        """The answers in the layouts of a container except the known one; for each orientation until one fits."""
        for group in layouts(self._network):
            for layout in group if group[0].container == container and self._may_be(group[0]) else ():
                tried = None if layout == known else self._try(layout, params, inputs, labels)
                if isinstance(tried, Tried):
                    yield tried
                    if not tried.misfits:
                        break

    def _try(
        self, layout: Layout, params: Mapping[str, Array], inputs: Array, labels: Array
    ) -> Tried | Exception:
        """The answer in a layout, or the error: the function does not run there, or returns no gradients."""
        try:
            given = {name: tensor.copy() for name, tensor in params.items()}
            answer, order = copy.deepcopy(self._called(layout, given, inputs.copy(), labels.copy()))
            return Tried(layout, answer, order, self._misfits(answer, layout))
        except NoGradientsError as error:
            return error
        except Exception as error:  # of whatever kind: it is the user's code
            if not _speaks_of_layout(error):
                raise
            return error

    def _misfits(self, answer: Any, layout: Layout) -> int:
        """How many gradients are missing or of another shape than their parameters."""
        _, gradient = value_and_gradient(answer, self.structure(layout))
        return sum(finding.kind in _MISFITS for finding in self.read(gradient, layout).findings)

    def _refuse_two(self, chosen: list[Tried]) -> None:
        """Raise `CheckError` where two orientations of weights and samples fit."""
        found = {each.layout.orientation: each.layout.words(self._network) for each in chosen}
        if len(found) > 1:
            raise CheckError(
                f"The function runs, and returns gradients that fit, with {'; with '.join(found.values())}: the "
                f"sizes do not tell which it is; expected {told_apart(found)}."
            )

    # Arguments and answers ----------------------------------------------------------------------------------

    def _reflect(
        self, layout: Layout, before: Any, given: Any, ours: tuple[dict[str, Any], Array, Array]
    ) -> None:
        """Change in this package's arguments what the function has changed in its own, to whatever value."""
        params, inputs, labels = ours
        names = dict(ends_of(layout.contain({name: name for name in self.roles}, self.roles)))
        for path in differing(before[0], given[0]):
            params[names.get(path, path)] = None
        for mine, then, now in (inputs, before[1], given[1]), (labels, before[2], given[2]):
            if differing(then, now):
                mine[...] = -1 - mine


def told_apart(orientations: Iterable[tuple[str, str]]) -> str:
    """What tells layouts apart, in words."""
    names = [name for name, each in ORIENTATIONS.items() if each in orientations]
    return f"the layout {' or '.join(names)} (--layout), or a batch and sizes of the network that all differ"


def _speaks_of_layout(error: Exception) -> bool:
    """Whether an error may come from arguments of another form than the function expects.

    An error of the user's process has the names of its kinds as `kinds`.
    """
    if isinstance(error, CheckError):
        return False
    kinds = getattr(error, "kinds", None) or [kind.__name__ for kind in type(error).__mro__]
    return bool(_SPEAKS_OF_LAYOUT & set(kinds)) and "RecursionError" not in kinds
