"""The tables of fitted exponents and of agreement: text alone, read beside their charts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from backprop.bench.record import Agreement
from backprop.bench.report import units
from backprop.bench.report.scaling import Exponent


def exponent_table(frame: pd.DataFrame, found: Sequence[Exponent]) -> list[dict[str, str]]:
    """One row a strategy and sweep: the exponents of time and memory, each with its interval and its prediction."""
    lines: dict[tuple[str, tuple[int, ...]], dict[str, str]] = {}
    for one in found:
        first = frame.loc[one.cells[0]]
        batch = "" if one.swept == "batch" else f", batch {first['batch_size']}"
        line = lines.setdefault(
            (one.strategy, one.cells),
            {
                "strategy": one.strategy,
                "against": f"{one.swept} {one.sizes[0]} to {one.sizes[-1]}, {len(one.sizes)} sizes",
                "cell": f"{str(first['network']).split()[0]}{batch}, {first['dtype']}",
            },
        )
        line[one.quantity] = f"{one.measured.value:z.2f} ({units.ends(one.measured.low, one.measured.high)})"
        line[f"{one.quantity}, predicted"] = f"{one.predicted:z.2f}"
    return list(lines.values())


def agreement_tables(agreements: Sequence[Agreement]) -> list[tuple[str, list[str], list[list[str]]]]:
    """For every scenario and dtype: the names, and every pair's distance; ✗ beyond both error models."""
    groups: dict[str, list[Agreement]] = {}
    for row in agreements:
        groups.setdefault(f"{row.scenario}, {row.dtype}", []).append(row)
    found = []
    for label, rows in groups.items():
        names = list(dict.fromkeys(name for row in rows for name in (row.first, row.second)))
        texts = {frozenset((r.first, r.second)): _distance(r) for r in rows}
        lines = [[texts.get(frozenset((one, other)), "") for other in names] for one in names]
        found.append((label, names, lines))
    return found


def _distance(row: Agreement) -> str:
    return units.error(row.distance) + ("" if row.agrees else " ✗")
