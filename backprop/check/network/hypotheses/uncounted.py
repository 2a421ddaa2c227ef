"""Activations that only hypotheses use: what they cost is of no interest."""

from __future__ import annotations

from typing import ClassVar

from backprop.layers import Elementwise


class Uncounted(Elementwise):
    """An activation whose cost nobody asks for."""

    reads_input: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 0
    derivative_flops_per_element: ClassVar[int] = 0
    forward_temporaries: ClassVar[int] = 0
    derivative_temporaries: ClassVar[int] = 0
    derivative_is_mask: ClassVar[bool] = False
