"""The tables of what a run was made on: machine, versions, limits, hosts."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from backprop import units
from backprop.bench.record import Description, Machine, Record, grouped
from backprop.bench.report.tables import Row


def machine_rows(run: Description) -> Row:
    """How a run was made, by name: command, data, machine, versions and budgets."""
    machine = run.machine
    blas = ", ".join(f"{pool.internal_api} {pool.version} ({pool.architecture})" for pool in machine.blas)
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items() if number)
    pinned = machine.pinned_to
    pinning = f"pinned to core {', '.join(map(str, pinned))}" if pinned else "not pinned"
    return {
        "command": run.command or units.MISSING,
        "started": run.started or units.MISSING,
        "data": run.data or units.MISSING,
        "reference": run.reference or units.MISSING,
        "CPU": _listed(machine.cpu, machine.cores and f"{machine.cores} cores"),
        "threads": _listed(machine.threads, pinning),
        "memory": units.data_size(machine.memory_bytes),
        "BLAS": blas or "none found",
        "versions": _listed(machine.python and f"Python {machine.python}", versions),
        **_libraries(machine),
        "platform": machine.platform or units.MISSING,
        "budgets a cell": f"{units.data_size(run.memory_budget_bytes)}, " + units.seconds(run.time_budget_s),
    }


def _listed(*parts: object) -> str:
    """What is known, with commas between; a dash where nothing is."""
    return ", ".join(str(part) for part in parts if part) or units.MISSING


def _libraries(machine: Machine) -> Row:
    """The libraries that were measured, with version and threads; the journal has their build, too."""
    said = []
    for name, library in machine.libraries.items():
        pools = {f"{pool.internal_api} {pool.num_threads}" for pool in library.pools}
        said.append(f"{name} {library.version} (threads: {', '.join(sorted(pools)) or 'unknown'})")
    return {"measured libraries": "; ".join(said)} if said else {}


def limits_rows(cells: Iterable[Record]) -> list[Row]:
    """What the machine could do, one row a dtype and thread count: the median over the scenarios."""
    known = (cell for cell in cells if cell.limit_flops_per_s is not None)
    return [
        {
            "dtype": dtype,
            "threads": units.count(threads),
            "GEMM peak": units.flops_rate(median(cell.limit_flops_per_s for cell in own)),
            "memory bandwidth": f"{units.data_size(median(cell.limit_bytes_per_s for cell in own))}/s",
        }
        for (dtype, threads), own in grouped(known, lambda cell: (cell.dtype, cell.threads)).items()
    ]


def median(values: Iterable[float | None]) -> float | None:
    """The median of the numbers that are there; None where none is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def host_rows(cells: Iterable[Record]) -> list[Row]:
    """The hosts of a run on several, with their processor and how many cells each had; nothing of one host."""
    hosts = grouped((cell for cell in cells if cell.host), lambda cell: str(cell.host))
    if len(hosts) < 2:
        return []
    return [
        {"host": host, "cpu": own[0].cpu or units.MISSING, "cells": units.count(len(own))}
        for host, own in hosts.items()
    ]
