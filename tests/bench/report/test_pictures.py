"""The pictures compare what can be compared; the page and the pictures are drawn from the same charts."""

import base64
import re
import subprocess
import sys
import zlib

import numpy as np
import pytest
from headline import draw_headline
from rows import left_out, record, wrong

from backprop.bench.report import charts, pictures
from backprop.bench.report.answer import find_lead
from backprop.bench.report.data import bar_rows
from backprop.bench.report.looks import looks
from backprop.bench.report.ranking import HEADLINE
from backprop.bench.training.pictures import _as_url

LINE = [record("short-form"), record("short-form", network="9-9 softmax", parameters=90, time=2e-3)]
PLACE = {"scenario": HEADLINE[0], "dtype": HEADLINE[1], "network": "784-512-10 relu cross-entropy"}
SHORT = [record("short-form", **PLACE), record("vjp", 3e-3, **PLACE)]

drawing = pytest.mark.skipif(not pictures.available(), reason=f"no pictures without {pictures.NEEDED}")


def svg(drawn, name):
    return drawn[f"{name}.svg"].decode()


@drawing
def test_time_and_memory_are_drawn_as_svg_and_as_pdf_with_fonts_that_a_publisher_takes():
    drawn = pictures.draw_against_size([*LINE, record("dense", 1.0)])
    assert tuple(drawn) == pictures.NAMES
    for name, content in drawn.items():
        assert content.startswith(b"<svg" if name.endswith(".svg") else b"%PDF"), name
        if name.endswith(".pdf"):
            assert b"/FontFile2" in content  # TrueType, embedded
            assert b"/Type3" not in content


@drawing
def test_the_same_rows_make_the_same_svg():
    first, second = (pictures.draw_against_size(LINE) for _ in range(2))
    assert [svg(first, f"{what}-against-size") for what in ("time", "memory")] == [
        svg(second, f"{what}-against-size") for what in ("time", "memory")
    ]


@drawing
def test_the_interval_of_a_time_is_drawn():
    wide = [record("short-form", time_low_s=1e-4, time_high_s=9e-3), LINE[1]]
    with_one, without = (pictures.draw_against_size(rows) for rows in (wide, LINE))
    assert svg(with_one, "time-against-size") != svg(without, "time-against-size")
    marks = [re.sub('aria-label="[^"]*"', "", svg(one, "memory-against-size")) for one in (with_one, without)]
    assert marks[0] == marks[1]


@drawing
def test_a_picture_names_its_strategies_its_networks_and_its_axes():
    text = svg(pictures.draw_against_size([*LINE, record("dense", 1.0)]), "time-against-size")
    for words in ("short-form", "dense", "4-3-2", "9-9", "parameters p", "time of one gradient", "1 ms"):
        assert f">{words}<" in text


@drawing
def test_a_picture_has_colours_of_its_own_and_none_of_a_page():
    text = svg(pictures.draw_against_size(LINE), "time-against-size")
    assert "var(" not in text
    (look,) = looks(["short-form"]).values()
    assert pictures._colours()[look.colour.removeprefix("var(--").removesuffix(")")] in text


@drawing
def test_a_name_that_is_code_is_text():
    text = svg(
        pictures.draw_against_size([record("<script>alert(1)</script>"), *LINE]),
        "time-against-size",
    )
    assert "<script" not in text


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [left_out()],
        [wrong()],
        [record(dtype="float32")],
        [record(batch_size=1)],
        [record(time_median_s=None)],
    ],
    ids=["none", "left out", "wrong", "float32", "one sample", "not timed"],
)
def test_nothing_to_draw_is_no_picture(rows):
    assert pictures.draw_against_size(rows) == {}


def test_only_right_cells_of_one_batch_size_a_network_are_drawn():
    rows = [
        record("right"),
        record("larger-batch", batch_size=128),
        wrong("wrong"),
        left_out("left-out"),
        record("single", dtype="float32"),
    ]
    assert [cell.strategy for cell in pictures.comparable(rows)] == ["right"]


def test_of_every_network_the_batch_is_drawn_that_most_networks_have():
    swept = [record(f"batch-{n}", network="9-9 softmax", batch_size=n) for n in (2, 8, 32)]
    assert [cell.strategy for cell in pictures.comparable([*swept, record("toy", batch_size=8)])] == [
        "batch-8",
        "toy",
    ]


@drawing
def test_a_line_joins_networks_that_differ_in_their_sizes_alone():
    def lines(*networks):
        rows = [record("vjp", network=name, parameters=10 * (k + 1)) for k, name in enumerate(networks)]
        text = svg(pictures.draw_against_size(rows), "memory-against-size")
        return len(re.findall(r'<path[^>]* d="M[^"]*L[^"Z]*"[^>]*stroke="#\w+" stroke-width="1.5"', text))

    alike = lines("4-3-2 relu cross-entropy", "9-3-2 relu cross-entropy")
    deeper = lines("4-3-2 relu cross-entropy", "9-3-3-2 relu cross-entropy")
    assert (alike, deeper) == (1, 0)


