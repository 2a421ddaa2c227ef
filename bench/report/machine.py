"""How a run was made: command, data, machine and versions, as rows of text for every report."""

from __future__ import annotations

from typing import Any

from bench.report import units


def machine_rows(run: dict[str, Any]) -> dict[str, str]:
    """What a run says of itself, by name; plain text."""
    machine = run.get("machine", {})
    blas = ", ".join(
        f"{pool.get('internal_api')} {pool.get('version')} ({pool.get('architecture')})"
        for pool in machine.get("blas", [])
    )
    versions = ", ".join(f"{name} {number}" for name, number in machine.get("versions", {}).items() if number)
    pinned = machine.get("pinned_to") or []
    return {
        "command": str(run.get("command")),
        "started": str(run.get("started")),
        "data": str(run.get("data")),
        "reference": str(run.get("reference")),
        "CPU": f"{machine.get('cpu')}, {machine.get('cores')} cores",
        "threads": f"{machine.get('threads')}, "
        + (f"pinned to core {', '.join(map(str, pinned))}" if pinned else "not pinned"),
        "memory": units.data_size(machine.get("memory_bytes")),
        "BLAS": blas or "none found",
        "versions": f"Python {machine.get('python')}, {versions}",
        "platform": str(machine.get("platform")),
        "budgets a cell": f"{units.data_size(run.get('memory_budget_bytes'))}, "
        + units.seconds(run.get("time_budget_s")),
    }
