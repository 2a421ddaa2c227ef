"""Complex step: the slope along a direction without a subtraction, Im f(x + ihv) / h (Squire and Trapp 1998).

It is the slope only where the function is analytic in what it computes. abs, .real, a conjugate or a comparison of
parts make it another number, without an error: so it is believed only where it agrees with real difference quotients.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.evaluation import Probe
from backprop.check.numeric.slope import Slope

_STEP = 2.0**-100
_STEP_IF_NARROW = (
    2.0**-40
)  # the function may compute in float32, where a product of smaller parts would underflow


def complex_slope(probe: Probe, direction: Direction) -> Array | None:
    """The slope (m,) along `direction`; None where the function takes no complex numbers, or no calls are left."""
    if not probe.room(1):
        return None
    step = _STEP if probe.form.own_dtype == np.float64 else _STEP_IF_NARROW
    point = probe.point.astype(np.result_type(probe.point, np.complex64))
    point[direction.where] += 1j * step * direction.by
    value = probe.at_complex(point)
    if value is None or not np.all(np.isfinite(value)):
        return None
    if not np.allclose(value.real, probe.value, rtol=1e-3, atol=0):  # the function itself comes out otherwise
        return None
    return np.asarray(value.imag / step)


def agrees(slope: Array | None, real: Slope, size: Array) -> bool:
    """Whether a complex step is the slope that real quotients found, as well as those can tell.

    size (m,): ‖g∘v‖, below whose rounding a difference says nothing.
    """
    if slope is None or np.any(real.kink | real.edge | ~real.settled):
        return False
    slack = 3 * real.error + 1e-9 * np.maximum(np.abs(real.value), size)
    return bool(np.all(np.abs(slope - real.value) <= slack))
