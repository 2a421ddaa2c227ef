"""Suites: which strategies are measured in which scenarios, how often. Every one is a TOML file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from backprop.bench.scenarios import Scenario, select_scenarios
from backprop.bench.suites.reader import read_suite
from backprop.bench.suites.suite import Part, Suite, SuiteError, restrict
from backprop.errors import UnknownNameError

__all__ = [
    "Part",
    "Suite",
    "SuiteError",
    "built_in_suites",
    "find_scenarios",
    "find_suite",
    "known_scenarios",
    "read_suite",
    "restrict",
]


def find_suite(name: str) -> Suite:
    """The built-in suite of that name, or the one of a TOML file.

    Raises `UnknownNameError` for a name that is neither, `SuiteError` for a file with a mistake.
    """
    found = built_in_suites()
    if name in found:
        return read_suite(found[name])
    if name.endswith(".toml"):
        return read_suite(Path(name))
    raise UnknownNameError("suite", name, [*found, "FILE.toml"])


def built_in_suites() -> dict[str, Path]:
    """The files of the built-in suites by name: beside this one where installed, in `bench/suites` of a checkout."""
    installed, checkout = Path(__file__).parent, Path(__file__).parents[3] / "bench" / "suites"
    return {path.stem: path for folder in (installed, checkout) for path in sorted(folder.glob("*.toml"))}


def find_scenarios(names: Sequence[str]) -> list[Scenario]:
    """Those scenarios of the table; all where no name is given. Raises `UnknownNameError` as `select_scenarios`."""
    return select_scenarios(names, known_scenarios())


@functools.cache
def known_scenarios() -> tuple[Scenario, ...]:
    """The table of scenarios: those of the suite `default`."""
    return find_suite("default").scenarios
