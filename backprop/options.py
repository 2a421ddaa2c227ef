"""Checks of the options of strategies."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from backprop.arrays import DType
from backprop.errors import OptionError


def check_choice(what: str, got: object, known: Iterable[str]) -> None:
    """Raise `OptionError` unless `got` is one of the known names."""
    if got not in tuple(known):
        raise OptionError(f"The {what} is {got!r}; expected {' or '.join(known)}.")


def check_step(step: float | None) -> None:
    """Raise `OptionError` unless the step is a finite number above zero, or None for the best one."""
    if step is not None and not (isinstance(step, (int, float)) and 0 < step < math.inf):
        raise OptionError(f"The step is {step!r}; expected a finite number above zero.")


def check_step_shows(step: float, dtype: DType) -> None:
    """Raise `OptionError` for a relative step so small that rounding may swallow it: θ + h = θ."""
    eps = float(np.finfo(dtype).eps)
    if step < eps:
        raise OptionError(
            f"The step is {step:.3g}, below the rounding of {dtype.name}; expected at least {eps:.3g}."
        )


def check_count(what: str, count: int | None) -> None:
    """Raise `OptionError` unless the count is a whole number above zero, or None for the usual one."""
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise OptionError(f"The number of {what} is {count!r}; expected a whole number above zero.")
