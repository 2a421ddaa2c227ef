"""Where the time of one call of the short form goes:   python tools/parts.py --batch 32 --batch 128

Every function of NumPy that the layers and the loss call is timed, with the operations and the bytes of its arrays,
each array once. What a layer does beside them is a row of its own: indexing, such as putting rows into dL/dW, and the
products of scipy.sparse. The last columns are shares of what the machine can do, measured by the same process: of the
speed of a large matrix product, and of a copy of memory. Arrays in a cache are moved faster than that.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop.bench.threads import fix_threads

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario

NETWORK = "784-512-10"
_SECONDS = 1.0
_REST = "indexing, Python"
_KINDS = {
    "matmul": "products",
    "einsum": "products",
    "take": "gather",
    "flatnonzero": "find zeros",
    "not_equal": "find zeros",
    "bitwise_or": "find zeros",
    "bitwise_and": "find zeros",
    "count_nonzero": "find zeros",
    "add": "sums",
}
"""What a function of NumPy does, where it is no operation on each element."""


@dataclass
class Part:
    """A part of a call: nanoseconds, floating-point operations, and bytes that are read and written."""

    ns: int = 0
    flops: int = 0
    bytes: int = 0


Parts = dict[tuple[str, str], Part]
"""The parts of a call by phase, such as "forward, relu", and what is done in it, such as "products"."""


@dataclass
class Stopwatch:
    """The parts of the calls that are made while it watches; each moment belongs to the innermost part.

    What watching itself takes belongs to no part.
    """

    parts: Parts = field(default_factory=dict)
    _phases: list[tuple[str, str]] = field(default_factory=lambda: [("call", _REST)])
    _inside: list[int] = field(default_factory=lambda: [0])

    def phase(self, name: str, function: Callable[..., Any], rest: str = _REST) -> Callable[..., Any]:
        """The function as a part of its own, within which NumPy's functions are told apart from the rest."""

        def watched(*arguments: Any, **options: Any) -> Any:
            enter = time.perf_counter_ns()
            self._phases.append((name, rest))
            self._inside.append(0)
            start = time.perf_counter_ns()
            result = function(*arguments, **options)
            took = time.perf_counter_ns() - start - self._inside.pop()
            self._phases.pop()
            self._part(name, rest).ns += took
            self._inside[-1] += time.perf_counter_ns() - enter
            return result

        return watched

    def numpy(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of NumPy whose arrays are counted."""
        kind = _KINDS.get(name, "elementwise")

        def watched(*arguments: Any, **options: Any) -> Any:
            enter = time.perf_counter_ns()
            result = function(*arguments, **options)
            took = time.perf_counter_ns() - enter
            part = self._part(self._phases[-1][0], kind)
            part.ns += took
            # Of what is gathered from, only what is taken is read.
            operands = [result, result] if name == "take" else [*arguments, result]
            part.bytes += sum(one.nbytes for one in operands if isinstance(one, np.ndarray))
            part.flops += 2 * arguments[0].shape[-1] * result.size if name == "matmul" else 0
            self._inside[-1] += time.perf_counter_ns() - enter
            return result

        return watched

    def _part(self, phase: str, kind: str) -> Part:
        return self.parts.setdefault((phase, kind), Part())


class _Watched:
    """An object of which some methods, or all functions of a module, are watched; the rest is its own."""

    def __init__(self, watched: Any, replace: Callable[[str, Any], Any]) -> None:
        self._watched, self._replace = watched, replace

    def __getattr__(self, name: str) -> Any:
        found = self._replace(name, getattr(self._watched, name))
        self.__dict__[name] = found  # looked up once
        return found

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._replace("", self._watched)(*arguments, **options)


@contextmanager
def _numpy_watched(stopwatch: Stopwatch) -> Iterator[None]:
    """NumPy as the modules of layers, losses and products know it, with every ufunc and function watched."""

    def replace(name: str, found: Any) -> Any:
        if isinstance(found, np.ufunc):  # with its methods, such as np.add.reduce
            name = found.__name__
            return _Watched(found, lambda _, own: stopwatch.numpy(name, own) if callable(own) else own)
        return stopwatch.numpy(name, found) if callable(found) and not isinstance(found, type) else found

    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith("backprop.") and getattr(module, "np", None) is np
    ]
    for module in modules:
        vars(module)["np"] = _Watched(np, replace)
    try:
        yield
    finally:
        for module in modules:
            vars(module)["np"] = np


def _plan_watched(plan: Any, stopwatch: Stopwatch) -> Any:
    """The short form's plan, whose layers and loss are phases; of a layer without zeros, its two ways as well."""
    from backprop.zero_inputs.entries import Entries
    from backprop.zero_inputs.gathered import Gathered

    def layer(one: Any, name: str) -> _Watched:
        for attribute, own in list(vars(one).items()):
            if isinstance(own, (Gathered, Entries)):
                often = isinstance(own, Gathered)
                what = f"{name}, inputs used {'often' if often else 'rarely'}"
                rest = _REST if often else "scipy.sparse, indexing"
                vars(one)[attribute] = _Watched(own, _phases(stopwatch, what, _WAYS, rest))
        return _Watched(one, _phases(stopwatch, name, {"forward": "forward", "vjp": "backward"}))

    symbols = [f"{own.layer.name} {own.i}-{own.o}" for own in plan.network.sized]
    loss = _phases(stopwatch, plan.network.loss_function.name, {"value_and_gradient": "loss"})
    network = SimpleNamespace(
        local=plan.network.local, loss_function=_Watched(plan.network.loss_function, loss)
    )
    layers = tuple(layer(one, name) for one, name in zip(plan.layers, symbols, strict=True))
    return dataclasses.replace(plan, layers=layers, network=network)


_WAYS = {"select": "select", "forward": "forward", "add_forward": "forward", "gradient": "backward"}


def _phases(
    stopwatch: Stopwatch, name: str, methods: dict[str, str], rest: str = _REST
) -> Callable[[str, Any], Any]:
    def replace(method: str, own: Any) -> Any:
        return stopwatch.phase(f"{methods[method]}, {name}", own, rest) if method in methods else own

    return replace


def parts_of(strategy_name: str, scenario: Scenario, data: str, seconds: float) -> Parts:
    """The parts of a call of a short form on digits, each with the median of its time over as many calls as fit."""
    from backprop import find_strategy
    from backprop.bench.steps import Workbench
    from backprop.data import load

    bench, strategy = Workbench(scenario, load(data), 1), find_strategy(strategy_name)
    stopwatch, seen = Stopwatch(), list[Parts]()
    plan = strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)
    plan, params, batch = _plan_watched(plan, stopwatch), bench.params, bench.batch
    with _numpy_watched(stopwatch):
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(seen) < 3:
            stopwatch.parts = {}
            stopwatch.phase("call", strategy.value_and_gradient)(plan, params, batch)
            seen.append(stopwatch.parts)
    last = seen[-1]
    for key, part in last.items():
        part.ns = int(np.median([one[key].ns for one in seen[1:] if key in one]))
    return last


