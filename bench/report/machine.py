"""How a run was made: command, data, machine and versions, as rows of text for every report."""

from __future__ import annotations

from bench.record import Description
from bench.report import units


def machine_rows(run: Description) -> dict[str, str]:
    """What a run says of itself, by name; plain text."""
    machine = run.machine
    blas = ", ".join(f"{pool.internal_api} {pool.version} ({pool.architecture})" for pool in machine.blas)
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items() if number)
    pinned = machine.pinned_to
    return {
        "command": str(run.command),
        "started": str(run.started),
        "data": str(run.data),
        "reference": str(run.reference),
        "CPU": f"{machine.cpu}, {machine.cores} cores",
        "threads": f"{machine.threads}, "
        + (f"pinned to core {', '.join(map(str, pinned))}" if pinned else "not pinned"),
        "memory": units.data_size(machine.memory_bytes),
        "BLAS": blas or "none found",
        "versions": f"Python {machine.python}, {versions}",
        "platform": str(machine.platform),
        "budgets a cell": f"{units.data_size(run.memory_budget_bytes)}, " + units.seconds(run.time_budget_s),
    }
