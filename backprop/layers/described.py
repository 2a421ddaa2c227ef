"""The description of a layer for readers: names, formulas, spreadsheet cells, and forms for other libraries."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from backprop.errors import UnsupportedError
from backprop.layers.cells import Cells


class Described(ABC):
    """The part of `Layer` that no derivative needs. A command that needs a missing attribute declines the layer."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names that `Network.parse` accepts for the layer."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Small networks of the input's shape and this layer, as `Network.parse` reads them: "1x4x4 conv3x2".

    The tests use them. A layer that `of` makes from a width alone needs no examples.
    """
    derived: ClassVar[str | None] = None
    """The layer that `derive` proves, as text, if the first example would take SymPy minutes."""

    underivable: ClassVar[str] = ""
    """Why `derive` cannot run the layer on symbols; "" where it can."""

    symbol: ClassVar[str] = "a"
    """The letter that readers see for the output, with the number of linear layers so far: a₁."""
    last_symbol: ClassVar[str | None] = None
    """The letter for the outputs if this is the network's last layer; None for `symbol` with its number."""
    letters: ClassVar[Mapping[str, str]] = {}
    """The axes of each parameter by the legend: {"W": "io"}. Those of a missing parameter follow from its shape."""

    inner: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """A letter for every u of `entered_numbers`, in their order, and what enters there: {"z": ("W", "x")}."""

    formulas: ClassVar[Mapping[str, str]] = {}
    """The right-hand sides that readers see, by form; for a derivative by a parameter with its name: "vjp W".

    An activation states "forward" and "derivative". Another layer states "forward", "input_jacobian", "vjp", and
    "input_factor" if that differs; for each parameter "parameter_jacobians", "parameter_factors" and "vjp"; and
    "through z", ∂y/∂z, for each z of `inner`. Names in braces are replaced by those of the network, see
    `backprop.explain.names.formula`. A form without a formula is shown without one.
    """
    cells: ClassVar[Mapping[str, str]] = {}
    """Formulas of a spreadsheet: "forward" and "derivative", or "forward", "input_jacobian" and "vjp".

    One formula serves for every number of an array; names in braces are replaced by cells, see `cell`. A layer that
    needs different formulas overrides `cell`. A workbook declines a layer with neither.
    """
    peers: ClassVar[Mapping[str, Callable[[Any, Any, Any], Any]]] = {}
    """`forward` by outside libraries, "autograd", "jax" and "torch": y = peers["torch"](torch, params, x).

    The first argument is the imported package. A peer declines a layer that has no form for its library.
    """
    code: ClassVar[str | None] = None
    """`forward` as the lines of a Python function of x and the parameters by name, for `backprop check --template`.

    It may use np, and returns y. For an activation it is a function of z alone. `--template` declines a network with
    a layer without code.
    """
    oracle: ClassVar[Callable[..., Any] | None] = None
    """y = oracle(params, x), for tests: plain NumPy that takes complex numbers and shares no code with `forward`.

    The tests of a layer's forms decline a layer without an oracle.
    """

    @property
    def text(self) -> str:
        """The layer in the notation of `Network.parse`, without the shape of its inputs."""
        return self.name

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """One number as a formula of a spreadsheet, without its "="; or a number where it never changes.

        form and index: "forward" with o; "input_jacobian" with o and i; "parameter_jacobians W" with o and a number
        of W, its axes flattened; "vjp", ∂L/∂x of one sample, with i. None of "vjp" says that it is the sum of ∂L/∂y
        times the Jacobian's numbers that are not zero by structure.

        By default as `cells` says: {x} and {y} are input and output in the same place, {xs} and {ys} all of them,
        {yi} the output at i, and {same} is 1 where o is i and else 0; of "vjp" {d} is ∂L/∂y at i, and {ds} all of it.
        Raises `UnsupportedError` for a form that they do not state.
        """
        if form == "vjp" and form not in self.cells:
            return None
        if form not in self.cells:
            raise UnsupportedError(
                f"A workbook has no formula for {self.name}; expected a layer whose file gives the cells of {form!r}."
            )
        o, i = index[0], index[-1]
        known = {"x": at.x(o), "xs": at.span("x"), "same": int(o == i)}
        if form != "forward":  # which is what writes the outputs
            known |= {"y": at.y(o), "yi": at.y(i), "ys": at.span("y")}
        if form == "vjp":
            known |= {"d": at.d(i), "ds": at.span("d")}
        return self.cells[form].format_map(known)
