"""The bars of the answer and the heat map of agreement, as Vega-Lite; lines.py has the charts of lines.

The data of every chart are put in by page.js under the name `cells`, so that a choice made on the page needs no
second chart.
"""

from __future__ import annotations

from backprop.bench.report.page.lead import Lead
from backprop.bench.report.page.theme import LOG, Spec, chart, tooltip

_ROW = 38


def bars(lead: Lead) -> Spec:
    """One bar a derivation on a logarithmic axis, its name above it and its ratio behind it."""
    left = 0.5 * min(bar.ratio if bar.low is None else min(bar.low, bar.ratio) for bar in lead.bars)
    right = max(bar.ratio for bar in lead.bars)
    scale = {**LOG, "domain": [left, right * (right / left) ** 0.45], "nice": False}
    names = {"field": "strategy", "type": "nominal", "sort": None, "axis": None}
    ratio = {
        "field": "ratio",
        "type": "quantitative",
        "scale": scale,
        "axis": {
            "title": f"time ÷ that of {lead.base}, logarithmic",
            "values": _decades(left, right),
            "labelExpr": "format(datum.value, ',~r') + 'x'",
            "labelOverlap": True,
            "domain": False,
        },
    }
    text = tooltip(strategy="strategy", time="time", ratio="text", interval="interval", status="status")
    down = _ROW / 4
    return chart(
        f"Bars, logarithmic: time of one gradient ÷ that of {lead.base}. "
        + "; ".join(f"{bar.strategy} {bar.text}" for bar in lead.bars),
        _ROW * len(lead.bars),
        data={"name": "cells"},
        encoding={"y": names},
        layer=[
            {
                "mark": {"type": "bar", "height": 15, "yOffset": down, "cornerRadiusEnd": 2},
                "encoding": {
                    "x": ratio,
                    "x2": {"datum": left},
                    "color": {"field": "colour", "type": "nominal", "scale": None},
                    "stroke": {"field": "edge", "type": "nominal", "scale": None},
                    "strokeDash": {
                        "condition": {"test": "datum.predicted", "value": [4, 3]},
                        "value": [1, 0],
                    },
                    "tooltip": text,
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "yOffset": down, "aria": False},
                "encoding": {"x": {**ratio, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": -_ROW / 4 + 2, "aria": False},
                "encoding": {"x": {"value": 0}, "text": {"field": "strategy", "type": "nominal"}},
            },
            {
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 7,
                    "dy": down,
                    "fontWeight": 600,
                    "aria": False,
                },
                "encoding": {"x": ratio, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    )


def agreement() -> Spec:
    """The distance of every pair as a heat map; numbers along both edges, names along one."""
    number = {"type": "ordinal", "axis": {"title": None, "labelAngle": 0, "labelOverlap": True}}
    colour = {
        "field": "shade",
        "type": "quantitative",
        "scale": {**LOG, "scheme": "viridis", "reverse": True, "domain": [1e-17, 1], "clamp": True},
        "legend": {
            "title": "relative distance",
            "orient": "bottom",
            "gradientLength": 170,
            "format": ".0e",
            "tickCount": 5,
        },
    }
    text = tooltip(first="first", second="second", distance="distance", allowed="allowed", agrees="agrees")
    return chart(
        "Heat map of the relative distance of every pair of gradients; the same numbers are in the table below it.",
        300,
        data={"name": "cells"},
        encoding={
            "x": {**number, "field": "column", "sort": None},
            "y": {**number, "field": "row", "sort": None, "axis": {"title": None, "labelLimit": 230}},
        },
        layer=[
            {
                "mark": {"type": "rect", "stroke": "var(--page)"},
                "encoding": {"color": colour, "tooltip": text},
            },
            {
                "transform": [{"filter": "datum.apart"}],
                "mark": {
                    "type": "text",
                    "text": "✗",
                    "fontSize": 15,
                    "fontWeight": 700,
                    "color": "#fff",
                    "stroke": "#000",
                    "strokeWidth": 0.7,
                },
                "encoding": {"tooltip": text},
            },
        ],
    )


def _decades(left: float, right: float) -> list[float]:
    """The powers of ten on the axis, and what the smallest bar is measured by."""
    return [10.0**k for k in range(-12, 16) if left <= 10.0**k <= 10 * right]
