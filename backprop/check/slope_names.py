"""Slopes that people write for those of an element-wise function, and which of them a slope is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array


def named_slope(slope: Array, x: Array, y: Array, others: Mapping[str, Array]) -> str:
    """What the slopes (k,) at x are, in words; y: the function's values; others: more numbers (k,). "" if nothing."""
    for words, values in _slopes(x, y, others).items():
        if values.shape != slope.shape or not np.all(np.isfinite(values)):
            continue
        if np.all(np.abs(values - slope) <= 1e-9 * np.max(np.abs(values), initial=1e-300)):
            return words
    return ""


def _slopes(x: Array, y: Array, others: Mapping[str, Array]) -> dict[str, Array]:
    """Every slope that is known here, by its formula."""
    from scipy.special import ndtr  # not at import

    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        s, t, density = 1 / (1 + np.exp(-x)), np.tanh(x), np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        known = {
            "0": 0 * x,
            "x": x,
            "y": y,
            "1 where x > 0, else 0": (x > 0) * 1.0,
            "1 where x < 0, else 0": (x < 0) * 1.0,
            "1 - x²": 1 - x * x,
            "1 - y²": 1 - y * y,
            "1 - y": 1 - y,
            "x (1 - x)": x * (1 - x),
            "y (1 - y)": y * (1 - y),
            "σ(x)": s,
            "σ(x) (1 - σ(x))": s * (1 - s),
            "x σ(x) (1 - σ(x))": x * s * (1 - s),
            "tanh x": t,
            "1 - tanh² x": 1 - t * t,
            "Φ(x)": ndtr(x),
            "φ(x)": density,
            "x φ(x)": x * density,
            "exp x": np.exp(x),
            "1 / x": 1 / x,
        }
    return {**known, **others}
