"""Learning-rate schedules: what is left of the learning rate after the share u of the training, 0 ≤ u ≤ 1.

    constant   1
    linear     1 - u                      to nothing at an even pace (Defazio et al. 2023: hard to beat)
    cosine     (1 + cos π u) / 2          Loshchilov and Hutter 2017, without restarts

u is the share of the planned steps that have been taken or, where the training is planned in seconds, of the
seconds that have been spent; where both are planned, the larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from backprop.errors import UnknownNameError

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """1."""
    return 1.0


def linear(progress: float) -> float:
    """1 - u."""
    return 1.0 - progress


def cosine(progress: float) -> float:
    """(1 + cos π u) / 2."""
    return (1.0 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}


def find_schedule(name: str) -> Schedule:
    """The schedule of that name; raises `UnknownNameError` for any other."""
    if name not in SCHEDULES:
        raise UnknownNameError("schedule", name, SCHEDULES)
    return SCHEDULES[name]
