"""The libraries that a run measures: version, build and threads of each, and every package that was installed.

A library describes itself in a process of its own, with the threads of the run: imported here, its pools would
disturb what is measured. `python -m backprop.bench.libraries torch version.cuda` prints it as JSON.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backprop.bench.files import write_files
from backprop.bench.record import Description, Library, Pool
from backprop.bench.threads import thread_variables
from backprop.child_process import ChildError, ChildProcess, private_output, tie_to_parent

if TYPE_CHECKING:
    from backprop import Strategy

CONSTRAINTS = "constraints.txt"
_PATIENCE_S = 120.0
_OWN = "backprop-bench"


def measured_libraries(strategies: Iterable[Strategy[Any]]) -> dict[str, tuple[str, ...]]:
    """By package of each usable peer, the attributes that describe the package's build."""
    from backprop.peers.base import Peer

    peers = [one for one in strategies if isinstance(one, Peer) and one.unavailable() is None]
    return {peer.package: peer.build for peer in peers}


def describe_libraries(packages: Mapping[str, tuple[str, ...]], threads: int) -> dict[str, Library]:
    """Describe every package with so many threads. A package that cannot be imported is left out."""
    found = {}
    for package, attributes in packages.items():
        with ChildProcess(
            "backprop.bench.libraries", package, *attributes, variables=thread_variables(threads)
        ) as child:
            try:
                found[package] = msgspec.convert(child.receive(_PATIENCE_S), Library)
            except (ChildError, msgspec.ValidationError):
                found[package] = Library()
    return found


def describe_library(package: str, attributes: Iterable[str]) -> Library:
    """Import a library in this process, and describe its version, these attributes, and its thread pools."""
    module = importlib.import_module(package)
    return Library(
        version=str(module.__version__),
        build={attribute: _value(module, attribute) for attribute in attributes},
        pools=thread_pools(),
    )


def thread_pools() -> list[Pool]:
    """The loaded libraries that have thread pools of their own."""
    from threadpoolctl import threadpool_info

    return [
        Pool(pool["internal_api"], pool["version"], pool.get("architecture"), pool["num_threads"])
        for pool in threadpool_info()
    ]


def _value(module: Any, attribute: str) -> str:
    value = module
    for name in attribute.split("."):
        value = getattr(value, name, None)
    return str(value() if callable(value) else value)


@functools.cache
def installed_packages() -> dict[str, str]:
    """Name and version of every package that is installed, without this one; looked up once in a process."""
    from importlib.metadata import distributions

    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    for one in distributions():
        metadata = one.metadata  # each access reads and parses the whole file
        name, version = (metadata["Name"], metadata["Version"]) if metadata else (None, None)
        if name and version:
            found.setdefault(canonicalize_name(name), version)
    found.pop(_OWN, None)
    return dict(sorted(found.items()))


def constraints(run: Description) -> str | None:
    """The run's package versions as a file for `pip install --constraint`; None where the run has none."""
    machine = run.machine
    known = machine.packages or {name: v for name, v in machine.versions.items() if v and name != "backprop"}
    if not known:
        return None
    what = "every package" if machine.packages else "all that its journal says"
    head = f"# {what} of the run of {run.started}: Python {machine.python}, {machine.platform}\n"
    return " ".join(head.split()) + "\n" + "".join(f"{name}=={version}\n" for name, version in known.items())


def write_constraints(folder: Path, run: Description) -> Path | None:
    """Write constraints.txt beside a run, if the run names its packages. Raises `OutputError`."""
    text = constraints(run)
    return None if text is None else write_files("The constraints", folder, {CONSTRAINTS: text})[0]


if __name__ == "__main__":
    tie_to_parent()
    answers = private_output()  # before a library says something while it is imported
    print(msgspec.json.encode(describe_library(sys.argv[1], sys.argv[2:])).decode(), file=answers, flush=True)
