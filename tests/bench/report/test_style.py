"""Every picture has one style, and becomes the same SVG and PDF each time."""

import pytest

from backprop.bench.report import style

pytest.importorskip("matplotlib")


def drawn():
    with style.drawing(3, 2) as figure:
        axes = figure.subplots()
        axes.plot([1, 10], [1e-9, 1e-3], **style.look(0))
        style.logarithmic(axes, "size (bytes)", "time (s)")
        return style.files(figure, "picture"), axes


def test_a_picture_is_two_files_that_are_the_same_every_time():
    (first, _), (second, _) = drawn(), drawn()
    assert list(first) == ["picture.svg", "picture.pdf"]
    assert first == second


def test_axes_are_logarithmic_with_their_units():
    _, axes = drawn()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("size (bytes)", "time (s)")


def test_no_line_looks_like_another_before_the_seventh():
    looks = {(style.look(k)["color"], style.look(k)["marker"]) for k in range(7)}
    assert len(looks) == 7


def test_the_style_ends_with_the_drawing():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawn()
    assert dict(mpl.rcParams) == before
