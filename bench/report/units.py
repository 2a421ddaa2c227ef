"""Numbers as a person reads them: three digits and a unit."""

from __future__ import annotations

import math

import pandas as pd

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
MISSING = "-"


def seconds(value: float | None) -> str:
    """1.23 ms."""
    return _scaled(value, _SECONDS)


def data_size(value: float | None) -> str:
    """1.64 GB."""
    return _scaled(value, _BYTES)


def ratio(value: float | None) -> str:
    """1.00x, 41x, 9,100x."""
    if _missing(value):
        return MISSING
    assert value is not None
    if value < 9.995 or math.isinf(value):
        return f"{value:.2f}x"
    return f"{_three_digits(value):,.0f}x"


def error(value: float | None) -> str:
    """2.1e-16."""
    return MISSING if _missing(value) else f"{value:.1e}"


def percent(value: float | None) -> str:
    """97.8%."""
    return MISSING if _missing(value) else f"{100 * float(value or 0):.1f}%"


def count(value: float | None) -> str:
    """814,101."""
    return MISSING if _missing(value) else f"{int(value or 0):,}"


def _scaled(value: float | None, units: tuple[tuple[float, str], ...]) -> str:
    if _missing(value):
        return MISSING
    assert value is not None
    value = float(f"{value:.3g}")  # first, so that 999.6 of one unit becomes 1 of the next
    size, name = next(((size, name) for size, name in units if value >= size), units[-1])
    return f"{value / size:.3g} {name}" if value / size < 999.5 else f"{value / size:,.0f} {name}"


def _three_digits(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(value)))


def _missing(value: float | None) -> bool:
    return value is None or bool(pd.isna(value))
