"""Numbers as a person reads them: three digits and a unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeGuard

_YEAR_S = 365.25 * 86400
_LONG = ((_YEAR_S, _YEAR_S, "years"), (2 * 86400, 86400, "days"), (7200, 3600, "h"), (1000, 60, "min"))
"""The least number of seconds for which a unit is used, its length in seconds, and its name."""
SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
FLOPS = ((1e12, "TF/s"), (1e9, "GF/s"), (1e6, "MF/s"), (1.0, "F/s"))
"""The sizes of units and their names, the largest first."""
_A_FIFTIETH = 0.02
MISSING = "-"


def seconds(value: float | None) -> str:
    """A time in seconds: 1.23 ms; from 1,000 s on in minutes, hours, days or years."""
    if known(value) and float(f"{value:.3g}") >= _LONG[-1][0]:
        size, name = next((size, name) for least, size, name in _LONG if float(f"{value:.3g}") >= least)
        return f"{_digits(value / size)} {name}"
    return _scaled(value, SECONDS)


def data_size(value: float | None) -> str:
    """A number of bytes: 1.64 GB."""
    return _scaled(value, BYTES)


def flops_rate(value: float | None) -> str:
    """83.1 GF/s: floating-point operations per second."""
    return _scaled(value, FLOPS)


def ratio(value: float | None) -> str:
    """A ratio: 1.00x, 41x, 9,100x."""
    if not known(value):
        return MISSING
    if value < 9.995:
        return f"{value:.2f}x"
    return f"{_three_digits(value):,.0f}x"


def times(value: float) -> str:
    """A ratio for a sentence: 4,520 times, 1.47 times; "1/250 of" if far below one."""
    return f"{ratio(value).removesuffix('x')} times" if value >= _A_FIFTIETH else f"{small_ratio(value)} of"


def small_ratio(value: float) -> str:
    """A ratio that may be far below one: 0.705, 12.3; below 1/50 as a fraction, 1/1,470."""
    return f"{value:.3g}" if value >= _A_FIFTIETH or value <= 0 else f"1/{_three_digits(1 / value):,.0f}"


def small_ratios(low: float, high: float) -> str:
    """An interval of small ratios: 0.0196 to 0.0801, 1/1,900 to 1/1,850; one ratio if both ends read the same."""
    ends = [f"{end:.3g}" if high >= _A_FIFTIETH else small_ratio(end) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def factor(value: float | None) -> str:
    """A noise floor, whose third decimal matters: 1.034."""
    return f"{value:.3f}" if known(value) else MISSING


def difference(factor: float | None) -> str:
    """The excess of a factor over one, 3.1%; from two on the factor itself, 2.50x."""
    if not known(factor):
        return MISSING
    return f"{100 * (factor - 1):.2g}%" if factor < 2 else ratio(factor)


def exponent(value: float | None) -> str:
    """An exponent: 0.93."""
    return f"{value:z.2f}" if known(value) else MISSING


def error(value: float | None) -> str:
    """A relative error: 2.1e-16."""
    return f"{value:.1e}" if known(value) else MISSING


def percent(value: float | None) -> str:
    """A share of one: 97.8%."""
    return f"{100 * value:.1f}%" if known(value) else MISSING


def count(value: float | None) -> str:
    """A count: 814,101."""
    return f"{int(value):,}" if known(value) else MISSING


def _scaled(value: float | None, units: tuple[tuple[float, str], ...]) -> str:
    if not known(value):
        return MISSING
    value = _three_digits(value)  # rounded first, so that 999.6 kB is written as 1 MB
    size, name = next(((size, name) for size, name in units if value >= size), units[-1])
    return f"{_digits(value / size)} {name}"


def _digits(value: float) -> str:
    """Three digits: 1.23, 123, 12,300, 1.23e+09."""
    if value < 999.5:
        return f"{value:.3g}"
    return f"{_three_digits(value):,.0f}" if value < 1e7 else f"{value:.3g}"


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def counted(number: int, noun: str) -> str:
    """1 pair, 2 pairs, 1,200 pairs."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def threads(count: int) -> str:
    """1 thread, 2 threads."""
    return counted(count, "thread")


def interval(low: float | None, high: float | None, words: Callable[[float | None], str]) -> str:
    """1.57x to 1.62x, both ends in the given words; empty where one end is missing."""
    return f"{words(low)} to {words(high)}" if known(low) and known(high) else ""


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: neither None nor NaN."""
    return value is not None and not math.isnan(value)
