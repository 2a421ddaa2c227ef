"""How a run was made: command, data, machine and versions, as rows of text for every report."""

from __future__ import annotations

from backprop.bench.record import Description, Machine
from backprop.bench.report import units


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
        **_libraries(machine),
        "platform": str(machine.platform),
        "budgets a cell": f"{units.data_size(run.memory_budget_bytes)}, " + units.seconds(run.time_budget_s),
    }


def _libraries(machine: Machine) -> dict[str, str]:
    """Those that were measured, with version and threads; the journal has their build, too."""
    said = []
    for name, library in machine.libraries.items():
        pools = {f"{pool.internal_api} {pool.num_threads}" for pool in library.pools}
        said.append(f"{name} {library.version} (threads: {', '.join(sorted(pools)) or 'unknown'})")
    return {"measured libraries": "; ".join(said)} if said else {}
