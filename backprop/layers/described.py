"""What a layer says of itself to readers: names, formulas, cells of a spreadsheet, its forms for other libraries."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from backprop.errors import UnsupportedError
from backprop.layers.cells import Cells


class Described(ABC):
    """The part of `Layer` that no derivative needs; of what is left out, those who ask for it decline the layer."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names by which `Network.parse` takes the layer."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Small networks of the input's shape and this layer, as `Network.parse` reads them: "1x4x4 conv3x2".

    The tests try these; a layer that `of` makes from a width alone needs none.
    """
    derived: ClassVar[str | None] = None
    """The text of the layer that `derive` proves, where the first example would take SymPy minutes."""

    underivable: ClassVar[str] = ""
    """Why `derive` cannot run the layer on symbols; "" where it can."""

    symbol: ClassVar[str] = "a"
    """How a reader sees the output: this letter and the number of linear layers so far, a₁."""
    last_symbol: ClassVar[str | None] = None
    """The letter of the network's outputs where this is the last layer; None is `symbol` with its number."""
    letters: ClassVar[Mapping[str, str]] = {}
    """The axes of each parameter, by the legend: {"W": "io"}. Of one that is left out the shape has to tell them."""

    inner: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """A letter for every u of `entered_numbers`, in their order, and what enters there: {"z": ("W", "x")}."""

    formulas: ClassVar[Mapping[str, str]] = {}
    """The right-hand sides that a reader sees, by form; of a derivative by a parameter with its name, "vjp W".

    An activation states "forward" and "derivative", another layer "forward", "input_jacobian", "input_factor" where
    that differs, "vjp", by its parameters "parameter_jacobians", "parameter_factors" and "vjp", and "through z",
    ∂y/∂z of a z of `inner`. In braces stand the names of the network at hand, see `backprop.explain.formulas`. A form
    without a formula is shown without one.
    """
    cells: ClassVar[Mapping[str, str]] = {}
    """The same as a spreadsheet writes it: "forward" and "derivative", or "forward", "input_jacobian" and "vjp".

    For every number alike; in braces stand the cells at hand, see `cell`. A layer of other kinds writes `cell`
    itself. A workbook declines a layer with neither.
    """
    peers: ClassVar[Mapping[str, Callable[[Any, Any, Any], Any]]] = {}
    """`forward` by outside libraries, "autograd", "jax" and "torch": y = peers["torch"](torch, params, x).

    The imported package is handed in. A peer declines a layer that has no form for its library.
    """
    code: ClassVar[str | None] = None
    """`forward` as the lines of a Python function of x and the parameters by name, for `backprop check --template`.

    It may use np, and returns y. Of an activation it is one of z alone. That file is declined for a layer without
    code.
    """
    oracle: ClassVar[Callable[..., Any] | None] = None
    """y = oracle(params, x), for tests: in plain NumPy, of complex numbers too, without the code of `forward`.

    The tests of a layer's forms decline a layer that has none.
    """

    @property
    def text(self) -> str:
        """The layer as `Network.parse` reads it, without the shape that it is made for."""
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
