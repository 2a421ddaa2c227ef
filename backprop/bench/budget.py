"""Budgets: how much memory and time one cell may be predicted to need, as a user says it; work that ends in time."""

from __future__ import annotations

import contextlib
import math
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from backprop import units
from backprop.errors import BudgetError, shown

_BYTES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SECONDS = {"": 1, "MS": 1e-3, "S": 1, "MIN": 60, "H": 3600}


@dataclass(frozen=True)
class Budget:
    """The most memory in bytes and time in seconds that a cell may be predicted to need."""

    memory_bytes: float
    time_s: float

    @classmethod
    def parse(cls, memory: str | None, time: str | None) -> Budget:
        """Parse texts such as `2GB`, `512MiB`, `60`, `90s`, `2min`; None is half of the memory and 60 s.

        Raises `BudgetError` for a text that cannot be read and for a budget that is not positive.
        """
        return cls(
            default_memory_bytes() if memory is None else parse_bytes("memory budget", memory),
            60.0 if time is None else parse_seconds("time budget", time),
        )

    def beyond_memory(self, peak_bytes: int, what: str = "") -> str | None:
        """Why `what` does not fit the memory budget; None where it fits."""
        if peak_bytes <= self.memory_bytes:
            return None
        needed, budget = units.data_size(peak_bytes), units.data_size(self.memory_bytes)
        return f"{what} needs {needed}; the budget is {budget}".lstrip()


def parse_seconds(what: str, text: str) -> float:
    """Seconds from a text such as `60`, `90s` or `2min`; raises `BudgetError` where it is none, or not positive."""
    return _quantity(what, text, _SECONDS, "60s")


def parse_bytes(what: str, text: str) -> float:
    """Bytes from a text such as `2GB` or `512MiB`; raises `BudgetError` where it is none, or not positive."""
    return _quantity(what, text, _BYTES, "2GB")


def default_memory_bytes() -> float:
    """Half of the memory available now, in bytes."""
    return available_memory_bytes() / 2


def available_memory_bytes() -> float:
    """The memory that is available now, in bytes."""
    import psutil

    return float(psutil.virtual_memory().available)


def _quantity(what: str, text: str, known: dict[str, float], example: str) -> float:
    match = re.fullmatch(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    unit = known.get(match[2].upper()) if match else None
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    if unit is None or math.isnan(number):
        raise BudgetError(f"The {what} is {shown(text)}; expected a number and a unit, such as {example}.")
    number *= unit
    if number <= 0 or math.isinf(number):
        raise BudgetError(f"The {what} is {shown(text)}; expected a finite number above zero.")
    return number


class _TimeIsUp(BaseException):
    """Not an `Exception`, so that work which catches the exceptions of the user's code does not catch this one."""


@contextlib.contextmanager
def at_most(seconds: float, late: Exception) -> Iterator[None]:
    """Raise `late` if the work takes longer, on systems that have alarm signals."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeIsUp:
        raise late from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