def rows_of(
    parts: Parts, flops_per_s: float, bytes_per_s: float, whole: str = "the call"
) -> list[dict[str, str]]:
    """One row a part that takes more than a hundredth of the whole, and one for all others, as text."""
    from backprop import units

    total = sum(part.ns for part in parts.values())
    shown = {f"{phase}: {kind}": part for (phase, kind), part in parts.items() if part.ns > total / 100}
    if len(shown) < len(parts):
        shown["all smaller parts"] = _sum(part for part in parts.values() if part.ns <= total / 100)
    shown[whole] = _sum(parts.values())
    return [
        {
            "part": name,
            "time": units.seconds(part.ns / 1e9),
            "share": f"{part.ns / total:.0%}",
            "MFLOP": f"{part.flops / 1e6:.3g}" if part.flops else units.MISSING,
            "MB": f"{part.bytes / 1e6:.3g}" if part.bytes else units.MISSING,
            "of a product's speed": _share(part.flops, part.ns, flops_per_s),
            "of a copy's speed": _share(part.bytes, part.ns, bytes_per_s),
        }
        for name, part in shown.items()
    ]


def _sum(parts: Iterable[Part]) -> Part:
    listed = list(parts)
    return Part(*(sum(getattr(one, name) for one in listed) for name in ("ns", "flops", "bytes")))


def _share(amount: int, ns: int, per_s: float) -> str:
    return f"{amount / (ns / 1e9) / per_s:.0%}" if amount and ns else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table a batch size, and write them where a file is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, action="append", help="once for each; 32 and 128")
    parser.add_argument("--strategy", default="short-form", choices=("short-form", "short-form-dense"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    parser.add_argument("--out", type=Path, help="a file for the tables, as Markdown")
    chosen = parser.parse_args(arguments)
    fix_threads(chosen.threads)

    from backprop import Network
    from backprop.bench.machine import measure_limits
    from backprop.bench.report.markdown import markdown_table
    from backprop.bench.scenarios import Scenario

    texts = []
    for n in chosen.batch or (32, 128):
        limits = measure_limits(np.dtype(chosen.dtype))  # beside the table, since a machine's speed drifts
        scenario = Scenario.of(Network.mlp(*map(int, NETWORK.split("-"))), n, chosen.dtype)
        parts = parts_of(chosen.strategy, scenario, chosen.data, _SECONDS)
        rows = rows_of(parts, limits.flops_per_s, limits.bytes_per_s)
        title = f"`{chosen.strategy}`, {NETWORK}, batch {n}, {chosen.dtype}, threads: {chosen.threads}:"
        texts.append(f"{title}\n\n{markdown_table(rows).replace('--:', ':--', 1)}\n")
    print("\n".join(texts))
    if chosen.out:
        chosen.out.write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
