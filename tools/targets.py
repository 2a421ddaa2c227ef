"""How fast each strategy should be: the maintainers' bounds.     python tools/targets.py results/reference/peers

Targets are formed from the cells of a run, turn by turn; a cell that was not measured gives no row. Bounds are what a
strategy must reach, on one thread where nothing else is said, and what it aims at. Four fifths of the digits' pixels
are zero: short-form leaves them out, while libraries and short-form-dense multiply them. The bytes of a Jacobian are
those of its whole array, each counted once; batched-jacobian does not write the zeros of a digit, and can therefore
reach more than 1.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from backprop import units
from backprop.bench.estimates import read_run
from backprop.bench.record import Record, by_scenario
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import ran
from backprop.bench.statistics import Estimate, LogMean, combined, ratio_of


@dataclass(frozen=True)
class Target:
    """One figure with the bound that it must reach and the one that it should reach (aim).

    must, aim: None where the figure is only reported. at_most: whether smaller is better. floor: the noise floor of
    its cell. mean: the mean of the logarithms over the starts, where the figure is a ratio of times. is_mean: whether
    the figure is itself a mean over cells. as_set: whether the cell is one that bounds are about.
    """

    work: str
    cell: str
    figure: Estimate
    must: float | None
    aim: float | None
    at_most: bool = True
    floor: float | None = None
    is_mean: bool = False
    mean: LogMean | None = None
    as_set: bool = False

    @property
    def verdict(self) -> str:
        """aim, reached or missed; empty where there is no bound."""
        for word, bound in (("aim", self.aim), ("reached", self.must)):
            if bound is not None and (self.figure.value <= bound) == self.at_most:
                return word
        return "" if self.must is None else "missed"


def targets(cells: Sequence[Record]) -> list[Target]:
    """Every target that can be formed from the right cells of a run."""
    right = list(filter(ran, cells))
    found = [target for group in _groups(right) for rule in _RULES for target in rule(group)]
    found += list(_geometric_means(found))
    found += [target for group in _groups(cells) for target in _local_differences(group)]
    order = list(dict.fromkeys(target.work for target in found))
    return sorted(found, key=lambda target: order.index(target.work))


def target_rows(found: Sequence[Target]) -> list[dict[str, str]]:
    """One row a target, as text."""
    return [
        {
            "work": target.work,
            "cell": target.cell,
            "seen": units.small_ratio(target.figure.value),
            "95% interval": _interval(target.figure),
            "noise floor": units.factor(target.floor),
            "must": _bound(target.must, target.at_most),
            "aim": _bound(target.aim, target.at_most),
            "": target.verdict or units.MISSING,
        }
        for target in found
    ]


def summary_rows(found: Sequence[Target]) -> list[dict[str, str]]:
    """One row a kind of work: the range of the figures that have a bound, and how many of them reach it."""
    lines = []
    for work in dict.fromkeys(target.work for target in found if target.must is not None):
        bound = [target for target in found if target.work == work and target.must is not None]
        for cells in ([t for t in bound if not t.is_mean], [t for t in bound if t.is_mean]):
            if not cells:
                continue
            seen = sorted(target.figure.value for target in cells)
            lines.append(
                {
                    "work": work if not cells[0].is_mean else f"{work}: {cells[0].cell}",
                    "seen": units.small_ratios(seen[0], seen[-1]),
                    "must": _bound(cells[0].must, cells[0].at_most),
                    "aim": _bound(cells[0].aim, cells[0].at_most),
                    "reached": f"{sum(t.verdict != 'missed' for t in cells)} of {len(cells)}",
                }
            )
    return lines


def beside_libraries(found: Sequence[Target]) -> list[dict[str, str]]:
    """One row a cell or mean of cells: the short form and the dense one against the fastest library and by hand."""
    rows: dict[str, dict[str, str]] = {}
    for target in found:
        if target.work in _MEANS:
            threads = ", 2 threads" if target.is_mean and "two threads" in target.work else ""
            against = " ÷ by hand in PyTorch" if "by hand" in target.work else ""
            row = rows.setdefault(target.cell + threads, {})
            row[f"`{target.work.split()[0]}`{against}"] = units.small_ratio(target.figure.value)
    headers = dict.fromkeys(header for row in rows.values() for header in row)
    return [
        {"÷ the fastest library": cell} | {header: row.get(header, units.MISSING) for header in headers}
        for cell, row in rows.items()
    ]


def _interval(figure: Estimate) -> str:
    if not figure.has_interval:
        return units.MISSING
    return units.small_ratios(figure.low, figure.high)


def _bound(value: float | None, at_most: bool) -> str:
    return units.MISSING if value is None else f"{'≤' if at_most else '≥'} {units.small_ratio(value)}"


# The rules ----------------------------------------------------------------------------------------------

Group = dict[str, Record]
"""The cells of one scenario and dtype, by strategy."""


def _groups(cells: Iterable[Record]) -> Iterator[Group]:
    for own in by_scenario(cells).values():
        yield {cell.strategy: cell for cell in own}


def _target(
    work: str,
    cell: Record,
    figure: Estimate | LogMean,
    must: float | None,
    aim: float | None,
    *,
    where: bool = True,
    everywhere: bool = False,
    at_most: bool = True,
    bound_threads: int = 1,
) -> Target:
    """A target of this cell; a figure of times comes as the mean of its logarithms.

    The bounds hold on so many threads for the network 784-512-10, and `where` the rule says so, or else `everywhere`.
    Where they do not hold the figure is only reported.
    """
    threads = "" if cell.threads == 1 else f", {cell.threads} threads"
    name = f"{cell.network.split()[0]}, batch {cell.batch_size}, {cell.dtype}{threads}"
    as_set = where and cell.network.startswith("784-512-10 ") and cell.threads == bound_threads
    if not (as_set or everywhere):
        must = aim = None
    mean = figure if isinstance(figure, LogMean) else None
    estimate = figure.estimate if isinstance(figure, LogMean) else figure
    return Target(work, name, estimate, must, aim, at_most, cell.noise_floor, mean=mean, as_set=as_set)


def _libraries(
    name: str,
    libraries: Sequence[str],
    work: str,
    must: float | None,
    aim: float | None,
    group: Group,
    everywhere: bool = False,
    threads: int = 1,
) -> Iterator[Target]:
    """A strategy ÷ the fastest of the libraries that were measured, on one thread, or on more."""
    others = [group[library] for library in libraries if library in group]
    if name in group and others and min(group[name].threads, 2) == threads:
        own, fastest = group[name], min(others, key=lambda cell: cell.time_median_s)
        together = own.turns_group is not None and own.turns_group == fastest.turns_group
        ratio = ratio_of(own.samples_s, fastest.samples_s, together)
        yield _target(work, own, ratio, must, aim, everywhere=everywhere, bound_threads=threads)


def _layers(
    networks: Sequence[str],
    libraries: Sequence[str],
    work: str,
    must: float,
    aim: float,
    group: Group,
) -> Iterator[Target]:
    """The short form of one of these known networks ÷ the fastest of the others."""
    cell = next(iter(group.values()))
    known, _, batch = cell.scenario.rpartition("-")
    if known in networks:
        name = f"{known}, batch {batch}, {cell.dtype}"
        for target in _libraries("short-form", libraries, work, must, aim, group, everywhere=True):
            yield replace(target, cell=name)


def _products(group: Group) -> Iterator[Target]:
    cell = group.get("short-form")
    if cell is not None and cell.ratio_to_products is not None and "784-512-10" in cell.network:
        ratio = Estimate(cell.ratio_to_products)
        work = "short-form ÷ its own dense products"
        yield _target(work, cell, ratio, 0.95, 0.80, where=cell.batch_size >= 32)


def _bandwidth(group: Group) -> Iterator[Target]:
    for name in ("full-jacobian", "batched-jacobian"):
        cell = group.get(name)
        if cell is not None and cell.bandwidth_share is not None and cell.parameters > 100_000:
            work = f"{name}: bytes of its Jacobian per second ÷ the memory's bandwidth"
            yield _target(work, cell, Estimate(cell.bandwidth_share), 0.5, 0.8, at_most=False)


def _sparse(group: Group) -> Iterator[Target]:
    sparse, full = group.get("sparse-jacobian"), group.get("full-jacobian")
    if sparse is not None and full is not None and sparse.parameters > 100_000:
        ratio = Estimate(sparse.peak_bytes / full.peak_bytes)
        yield _target("sparse-jacobian ÷ full-jacobian, peak memory", sparse, ratio, 1 / 100, None)


def _local_differences(group: Group) -> Iterator[Target]:
    """Against the black box, which is predicted from the measured time of a pass and not run."""
    local, black_box = group.get("local-finite-differences"), group.get("finite-differences")
    if local is None or black_box is None or local.status != "ok" or local.parameters < 100_000:
        return
    passes = 1 / black_box.predicted_time_s
    ratio = Estimate(*(float(t) * passes for t in (local.time_median_s, local.time_low_s, local.time_high_s)))
    as_set = local.dtype == "float64" and local.batch_size == 32
    work = "local-finite-differences ÷ the black box, predicted from its pass"
    yield _target(work, local, ratio, 1 / 500, 1 / 1500, where=as_set)


_GRADIENTS = ("torch-grad", "torch-compile", "jax-grad", "autograd-grad")
_GRADIENT_WORK = "short-form ÷ the fastest of PyTorch, JAX and autograd"
_DENSE_WORK = "short-form-dense ÷ the fastest of PyTorch, JAX and autograd"
_BY_HAND_WORK = "short-form ÷ the short form by hand in PyTorch"
_DENSE_BY_HAND_WORK = "short-form-dense ÷ the short form by hand in PyTorch"
_THREADS_WORK = "short-form ÷ the fastest library, two threads"
_DENSE_THREADS_WORK = "short-form-dense ÷ the fastest library, two threads"
_JACOBIANS = ("torch-jacrev", "jax-jacrev")
_JACOBIAN_WORK = "batched-jacobian ÷ the faster jacrev"
_FORWARD_WORK = "forward-mode ÷ jax.jacfwd"
_NETWORK_WORK = "networks of layers: short-form ÷ the faster of PyTorch and JAX"
_CLOSED_FORM_WORK = "networks of layers: short-form ÷ layerwise-vjp"
_RULES: tuple[Callable[[Group], Iterator[Target]], ...] = (
    partial(_libraries, "short-form", _GRADIENTS, _GRADIENT_WORK, 0.95, 0.80),
    partial(_libraries, "short-form-dense", _GRADIENTS, _DENSE_WORK, None, None),
    partial(_libraries, "short-form", ("torch-short-form",), _BY_HAND_WORK, 1.0, None),
    partial(_libraries, "short-form-dense", ("torch-short-form",), _DENSE_BY_HAND_WORK, None, None),
    partial(_libraries, "short-form", _GRADIENTS, _THREADS_WORK, 1.05, 0.90, threads=2),
    partial(_libraries, "short-form-dense", _GRADIENTS, _DENSE_THREADS_WORK, None, None, threads=2),
    _products,
    partial(_libraries, "batched-jacobian", _JACOBIANS, _JACOBIAN_WORK, 0.6, 0.4),
    _bandwidth,
    partial(_libraries, "forward-mode", ("jax-jacfwd",), _FORWARD_WORK, 1.0, 0.5, everywhere=True),
    _sparse,
    partial(_layers, ("lenet", "resmlp-ln", "mlp-bn"), _GRADIENTS[:3], _NETWORK_WORK, 2.0, 1.0),
    partial(
        _layers,
        ("mlp-bn", "resmlp-ln", "patches-attention", "rows-lstm"),
        ("layerwise-vjp",),
        _CLOSED_FORM_WORK,
        1.0,
        0.6,
    ),
)


_MEANS: dict[str, tuple[float | None, float | None]] = {
    _GRADIENT_WORK: (0.68, 0.60),
    _DENSE_WORK: (0.95, 0.85),
    _BY_HAND_WORK: (0.80, 0.70),
    _DENSE_BY_HAND_WORK: (None, None),
    _THREADS_WORK: (0.95, None),
    _DENSE_THREADS_WORK: (None, None),
}
"""What the geometric mean over its cells must reach, and its aim, by work."""


def _geometric_means(found: Sequence[Target]) -> Iterator[Target]:
    """Over all cells that bounds are about; they were measured in turns of their own."""
    for work, (must, aim) in _MEANS.items():
        cells = [target.mean for target in found if target.work == work and target.as_set and target.mean]
        if len(cells) > 1:
            mean = combined([1 / len(cells)] * len(cells), cells)
            name = f"geometric mean of {len(cells)} cells"
            yield Target(work, name, mean.estimate, must, aim, is_mean=True, mean=mean)


@functools.cache
def cells_of(folder: Path) -> list[Record]:
    """The cells of a run, of which several tables are made: they are read, and not changed."""
    return read_run(folder).records


if __name__ == "__main__":
    print(markdown_table(target_rows(targets(cells_of(Path(sys.argv[1]))))))
