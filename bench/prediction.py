"""Prediction: bytes and time of every derivation of any network, from its sizes and the machine's limits.

    time = the larger of flops ÷ flops per second and bytes moved ÷ bytes per second

Nothing of the network's size is allocated. The time is a lower bound, what a derivation would take that
reaches the machine's limits; a run prints beside it which share of them was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from backprop import Network, Strategy
from backprop.arrays import check_dtype
from backprop.errors import ShapeError
from bench.budget import Budget
from bench.console import make_table
from bench.machine import Limits, measure_limits
from bench.report import units


def predictions(
    network: Network,
    batch_size: int,
    dtype_name: str,
    strategies: Sequence[Strategy[Any]],
    budget: Budget,
    limits: Limits | None = None,
) -> list[dict[str, Any]]:
    """One row a strategy, the fastest first: its predicted cost, and whether it fits the budget.

    Raises `ShapeError` for a batch below one and `DtypeError` for another dtype than float32 or float64.
    """
    if batch_size < 1:
        raise ShapeError(f"The batch is {batch_size}; expected at least one sample.")
    dtype = check_dtype(dtype_name)
    limits = limits or measure_limits(dtype)
    rows: list[dict[str, Any]] = []
    for strategy in strategies:
        reason = strategy.unsupported(network, dtype)
        if reason is not None:
            rows.append({"strategy": strategy.name, "fits": "no", "reason": reason})
            continue
        cost = strategy.predicted(network, batch_size, dtype)
        if cost is None:
            rows.append({"strategy": strategy.name, "fits": "unknown", "reason": "not predicted"})
            continue
        time_s = max(cost.flops / limits.flops_per_s, cost.bytes_moved / limits.bytes_per_s)
        fits, reason = _fits(cost.peak_bytes, time_s, budget)
        rows.append(
            {
                "strategy": strategy.name,
                "predicted_time_s": time_s,
                "predicted_peak_bytes": cost.peak_bytes,
                "predicted_flops": cost.flops,
                "predicted_bytes_moved": cost.bytes_moved,
                "forward_calls": cost.forward_calls,
                "fits": "yes" if fits else "no",
                "reason": reason,
            }
        )
    return sorted(rows, key=lambda row: row.get("predicted_time_s", float("inf")))


def print_predictions(
    console: Console,
    network: Network,
    batch_size: int,
    dtype_name: str,
    budget: Budget,
    rows: Sequence[dict[str, Any]],
) -> None:
    """The rows as a table."""
    numbers = ("time", "memory", "flops", "bytes moved", "forward passes")
    title = (
        f"{network}, {network.parameter_count:,} parameters, batch {batch_size}, {dtype_name}: predicted, "
        f"against {units.data_size(budget.memory_bytes)} and {units.seconds(budget.time_s)}"
    )
    table = make_table(title, ("strategy", *numbers, "fits", "reason"), numbers)
    for row in rows:
        flops = row.get("predicted_flops")
        table.add_row(
            row["strategy"],
            units.seconds(row.get("predicted_time_s")),
            units.data_size(row.get("predicted_peak_bytes")),
            units.MISSING if flops is None else f"{flops:.3g}",
            units.data_size(row.get("predicted_bytes_moved")),
            units.count(row.get("forward_calls")),
            row["fits"],
            row["reason"],
            style=None if row["fits"] == "yes" else "dim",
        )
    console.print(table)


def _fits(peak_bytes: int, time_s: float, budget: Budget) -> tuple[bool, str]:
    reasons = []
    if peak_bytes > budget.memory_bytes:
        reasons.append("too much memory")
    if time_s > budget.time_s:
        reasons.append("too long")
    return not reasons, " and ".join(reasons)