@drawing
def test_more_strategies_than_colours_can_be_drawn():
    assert pictures.draw_against_size([record(f"strategy-{k}") for k in range(20)])


# The headline


@drawing
def test_page_and_headline_are_one_chart(monkeypatch):
    asked = []
    monkeypatch.setattr(
        pictures, "drawn", lambda name, chart, **rows: asked.append((name, chart, rows)) or {}
    )
    rows = [*SHORT, left_out("dense", predicted_time_s=2.0, **PLACE)]
    draw_headline(rows)
    ((name, chart, data),) = asked
    lead = find_lead(rows)
    page = charts.bars(lead)
    assert name == "headline"
    assert data == {"cells": bar_rows(lead)}
    assert {key: value for key, value in chart.items() if key not in ("title", "width")} == {
        key: value for key, value in page.items() if key != "width"
    }


@drawing
def test_the_headline_has_a_bar_a_strategy_and_those_that_are_predicted_are_pale_and_dashed():
    rows = [
        *SHORT,
        left_out("finite-differences", "over-time-budget", predicted_time_s=700.0, **PLACE),
        left_out("dead", "crashed", predicted_time_s=1e-6, **PLACE),
        record("elsewhere", 1e-9, **PLACE | {"scenario": "toy"}),
    ]
    drawn = draw_headline(rows)
    assert list(drawn) == ["headline.svg", "headline.pdf"]
    bars = re.findall(
        r'<path aria-label="[^"]*"[^>]*aria-roledescription="bar"[^>]*>', svg(drawn, "headline")
    )
    colours = pictures._colours()
    assert [f'fill="{colours["accent"]}"' in bar for bar in bars] == [True, True, False]
    assert [f'fill="{colours["predicted"]}"' in bar and "stroke-dasharray" in bar for bar in bars][2]
    assert svg(drawn, "headline") == svg(draw_headline(rows), "headline")


@drawing
def test_a_figure_stands_behind_the_interval_of_its_bar():
    wide = [SHORT[0], record("vjp", 3e-3, ratio_low=2.0, ratio_high=5.0, **PLACE)]
    assert [bar["end"] for bar in bar_rows(find_lead(wide))] == [1.0, 5.0]
    assert svg(draw_headline(wide), "headline") != svg(draw_headline(SHORT), "headline")


@pytest.mark.parametrize(
    "rows", [[], [SHORT[1]], [record(), record("vjp", 3e-3)]], ids=["none", "no base", "toy"]
)
def test_without_the_short_form_of_that_scenario_there_is_no_headline(rows):
    assert draw_headline(rows) == {}


# Errors


def errors():
    return [
        {"strategy": "central", "x": x, "error": error, "x_text": "", "error_text": "", "bottom": bottom}
        for x, error, bottom in ((1e-8, 1e-8, False), (1e-2, 1e-4, False), (1e-5, 1e-10, True))
    ]


@drawing
def test_curves_of_errors_have_a_panel_a_dtype_and_a_ring_at_the_predicted_bottom():
    said = {"picture": "curve", "title": "step h", "caption": ""}
    panels = [
        {**said, "dtype": "float32", "rings": False, "rows": errors()[:2]},
        {**said, "dtype": "float64", "rings": True, "rows": errors()},
    ]
    drawn = pictures.draw_curves(panels)
    assert list(drawn) == ["curve.svg", "curve.pdf"]
    text = svg(drawn, "curve")
    assert "relative error, float32" in text
    assert "relative error, float64" in text
    assert len(re.findall(r'aria-roledescription="point"', text)) == 5
    assert pictures.draw_curves([]) == {}


# What drawing needs


@pytest.mark.processes
@drawing
def test_vl_convert_is_imported_only_where_something_is_drawn():
    code = (
        "import sys; from backprop.bench.report import html, markdown, pictures; pictures.available();"
        "print('vl_convert' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@drawing
def test_a_picture_asks_for_nothing_from_the_network():
    chart = charts.chart("", 10, data={"url": "https://example.invalid/data.json"}, mark="point", encoding={})
    with pytest.raises(ValueError, match=r"example\.invalid"):
        pictures.as_svg({**chart, "width": 10})


def test_an_image_of_a_training_is_black_where_it_was_inked():
    image = np.array([[0, 255], [255, 0], [0, 0]], np.uint8)
    content = base64.b64decode(_as_url(image).removeprefix("data:image/png;base64,"))
    assert content.startswith(b"\x89PNG")
    data = content.partition(b"IDAT")[2]
    assert zlib.decompressobj().decompress(data) == b"\0\xff\0" + b"\0\0\xff" + b"\0\xff\xff"
