"""The charts as files for papers and README: SVG and PDF, drawn by vl-convert, without a browser and the network.

A picture is the specification of `charts` with a width in pixels, with its rows, and with the colours that page.css
has for light screens. The same rows make the same SVG; the fonts of a PDF are embedded as TrueType.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

from backprop import units
from backprop.bench.record import Record, grouped
from backprop.bench.report import charts
from backprop.bench.report.data import SIZES, Json, cell_row
from backprop.bench.report.looks import PLAIN, Spec, channels
from backprop.bench.report.ranking import ran
from backprop.errors import install_line

NEEDED = install_line("report")
MISSING = f"no pictures and no report.html: they need `{NEEDED}`"
SUFFIXES = (".svg", ".pdf")
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""vl-convert brings the first of them along, so that texts are as wide on every machine; the others are as wide."""


def available() -> bool:
    """Whether the extra `report` is installed, which draws pictures and the page; nothing is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("jinja2", "vl_convert"))


# From a chart to a file ---------------------------------------------------------------------------------


def as_svg(chart: Spec, **rows: Iterable[Json]) -> str:
    """The chart as SVG. rows: what it draws, by the name of the data; most charts have `cells` alone."""
    import vl_convert

    config = {**charts.CONFIG, "background": "#ffffff", "font": _FONT}
    spec = {**chart, "autosize": "pad", "config": config, "datasets": {k: list(v) for k, v in rows.items()}}
    coloured = re.sub(r"var\(--(\w+)\)", lambda found: _colours().get(found[1], found[0]), json.dumps(spec))
    return str(vl_convert.vegalite_to_svg(json.loads(coloured), allowed_base_urls=[]))


def drawn(name: str, chart: Spec, **rows: Iterable[Json]) -> dict[str, bytes]:
    """The chart as name.svg and name.pdf."""
    import vl_convert

    svg = as_svg(chart, **rows)
    return {f"{name}.svg": svg.encode(), f"{name}.pdf": vl_convert.svg_to_pdf(svg)}


def beside(*panels: Spec, vertical: str = "shared") -> Spec:
    """The charts from left to right, with one legend; the scales of their vertical axes shared, or independent."""
    kept = [{k: v for k, v in one.items() if k not in ("$schema", "autosize", "config")} for one in panels]
    resolve = {"scale": {"color": "shared", "shape": "shared", "y": vertical}}
    return {"$schema": panels[0]["$schema"], "hconcat": kept, "spacing": 30, "resolve": resolve}


def legend(orient: str, columns: int = 1) -> Spec:
    """A legend of strategies at this side of a picture, with so many columns."""
    return {"title": None, "orient": orient, "columns": columns, "labelLimit": 0, "symbolSize": 80}


@functools.cache
def _colours() -> dict[str, str]:
    """The colours by the names of page.css, which has those of a light screen first."""
    style = files("backprop.bench.report").joinpath("page", "page.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--(\w+): (#\w+)", style.partition("}")[0]))


# The pictures of a run ----------------------------------------------------------------------------------

_AGAINST_SIZE = {"time-against-size": "time", "memory-against-size": "memory"}
NAMES = tuple(name + suffix for name in _AGAINST_SIZE for suffix in SUFFIXES)
"""The files that `draw_against_size` makes."""


def draw_against_size(cells: Iterable[Record]) -> dict[str, bytes]:
    """The files by name, time and memory against size; nothing where no cell can be compared."""
    cells = comparable(cells)
    if not cells:
        return {}
    found = list(lines(cells))
    rows = [
        cell_row(cell) | {"strategy": name, "size": cell.parameters, "fitted": units.MISSING}
        for name, line in found
        for cell in line
    ]
    networks = _networks(cells)
    look = channels([name for name, _ in found], legend("right"))
    made: dict[str, bytes] = {}
    for name, quantity in _AGAINST_SIZE.items():
        chart = charts.against_size(quantity, SIZES["parameters"], look, PLAIN)
        chart = {**chart, "width": 520, "height": 400, "layer": [*chart["layer"], *_network_names()]}
        made |= drawn(name, chart, cells=rows, networks=networks)
    return made


def comparable(cells: Iterable[Record]) -> list[Record]:
    """The right cells in float64 of one batch a network, with more than one sample: what most networks have.

    Of batches that equally many have, it is the smallest.
    """
    right = [cell for cell in cells if ran(cell) and cell.dtype == "float64" and cell.batch_size > 1]
    sizes = grouped(right, lambda cell: cell.batch_size)
    networks = {size: len({cell.network for cell in own}) for size, own in sizes.items()}
    chosen = {
        network: max((cell.batch_size for cell in own), key=lambda size: (networks[size], -size))
        for network, own in grouped(right, lambda cell: cell.network).items()
    }
    return [cell for cell in right if cell.batch_size == chosen[cell.network]]


def lines(cells: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Every line: the name of its strategy, with its processor where there are several; and its cells by size."""
    several = len({cell.cpu for cell in cells if cell.cpu}) > 1
    for (strategy, cpu), line in grouped(cells, lambda cell: (cell.strategy, cell.cpu)).items():
        name = f"{strategy}, {cpu or units.MISSING}" if several else strategy
        yield name, sorted(line, key=lambda cell: cell.parameters)


def _networks(cells: Iterable[Record]) -> list[Json]:
    """The networks' sizes and names; of those that lie close together, the first."""
    shown: list[Json] = []
    for cell in sorted(cells, key=lambda cell: cell.parameters):
        if not shown or cell.parameters > 1.5 * shown[-1]["size"]:
            shown.append({"size": cell.parameters, "network": cell.network.split()[0]})
    return shown


def _network_names() -> list[Spec]:
    """The networks' names along the top, each at its size."""
    place = {"x": {"field": "size", "type": "quantitative"}, "y": {"value": 0}}
    slanted = {"type": "text", "angle": 340, "align": "left", "baseline": "bottom", "dx": 2, "dy": -8}
    words = {**place, "text": {"field": "network", "type": "nominal"}}
    tick = {"type": "rule", "strokeWidth": 1, "color": "var(--dim)"}
    return [
        {"data": {"name": "networks"}, "mark": slanted, "encoding": words},
        {"data": {"name": "networks"}, "mark": tick, "encoding": {**place, "y2": {"value": -6}}},
    ]


# The pictures of accuracy -------------------------------------------------------------------------------


def draw_curves(curves: Iterable[Json]) -> dict[str, bytes]:
    """The curves of `accuracy.curves` as files by name: a picture an experiment, with a panel a dtype."""
    made: dict[str, bytes] = {}
    for name, own in grouped(curves, lambda curve: str(curve["picture"])).items():
        strategies = dict.fromkeys(row["strategy"] for curve in own for row in curve["rows"])
        look = channels(strategies, legend("bottom", 4))
        panels = [
            {**charts.error_curve(curve, look), "width": 400, "height": 320, "data": {"name": curve["dtype"]}}
            for curve in own
        ]
        made |= drawn(
            name, beside(*panels, vertical="independent"), **{curve["dtype"]: curve["rows"] for curve in own}
        )
    return made
