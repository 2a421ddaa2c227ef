"""Settings: what the doors take beside the point, and what is none of it is refused in a sentence."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from backprop.check.evidence import FEWEST_CALLS
from backprop.check.words import describe
from backprop.errors import CheckError, OptionError, shown


def settings(
    rng: np.random.Generator | int | None,
    max_calls: int,
    rtol: float | None,
    batch_size: int | None = None,
    **functions: Any,
) -> np.random.Generator:
    """The generator of a check.

    functions: what is to be a function or None, under its name. Raises `CheckError` where it is neither, and
    `OptionError` for a setting that is none, or a `max_calls` below 60.
    """
    for name, code in functions.items():
        if code is not None and not callable(code):
            raise CheckError(f"The argument {name} is {describe(code)}; expected a function.")
    if not isinstance(max_calls, Real) or not max_calls >= FEWEST_CALLS:
        raise OptionError(f"max_calls is {shown(max_calls)}; expected at least {FEWEST_CALLS}.")
    check_rtol(rtol)
    if batch_size is not None and not (isinstance(batch_size, Integral) and batch_size > 0):
        raise OptionError(f"batch_size is {shown(batch_size)}; expected a whole number of samples.")
    return generator_of(0 if rng is None else rng)


def check_rtol(rtol: float | None) -> None:
    """Raise `OptionError` for an accuracy that is no number between 0 and 1."""
    if rtol is not None and not (isinstance(rtol, Real) and 0 < rtol < 1):
        raise OptionError(f"rtol is {shown(rtol)}; expected a number between 0 and 1.")


def generator_of(rng: Any, called: str = "rng") -> np.random.Generator:
    """The generator, which may be given by its seed; raises `OptionError` for what is neither."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise OptionError(f"{called} is {shown(rng)}; expected a generator of NumPy, or a seed.") from None
