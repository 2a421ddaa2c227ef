"""Every chart as Vega-Lite: the page and the pictures for papers are drawn from the same specifications.

A chart names its data `cells` and its colours by the custom properties of page.css, such as `var(--accent)`. The page
passes both on to the browser; `pictures` puts rows and colours in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backprop.bench.report.answer import Lead
from backprop.bench.report.looks import (
    BYTES,
    COUNTS,
    LOG,
    PLAIN,
    POWERS,
    SECONDS,
    SPEEDS,
    Spec,
    logarithmic,
    nominal,
    quantitative,
)

# Parts of charts ----------------------------------------------------------------------------------------

_TEXT, _DIM, _LINE = "var(--text)", "var(--dim)", "var(--line)"
_BROAD: Spec = {"nice": False, "padding": 12}
_AREA = quantitative("area", scale=None)

CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "title": {
        "color": _TEXT,
        "fontSize": 14,
        "fontWeight": "normal",
        "anchor": "start",
        "subtitleColor": _DIM,
    },
    "axis": {
        "labelColor": _DIM,
        "titleColor": _TEXT,
        "gridColor": _LINE,
        "domainColor": _DIM,
        "tickColor": _DIM,
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": _DIM, "titleColor": _TEXT, "labelFontSize": 12, "titleFontSize": 12},
    "text": {"color": _TEXT, "fontSize": 13},
    "point": {"size": 70, "strokeWidth": 1.5, "opacity": 1},
    "rule": {"color": _TEXT},
}


def chart(description: str, height: int, **parts: Any) -> Spec:
    """A chart as wide as its box; `description` is what a screen reader says of it."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": CONFIG,
        "data": {"name": "cells"},
        **parts,
    }


def tooltip(**fields: str) -> list[Spec]:
    """What a mark says when the reader points at it: the title of each field of text."""
    return [nominal(field, title=title.replace("_", " ")) for title, field in fields.items()]


def nested_area(place: int, count: int) -> int:
    """The area of a hollow point of the strategy at that place: the earlier ones of `count` are larger."""
    return (7 + 4 * (count - 1 - place)) ** 2


def _line(place: Spec, look: Spec, **parts: Any) -> Spec:
    """One line a strategy; where the rows have a field `kind`, one for each kind of network."""
    return {
        "mark": {"type": "line", "strokeWidth": 1.5, "aria": False},
        "encoding": {
            **place,
            "detail": [nominal("strategy"), nominal("kind")],
            "color": look["color"],
        },
        **parts,
    }


def _points(place: Spec, look: Spec, text: list[Spec], only: str = "true", **mark: Any) -> Spec:
    """The points for which the expression `only` holds; it holds for one at least, or Vega warns."""
    return {
        "transform": [{"filter": only}],
        "mark": {"type": "point", **mark},
        "encoding": {**place, **look, "tooltip": text},
    }


# Charts -------------------------------------------------------------------------------------------------

_ROW = 38
"""Height of a bar with its name, in pixels."""


def bars(lead: Lead) -> Spec:
    """One bar a strategy on a logarithmic axis, its name above it and its ratio behind it; dashed where predicted."""
    left = 0.5 * min(bar.ratio if bar.low is None else min(bar.low, bar.ratio) for bar in lead.bars)
    right = max(bar.ratio if bar.high is None else max(bar.high, bar.ratio) for bar in lead.bars)
    axis = {
        "values": [10.0**k for k in range(-12, 16) if left <= 10.0**k <= 10 * right],
        "labelExpr": "format(datum.value, ',~r') + 'x'",
        "labelOverlap": "greedy",
        "labelSeparation": 12,
        "domain": False,
        "grid": False,  # no line runs through the numbers
    }
    title = f"time ÷ that of {lead.base}, logarithmic"
    ratio = logarithmic("ratio", title, axis, domain=[left, right * (right / left) ** 0.45], nice=False)
    text = tooltip(strategy="strategy", time="time", ratio="text", interval="interval", status="status")
    down = _ROW / 4
    bar = {
        "mark": {"type": "bar", "height": 15, "yOffset": down, "cornerRadiusEnd": 2},
        "encoding": {
            "x": ratio,
            "x2": {"datum": left},
            "color": nominal("colour", scale=None),
            "stroke": nominal("edge", scale=None),
            "strokeDash": {"condition": {"test": "datum.predicted", "value": [4, 3]}, "value": [1, 0]},
            "description": nominal("said"),
            "tooltip": text,
        },
    }
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2, "yOffset": down, "aria": False},
        "encoding": {"x": {**ratio, "field": "low"}, "x2": {"field": "high"}},
    }
    words = {"type": "text", "align": "left", "aria": False}
    name = {
        "mark": {**words, "dy": -_ROW / 4 + 2, "limit": {"expr": "width"}},
        "encoding": {"x": {"value": 0}, "text": nominal("name")},
    }
    figure = {
        "mark": {**words, "dx": 7, "dy": down, "fontWeight": 600},
        "encoding": {"x": {**ratio, "field": "end"}, "text": nominal("text")},
    }
    return chart(
        f"Bars, logarithmic: time of one gradient ÷ that of {lead.base}. "
        + "; ".join(f"{bar.strategy} {bar.text}" for bar in lead.bars),
        _ROW * len(lead.bars),
        encoding={"y": nominal("strategy", sort=None, axis=None)},
        layer=[bar, interval, name, figure],
    )


