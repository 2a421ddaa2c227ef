"""Numbers as a person reads them: three digits and a unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

_YEAR_S = 365.25 * 86400
_LONG = ((_YEAR_S, _YEAR_S, "years"), (2 * 86400, 86400, "days"), (7200, 3600, "h"), (1000, 60, "min"))
"""From how many seconds on, in which unit of how many seconds."""
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_FLOPS = ((1e12, "TF/s"), (1e9, "GF/s"), (1e6, "MF/s"), (1.0, "F/s"))
_A_FIFTIETH = 0.02
MISSING = "-"


def seconds(value: float | None) -> str:
    """1.23 ms; from 1,000 s on minutes, hours, days and years."""
    if not missing(value) and value is not None and float(f"{value:.3g}") >= _LONG[-1][0]:
        size, name = next((size, name) for least, size, name in _LONG if float(f"{value:.3g}") >= least)
        return f"{_digits(value / size)} {name}"
    return _scaled(value, _SECONDS)


def data_size(value: float | None) -> str:
    """1.64 GB."""
    return _scaled(value, _BYTES)


def flops_rate(value: float | None) -> str:
    """83.1 GF/s: floating-point operations per second."""
    return _scaled(value, _FLOPS)


def ratio(value: float | None) -> str:
    """1.00x, 41x, 9,100x."""
    if missing(value):
        return MISSING
    assert value is not None
    if value < 9.995:
        return f"{value:.2f}x"
    return f"{_three_digits(value):,.0f}x"


def small_ratio(value: float) -> str:
    """0.705, 12.3; below 1/50 as the fraction that it is about: 1/1,470."""
    return f"{value:.3g}" if value >= _A_FIFTIETH or value <= 0 else f"1/{_three_digits(1 / value):,.0f}"


def small_ratios(low: float, high: float) -> str:
    """0.0196 to 0.0801, 1/1,900 to 1/1,850: both ends as the high one is written, or one text."""
    ends = [f"{end:.3g}" if high >= _A_FIFTIETH else small_ratio(end) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def factor(value: float | None) -> str:
    """1.034: a noise floor, whose third decimal matters."""
    return MISSING if missing(value) else f"{value:.3f}"


def difference(factor: float | None) -> str:
    """3.1%: by how much this factor exceeds one; of more than twofold the factor."""
    if missing(factor) or factor is None:
        return MISSING
    return f"{100 * (float(factor) - 1):.2g}%" if factor < 2 else ratio(factor)


def rank(best: int | None, worst: int | None) -> str:
    """2, or 1-3 where a cell cannot be told from its neighbours; nothing where it has no rank."""
    if missing(best) or missing(worst):
        return ""
    return count(best) if best == worst else f"{count(best)}-{count(worst)}"


def ends(low: float, high: float) -> str:
    """0.93 to 1.07, or that there is no interval."""
    return MISSING if missing(low) or missing(high) else f"{low:z.2f} to {high:z.2f}"


def error(value: float | None) -> str:
    """2.1e-16."""
    return MISSING if missing(value) else f"{value:.1e}"


def percent(value: float | None) -> str:
    """97.8%."""
    return MISSING if missing(value) else f"{100 * float(value or 0):.1f}%"


def count(value: float | None) -> str:
    """814,101."""
    return MISSING if missing(value) else f"{int(value or 0):,}"


def _scaled(value: float | None, units: tuple[tuple[float, str], ...]) -> str:
    if missing(value):
        return MISSING
    assert value is not None
    value = _three_digits(value)  # first, so that 999.6 of one unit becomes 1 of the next
    size, name = next(((size, name) for size, name in units if value >= size), units[-1])
    return f"{_digits(value / size)} {name}"


def _digits(value: float) -> str:
    """Three digits: 1.23, 123, 12,300, 1.23e+09."""
    if value < 999.5:
        return f"{value:.3g}"
    return f"{_three_digits(value):,.0f}" if value < 1e7 else f"{value:.3g}"


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def threads(count: int) -> str:
    """1 thread, 2 threads."""
    return f"{count} thread{'s' if count != 1 else ''}"


def interval(low: float | None, high: float | None, words: Callable[[float | None], str]) -> str:
    """1.57x to 1.62x, both ends in the given words; empty where one end is missing."""
    return "" if missing(low) or missing(high) else f"{words(low)} to {words(high)}"


def missing(value: Any) -> bool:
    """Whether there is no number: None, NaN, or the NA of a frame."""
    if value is None or isinstance(value, float | int):
        return value is None or math.isnan(value)
    import pandas as pd  # a cell of a frame; half a second to load

    return bool(pd.isna(value))
