"""Exponents stand beside their cells, and every pair of gradients is in the matrix."""

from rows import agreement, record

from backprop.bench.report.frame import to_frame
from backprop.bench.report.page import matrices
from backprop.bench.report.scaling import exponents


def test_every_pair_is_in_the_matrix_twice_and_marked_where_it_is_apart():
    rows = [agreement("a", "b"), agreement("a", "c", distance=0.5, agrees=False), agreement("b", "c")]
    ((label, names, lines),) = matrices.agreement_tables(rows)
    assert (label, names) == ("toy, float64", ["a", "b", "c"])
    assert lines == [list(other) for other in zip(*lines, strict=True)]
    assert lines[0] == ["", "1.0e-16", "5.0e-01 ✗"]


def test_an_exponent_stands_beside_the_cells_that_it_was_fitted_to():
    rows = [
        record(time=1e-3 * n, batch_size=n, dtype=dtype, predicted_time_s=1e-3 * n, scenario=f"b{n}")
        for dtype in ("float32", "float64")
        for n in (1, 4, 16)
    ]
    frame = to_frame(rows)
    lines = matrices.exponent_table(frame, exponents(frame))
    assert [line["cell"] for line in lines] == ["4-3-2, float32", "4-3-2, float64"]
    assert lines[0]["against"] == "batch 1 to 16, 3 sizes"
    assert lines[0]["time"].startswith("1.00 (")
    assert lines[0]["time, predicted"] == "1.00"
