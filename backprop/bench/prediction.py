"""Prediction: bytes and time of every derivation of any network, from its sizes, the machine's limits and the loss.

The same forecast as that of a run, for one call. Nothing of the network's size is allocated, unless the loss fits
into the budget: then it is timed, since a black box is predicted by it, and so are the steps of recurrent layers.
Elsewhere the time is a lower bound, what a derivation would take that reaches the machine's limits; a run prints
beside it which share of them was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from backprop import Network, Strategy, blas, units
from backprop.arrays import check_dtype, check_samples
from backprop.bench.budget import Budget
from backprop.bench.forecast import Speeds
from backprop.bench.machine import Limits, measure_limits
from backprop.bench.places import predict
from backprop.bench.record import Record
from backprop.bench.scenarios import Scenario
from backprop.bench.table import Columns, Table, print_tables
from backprop.layers import Layer

FIGURES = (
    "strategy",
    "predicted_time_s",
    "predicted_peak_bytes",
    "predicted_flops",
    "predicted_bytes_moved",
    "forward_calls",
)
"""What of a record is a prediction."""


def predictions(
    network: Network,
    batch_size: int,
    dtype_name: str,
    strategies: Sequence[Strategy[Any]],
    budget: Budget,
    limits: Limits | None = None,
) -> list[dict[str, Any]]:
    """One row a strategy, the fastest first: its predicted cost, and whether it fits the budget.

    With the limits of some machine nothing is measured of this one, and nothing of the network's size allocated.

    Raises `ShapeError` for a batch that is none and `DtypeError` for another dtype than float32 or float64.
    """
    check_samples(batch_size)
    dtype = check_dtype(dtype_name)
    scenario = Scenario.of(network, batch_size, dtype.name)
    memory_bytes = budget.memory_bytes if limits is None else 0.0
    speeds = Speeds.of(network, batch_size, dtype, limits or measure_limits(dtype), memory_bytes)
    records = predict(strategies, scenario, blas.threads(), speeds, budget, calls=1)
    rows = [
        {name: value for name in FIGURES if (value := getattr(record, name)) is not None} | _fits(record)
        for record in records
    ]
    return sorted(rows, key=lambda row: row.get("predicted_time_s", float("inf")))


def saved_by_layer(network: Network, batch_size: int, dtype_name: str) -> list[dict[str, Any]]:
    """What the closed form saves of every layer that has two derivations, going back.

    One row a layer: the operations, and the most bytes alive at once, of the way through its parts, which
    `layerwise-vjp` goes, and of the closed form with its buffers, which `short-form` takes.
    """
    size, rows = check_dtype(dtype_name).itemsize, []
    for layer, i, o in network.short.sized:
        if type(layer).vjp_by_parts is Layer.vjp_by_parts:
            continue
        closed_bytes = layer.planned_bytes(batch_size, i, o, size)
        closed_bytes += layer.planned_call_bytes(batch_size, i, o, size)[1]
        rows.append(
            {
                "layer": layer.text,
                "parts_flops": layer.parts_flops(batch_size, i, o),
                "closed_flops": layer.vjp_flops(batch_size, i, o, input_needed=True),
                "parts_bytes": layer.parts_bytes(batch_size, i, o, size),
                "closed_bytes": closed_bytes,
            }
        )
    return rows


def _fits(record: Record) -> dict[str, str]:
    """Whether the budget allows it, and why not; of a strategy without a cost that is not known."""
    if record.status != "predicted":
        return {"fits": "no", "reason": record.reason}
    if record.predicted_peak_bytes is None:
        return {"fits": "unknown", "reason": "not predicted"}
    return {"fits": "yes", "reason": ""}


def print_predictions(
    console: Console,
    network: Network,
    batch_size: int,
    dtype_name: str,
    budget: Budget,
    rows: Sequence[dict[str, Any]],
) -> None:
    """The rows as a table, and a second one where layers have two derivations."""
    title = (
        f"{network}, {network.parameter_count:,} parameters, batch {batch_size}, {dtype_name}: predicted, "
        f"not run; limits: {units.data_size(budget.memory_bytes)} of memory, {units.seconds(budget.time_s)} a call"
    )
    styles = [None if row["fits"] == "yes" else "dim" for row in rows]
    print_tables(console, [Table(title, list(map(_texts, rows)), styles)], _COLUMNS)
    saved = saved_by_layer(network, batch_size, dtype_name)
    if saved:
        title = (
            "what the closed form saves on the way back: layerwise-vjp goes through the parts of these layers"
        )
        print_tables(console, [Table(title, list(map(_saved_texts, saved)))], _SAVED_COLUMNS)


_COLUMNS = Columns(
    first=("strategy", "time", "memory", "fits"),
    prose=("reason",),
)


_SAVED_COLUMNS = Columns(first=("layer", "÷", "÷ "))


def _saved_texts(row: dict[str, Any]) -> dict[str, str]:
    return {
        "layer": row["layer"],
        "operations by parts": f"{row['parts_flops']:.3g}",
        "closed form": f"{row['closed_flops']:.3g}",
        "÷": units.ratio(row["parts_flops"] / row["closed_flops"]),
        "memory by parts": units.data_size(row["parts_bytes"]),
        "closed form ": units.data_size(row["closed_bytes"]),
        "÷ ": units.ratio(row["parts_bytes"] / row["closed_bytes"]),
    }


def _texts(row: dict[str, Any]) -> dict[str, str]:
    flops = row.get("predicted_flops")
    return {
        "strategy": row["strategy"],
        "time": units.seconds(row.get("predicted_time_s")),
        "memory": units.data_size(row.get("predicted_peak_bytes")),
        "flops": units.MISSING if flops is None else f"{flops:.3g}",
        "bytes moved": units.data_size(row.get("predicted_bytes_moved")),
        "forward passes": units.count(row.get("forward_calls")),
        "fits": row["fits"],
        "reason": row["reason"],
    }
