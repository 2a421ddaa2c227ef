"""Suites: which strategies are measured in which scenarios, how often. Every one is a TOML file."""

from backprop.bench.suites.reader import (
    built_in_suites,
    find_scenarios,
    find_suite,
    known_scenarios,
    read_suite,
)
from backprop.bench.suites.suite import Part, Suite, SuiteError, restrict

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
