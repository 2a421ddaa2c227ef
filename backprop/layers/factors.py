"""Local derivatives as data: a Jacobian as an operand of einsum, and the distances of inputs from kinks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array

Shape = tuple[int, ...]
"""How the numbers of one sample are arranged: (784,), (1, 28, 28) channels by rows by columns, (28, 28) steps by
features. The arrays themselves stay (n, i), with these axes flattened in order."""


class EinsumFactor(NamedTuple):
    """A local Jacobian as an operand of einsum, with only the axes along which it varies.

    `subscripts` names the operand's axes by the legend. With J = ∂(outputs)/∂y of axes `nco` the next
    factor of the chain is `einsum(f"nco,{subscripts}->nci")`; where `i` is absent, the Jacobian is
    diagonal and the result keeps `o`.

    A layer may split the axis o: `outputs` names its parts, `shape` has their sizes, and `result` names the axes of
    the result. For a convolution with q channels at s places, `nco` is read as `ncqs`, and the derivative by its
    kernel is `einsum("ncqs,nsk->ncqk")`. An axis that neither the operand nor the result has is summed.
    Where most of ∂y/∂x is zero by structure, `inputs` says for every number of the result to which input it belongs,
    or i for none; numbers of the same input are added (`gathered`).

    Where y = f(u), and θ or x enters u, `through` is ∂y/∂u, which is multiplied first, and this factor is ∂u/∂θ. The
    weights of a recurrent layer enter every step; ∂y/∂u is the same for all of them.
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
        # The last column is for numbers that belong to no input.
        total = np.zeros((*made.shape[:2], i + 1), made.dtype)
        # Along the last axis of `inputs` no input occurs twice, except the one for none.
        for k in np.ndindex(*self.inputs.shape[:-1]):
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
        """How many numbers u has, if there is a `through`."""
        assert self.shape is not None  # the axes of u are outputs of their own
        return math.prod(self.shape)


class Margin(NamedTuple):
    """Functions of a layer's inputs that are zero where the layer has a kink.

    distance: their values (n, m). above, below: the indices (m,) or (n, m) of the inputs whose difference each
    function is; without `below` it is an input minus a constant.
    """

    distance: Array
    above: Array
    below: Array | None = None
