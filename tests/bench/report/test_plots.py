"""The plots compare what can be compared, and the same records make the same file."""

import pytest
from rows import left_out, record, wrong

from backprop.bench.report import plots
from backprop.bench.report.frame import to_frame

LINE = [record("short-form"), record("short-form", network="9-9 softmax", parameters=90, time=2e-3)]


def test_two_plots_are_drawn_as_svg_and_pdf():
    drawn = plots.draw_plots(to_frame([*LINE, record("dense", 1.0)]))
    assert tuple(drawn) == plots.NAMES
    for name, content in drawn.items():
        assert content.startswith(b"<?xml" if name.endswith(".svg") else b"%PDF"), name


def test_the_interval_of_a_time_is_drawn():
    wide = [record("short-form", time_low_s=1e-4, time_high_s=9e-3), LINE[1]]
    assert (
        plots.draw_plots(to_frame(wide))[plots.NAMES[0]] != plots.draw_plots(to_frame(LINE))[plots.NAMES[0]]
    )
    assert (
        plots.draw_plots(to_frame(wide))[plots.NAMES[2]] == plots.draw_plots(to_frame(LINE))[plots.NAMES[2]]
    )


def test_the_same_records_make_the_same_file():
    assert plots.draw_plots(to_frame(LINE)) == plots.draw_plots(to_frame(LINE))


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
def test_nothing_to_plot_is_no_plot(rows):
    assert plots.draw_plots(to_frame(rows)) == {}


def test_only_right_cells_of_one_batch_size_a_network_are_drawn():
    rows = [
        record("right"),
        record("larger-batch", batch_size=128),
        wrong("wrong"),
        left_out("left-out"),
        record("single", dtype="float32"),
    ]
    assert list(plots._comparable(to_frame(rows)).strategy) == ["right"]


def test_more_strategies_than_colours_can_be_drawn():
    assert plots.draw_plots(to_frame([record(f"strategy-{k}") for k in range(20)]))
