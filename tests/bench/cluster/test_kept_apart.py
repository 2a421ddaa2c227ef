"""Cells of hosts whose processors differ share a run, and no figure that is made of both."""

from rows import record

from bench.report.frame import to_frame
from bench.report.scaling import exponents


def width_sweep(cpus):
    return [
        record(
            network=f"784-{width}-10 relu cross-entropy",
            scenario=f"784-{width}-10",
            time=1e-6 * width,
            cpu=cpu,
        )
        for width, cpu in zip((16, 32, 64, 128, 256, 512), cpus, strict=True)
    ]


def test_exponents_are_fitted_to_cells_of_one_processor():
    assert {one.sizes for one in exponents(to_frame(width_sweep(["A"] * 6)))} == {(16, 32, 64, 128, 256, 512)}
    found = exponents(to_frame(width_sweep(["A", "B", "A", "B", "A", "B"])))
    assert {one.sizes for one in found} == {(16, 64, 256), (32, 128, 512)}
    assert exponents(to_frame(width_sweep(["A", "A", "B", "B", "C", "C"]))) == []