def agreement() -> Spec:
    """The distance of every pair as a heat map; numbers along both edges, names along one."""
    number = {"type": "ordinal", "sort": None}
    legend = {
        "title": "relative distance",
        "orient": "bottom",
        "gradientLength": 170,
        "format": ".0e",
        "tickCount": 5,
    }
    scale = {**LOG, "scheme": "viridis", "reverse": True, "domain": [1e-17, 1], "clamp": True}
    colour = quantitative("shade", scale=scale, legend=legend)
    text = tooltip(first="first", second="second", distance="distance", allowed="allowed", agrees="agrees")
    cross = {"type": "text", "text": "✗", "fontSize": 15, "fontWeight": 700}
    outlined = {"color": "#fff", "stroke": "#000", "strokeWidth": 0.7}
    return chart(
        "Heat map of the relative distance of every pair of gradients; the same numbers are in the table below it.",
        300,
        encoding={
            "x": {
                **number,
                "field": "column",
                "axis": {"title": None, "labelAngle": 0, "labelOverlap": True},
            },
            "y": {**number, "field": "row", "axis": {"title": None, "labelLimit": 230}},
        },
        layer=[
            {
                "mark": {"type": "rect", "stroke": "var(--page)"},
                "encoding": {"color": colour, "tooltip": text},
            },
            {
                "transform": [{"filter": "datum.apart"}],
                "mark": {**cross, **outlined},
                "encoding": {"tooltip": text},
            },
        ],
    )


_QUANTITIES = {
    "time": ("time of one gradient", SECONDS),
    "memory": ("peak memory", BYTES),
    "error": ("relative error ‖g - g*‖ / ‖g*‖", POWERS),
}
QUANTITIES = tuple(_QUANTITIES)
"""What is drawn against a size; each is a field of the chart's rows."""


def against_size(quantity: str, size: str, look: Spec, sizes: Spec = COUNTS) -> Spec:
    """Time, memory or error against one size: a line a strategy, intervals drawn, hollow where predicted.

    size: the title of the horizontal axis. sizes: the labels on it.
    """
    title, axis = _QUANTITIES[quantity]
    place = {"x": logarithmic("size", size, sizes, **_BROAD), "y": logarithmic(quantity, title, axis)}
    text = tooltip(
        strategy="strategy", cell="cell", time="time_text", memory="memory_text", error="error_text",
        status="status", fitted="fitted",
    )  # fmt: skip
    hollow = {"condition": {"test": "datum.predicted", "value": "var(--page)"}}
    layers = [_line(place, look), _points(place, {**look, "fill": {**look["color"], **hollow}}, text)]
    if quantity == "time":
        ends = {**place, "y": {**place["y"], "field": "low"}, "y2": {"field": "high"}}
        rule = {"type": "rule", "strokeWidth": 3, "aria": False}
        layers.insert(1, {"mark": rule, "encoding": {**ends, "color": look["color"]}})
    return chart(
        f"{title.capitalize()} against {size}, both logarithmic; the figures are in the ranked table.",
        320,
        layer=layers,
    )


def error_curve(curve: Mapping[str, Any], look: Spec) -> Spec:
    """Error against step or logit scale, one line a method; a ring where theory puts the bottom.

    curve: title of the horizontal axis, dtype, and whether there are rings, as `accuracy.curves` has them. Curves
    without rings lie on one another: their points are hollow, with the field `area`.
    """
    title, dtype = curve["title"], curve["dtype"]
    below = [title, "○: predicted bottom"] if curve["rings"] else title
    place = {
        "x": logarithmic("x", below, POWERS, **_BROAD),
        "y": logarithmic("error", f"relative error, {dtype}", POWERS),
    }
    text = tooltip(strategy="strategy", **{title.split(",")[0]: "x_text"}, error="error_text")
    layers = [
        _line(place, look, transform=[{"filter": "!datum.bottom"}]),
        _points(place, look, text, "!datum.bottom", filled=True, size=40)
        if curve["rings"]
        else _points({**place, "size": _AREA}, look, text, "!datum.bottom", filled=False),
    ]
    if curve["rings"]:
        ring = {"shape": "circle", "size": 300, "strokeWidth": 2.5}
        layers.append(_points(place, {"color": look["color"]}, text, "datum.bottom", **ring))
    return chart(f"Relative error against {title}, {dtype}, both logarithmic.", 300, layer=layers)


def roofline(look: Spec) -> Spec:
    """Achieved speed against operations per byte, under the machine's two limits."""
    place = {
        "x": logarithmic("intensity", "operations per byte moved, predicted", PLAIN, **_BROAD),
        "y": logarithmic("speed", "operations per second", SPEEDS),
    }
    text = tooltip(
        strategy="strategy", cell="cell", speed="speed_text", of_GEMM_peak="flops_share",
        of_bandwidth="bandwidth_share",
    )  # fmt: skip
    limit = {"type": "line", "color": _DIM, "strokeWidth": 2, "strokeDash": [6, 4]}
    return chart(
        "Roofline: achieved operations per second against operations per byte, under the speed of matrix products "
        "and the bandwidth. Both are counted as if no input were zero: what leaves zeros out can lie above a limit.",
        320,
        layer=[
            {"transform": [{"filter": "datum.roof"}], "mark": limit, "encoding": place},
            _points(place, look, text, "!datum.roof", filled=True),
        ],
    )


def learning_curve(x: Spec, look: Spec, nested: bool = False) -> Spec:
    """Test accuracy against time or steps, one line a strategy.

    nested: every point has a field `area`, and is hollow, so that points on one another can be told apart.
    """
    y = quantitative("accuracy", axis={"title": "test accuracy (%)"}, scale={"zero": False})
    place = {"x": x, "y": y}
    area = {"size": _AREA} if nested else {}
    points = _points({**place, **area}, look, [], filled=not nested)
    return chart("Test accuracy of every strategy.", 300, layer=[_line(place, look), points])
