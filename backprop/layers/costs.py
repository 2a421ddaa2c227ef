"""What a layer takes: operations, bytes, and the numbers of its Jacobians that are not zero.

Strategies predict their costs by these figures, of n samples with i inputs and o outputs each.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from backprop.layers.described import Described


class Costs(Described):
    """The part of `Layer` that predicts."""

    @abstractmethod
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the layer's own parameters by their local names (`W`, `b`), or nothing."""

    @property
    def parameter_count(self) -> int:
        """The numbers of all its parameters."""
        return sum(map(math.prod, self.parameter_shapes().values()))

    @abstractmethod
    def forward_flops(self, n: int, i: int, o: int) -> int:
        """Floating-point operations of `forward`; a multiplication and an addition are two."""

    @abstractmethod
    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Floating-point operations of `vjp`."""

    def parts_flops(self, n: int, i: int, o: int) -> int:
        """Floating-point operations of `vjp_by_parts`."""
        return self.vjp_flops(n, i, o, input_needed=True)

    @abstractmethod
    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The most bytes that `forward` has allocated at once; `out` says whether it is given that buffer."""

    @abstractmethod
    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The most bytes that `vjp` has allocated at once, given `dparams` and perhaps `out`."""

    def parts_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The most bytes that `vjp_by_parts` has allocated at once, given `dparams`."""
        return self.vjp_bytes(n, i, o, itemsize, out=False)

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """The most bytes that `jvp` has allocated at once: of one direction with θ̇, or of many without."""
        rows = n * (directions or 1)
        return (2 * rows * o + rows) * itemsize

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The bytes of the buffers of `planned`."""
        return 0

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """The most bytes that `forward`, and that `vjp`, of `planned` has allocated at once beside these buffers."""
        return (
            self.forward_bytes(n, i, o, itemsize, out=True),
            self.vjp_bytes(n, i, o, itemsize, out=True),
        )

    def jacobian_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The most bytes that `input_jacobian` or `parameter_jacobians` has allocated at once, given `out`."""
        return 0

    def input_nonzeros(self, i: int, o: int) -> int:
        """How many numbers of one sample's ∂y/∂x are not zero by structure; of ∂u/∂x, if the inputs enter a u."""
        return i * o

    def input_products(self, i: int, o: int) -> int:
        """The numbers that the rule of `input_factor` makes of a row ∂L/∂y to be gathered; 0 where it makes ∂L/∂x."""
        return 0

    def input_factor_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The bytes of what `input_factor` allocates, where they matter."""
        return 0

    def parameter_nonzeros(self, i: int, o: int) -> dict[str, int]:
        """The numbers of each ∂y/∂θ of one sample that are not zero by structure."""
        return {name: math.prod(shape) for name, shape in self.parameter_shapes().items()}

    def parameter_factors_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The bytes of what `parameter_factors` allocates, where they matter."""
        return 0

    @property
    def steps(self) -> int:
        """How many steps `forward` takes one after another in Python; 0 where it takes everything at once."""
        return 0

    def covector_traffic(self, n: int, i: int, o: int) -> int:
        """The numbers that are read or written to make the factor through which parameters enter, step by step."""
        return 0

    def entered_numbers(self, *, by_input: bool = False) -> tuple[int, ...]:
        """The numbers of every u of one sample through which parameters, or the inputs, enter: see `EinsumFactor`."""
        return ()
