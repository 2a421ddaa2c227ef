"""Lines on two logarithmic axes: value against size, error against step, the roofline."""

from __future__ import annotations

from backprop.bench.report.page.sweeps import LABELS
from backprop.bench.report.page.theme import (
    BYTES,
    COUNTS,
    LOG,
    PLAIN,
    POWERS,
    SECONDS,
    SPEEDS,
    Spec,
    chart,
    look,
    tooltip,
)

_QUANTITIES = {
    "time": ("time of one gradient", SECONDS),
    "memory": ("peak memory", BYTES),
    "error": ("relative error ‖g - g*‖ / ‖g*‖", POWERS),
}


def against_size(quantity: str, swept: str) -> Spec:
    """Time, memory or error against one size: a line a strategy, intervals drawn, hollow where predicted."""
    title, axis = _QUANTITIES[quantity]
    x = {
        "field": "size",
        "type": "quantitative",
        "scale": {**LOG, "nice": False, "padding": 12},
        "axis": {**COUNTS, "title": LABELS[swept]},
    }
    y = {"type": "quantitative", "scale": LOG, "axis": {**axis, "title": title}}
    own = {**y, "field": quantity}
    text = tooltip(
        strategy="strategy", cell="cell", time="time_text", memory="memory_text", error="error_text",
        status="status", fitted="fitted",
    )  # fmt: skip
    layers = [
        {
            "mark": {"type": "line", "strokeWidth": 1.5, "aria": False},
            "encoding": {
                "x": x,
                "y": own,
                "detail": {"field": "strategy", "type": "nominal"},
                "color": look()["color"],
            },
        },
        {
            "mark": {"type": "point"},
            "encoding": {
                "x": x,
                "y": own,
                **look(),
                "fill": {"field": "fill", "type": "nominal", "scale": None},
                "tooltip": text,
            },
        },
    ]
    if quantity == "time":
        interval = {
            "x": x,
            "y": {**y, "field": "low"},
            "y2": {"field": "high"},
            "color": look()["color"],
        }
        layers.insert(1, {"mark": {"type": "rule", "strokeWidth": 3, "aria": False}, "encoding": interval})
    return chart(
        f"{title.capitalize()} against {LABELS[swept]}, both logarithmic; the figures are in the ranked table.",
        320,
        data={"name": "cells"},
        layer=layers,
    )


def error_curve(title: str, dtype: str, bottoms: bool) -> Spec:
    """Error against step or logit scale, one line a method; a ring where theory puts the bottom."""
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {**LOG, "nice": False, "padding": 10},
        "axis": {**POWERS, "title": title},
    }
    y = {
        "field": "error",
        "type": "quantitative",
        "scale": LOG,
        "axis": {**POWERS, "title": f"relative error, {dtype}"},
    }
    text = tooltip(strategy="strategy", **{title.split(",")[0]: "x_text"}, error="error_text")
    place = {"x": x, "y": y}
    ring = {
        "transform": [{"filter": "datum.bottom"}],
        "mark": {"type": "point", "shape": "circle", "size": 300, "strokeWidth": 2.5},
        "encoding": {**place, "color": look()["color"], "tooltip": text},
    }
    return chart(
        f"Relative error against {title}, {dtype}, both logarithmic.",
        300,
        data={"name": "cells"},
        layer=[
            {
                "transform": [{"filter": "!datum.bottom"}],
                "mark": {"type": "line", "strokeWidth": 1.5, "aria": False},
                "encoding": {
                    **place,
                    "detail": {"field": "strategy", "type": "nominal"},
                    "color": look()["color"],
                },
            },
            {
                "transform": [{"filter": "!datum.bottom"}],
                "mark": {"type": "point", "filled": True, "size": 40},
                "encoding": {**place, **look(), "tooltip": text},
            },
            *([ring] if bottoms else []),
        ],
    )


def roofline() -> Spec:
    """Achieved speed against operations per byte, under the machine's two limits."""
    x = {
        "field": "intensity",
        "type": "quantitative",
        "scale": {**LOG, "nice": False, "padding": 12},
        "axis": {**PLAIN, "title": "floating-point operations per byte moved, as predicted"},
    }
    y = {
        "field": "speed",
        "type": "quantitative",
        "scale": LOG,
        "axis": {**SPEEDS, "title": "operations per second"},
    }  # fmt: skip
    text = tooltip(
        strategy="strategy", cell="cell", speed="speed_text", of_GEMM_peak="flops_share",
        of_bandwidth="bandwidth_share",
    )  # fmt: skip
    return chart(
        "Roofline: achieved operations per second against operations per byte, under GEMM peak and bandwidth. "
        "Both are counted as if no input were zero: what leaves zeros out can lie above a limit.",
        320,
        data={"name": "cells"},
        layer=[
            {
                "transform": [{"filter": "datum.roof"}],
                "mark": {"type": "line", "color": "var(--dim)", "strokeWidth": 2, "strokeDash": [6, 4]},
                "encoding": {"x": x, "y": y},
            },
            {
                "transform": [{"filter": "!datum.roof"}],
                "mark": {"type": "point", "filled": True},
                "encoding": {"x": x, "y": y, **look(), "tooltip": text},
            },
        ],
    )
