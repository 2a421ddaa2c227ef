"""Cells of hosts whose processors differ share a run, and no figure that is made of both."""

from rows import record

from backprop.bench.report.pictures import lines
from backprop.bench.report.scaling import exponents


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
    assert {one.sizes for one in exponents(width_sweep(["A"] * 6))} == {(16, 32, 64, 128, 256, 512)}
    found = exponents(width_sweep(["A", "B", "A", "B", "A", "B"]))
    assert {one.sizes for one in found} == {(16, 64, 256), (32, 128, 512)}
    assert exponents(width_sweep(["A", "A", "B", "B", "C", "C"])) == []


def test_a_line_of_a_picture_joins_cells_of_one_processor():
    def named(cpus):
        return {name: [cell.network.split()[0] for cell in line] for name, line in lines(width_sweep(cpus))}

    together = ["784-16-10", "784-32-10", "784-64-10", "784-128-10", "784-256-10", "784-512-10"]
    for cpus in (["A"] * 6, [None] * 6):
        assert named(cpus) == {"short-form": together}
    assert named(["A", "B"] * 3) == {"short-form, A": together[::2], "short-form, B": together[1::2]}
