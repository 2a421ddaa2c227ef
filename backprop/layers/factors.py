"""Local derivatives as data: a Jacobian as an operand of einsum, and how far inputs are from a kink."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array

Shape = tuple[int, ...]
"""How the numbers of one sample are arranged: (784,), (1, 28, 28) channels by rows by columns, (28, 28) steps by
features. The arrays themselves stay (n, i), with these axes flattened in order."""


class EinsumFactor(NamedTuple):
    """A local Jacobian as an operand of einsum, with only the axes in which it differs.

    `subscripts` names the operand's axes by the legend. With J = ∂(outputs)/∂y of axes `nco` the next
    factor of the chain is `einsum(f"nco,{subscripts}->nci")`; where `i` is absent, the Jacobian is
    diagonal and the result keeps `o`.

    A layer whose outputs have axes of their own names them in `outputs`, with their sizes in `shape`, and in
    `result` those of the result: of a convolution with q channels at s places, `nco` is read as `ncqs`, and its
    kernel's part is `einsum("ncqs,nsk->ncqk")`. An axis that neither the operand nor the result has is summed.
    Where most of ∂y/∂x is zero by structure, `inputs` says for every number of the result which input it belongs to,
    i for none; numbers of the same input are added (`gathered`).

    Where y = f(u) and u is what θ or x enter, `through` is ∂y/∂u, which is multiplied first, and this is ∂u/∂θ: the
    weights of a recurrent layer enter at every step, and how a step moves the outputs is the same for all of them.
    """

    subscripts: str
    operand: Array
    outputs: str = "o"
    shape: Shape | None = None
    result: str | None = None
    inputs: Array | None = None
    through: EinsumFactor | None = None

    @property
    def input_rule(self) -> str:
        """The rule of einsum from ∂(outputs)/∂y to ∂(outputs)/∂x, where this is ∂y/∂x."""
        return self._rule("i" if "i" in self.subscripts else "o")

    @property
    def parameter_rule(self) -> str:
        """The rule of einsum from ∂(outputs)/∂y to ∂(outputs)/∂θ, where this is ∂y/∂θ."""
        return self._rule("io" if "i" in self.subscripts else "o")

    def _rule(self, made: str) -> str:
        return f"nc{self.outputs},{self.subscripts}->nc{made if self.result is None else self.result}"

    def split(self, jacobian: Array) -> Array:
        """The Jacobian (n, c, o) with the axes of `outputs`."""
        return jacobian if self.shape is None else jacobian.reshape(*jacobian.shape[:2], *self.shape)

    def gathered(self, made: Array, i: int) -> Array:
        """∂(outputs)/∂x (n, c, i) from what `input_rule` makes."""
        if self.inputs is None:
            return made.reshape(*made.shape[:2], i)
        total = np.zeros((*made.shape[:2], i + 1), made.dtype)  # the last for those that belong to none
        for k in np.ndindex(
            *self.inputs.shape[:-1]
        ):  # along the last axis no input comes twice, but that for none
            total[..., self.inputs[k]] += made[..., *k, :]
        return total[..., :i]

    def chain(self, jacobian: Array, size: int, *, of_parameter: bool = False) -> Array:
        """∂(outputs)/∂x (n, c, i), or ∂(outputs)/∂θ (n, c, numbers of θ), by einsum.

        jacobian is ∂(outputs)/∂y (n, c, o), and `size` i or the numbers of θ.
        """
        if self.through is not None:
            jacobian = self.through.chain(jacobian, self.entered)
        rule = self.parameter_rule if of_parameter else self.input_rule
        return self.gathered(np.einsum(rule, self.split(jacobian), self.operand), size)

    @property
    def entered(self) -> int:
        """The numbers of u, where there is a `through`."""
        assert self.shape is not None  # the axes of u are outputs of their own
        return math.prod(self.shape)


class Margin(NamedTuple):
    """Functions of a layer's inputs that pass through zero where the layer has a kink.

    distance: what each is now, (n, m). above, below: the inputs of which it is the difference, as numbers (m,) or
    (n, m); without `below` it is an input less a constant.
    """

    distance: Array
    above: Array
    below: Array | None = None
