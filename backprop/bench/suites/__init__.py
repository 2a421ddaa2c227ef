"""Suites: which strategies are measured in which scenarios, how often. Built in, or a user's TOML file."""

from backprop.bench.suites.built_in import SUITES, find_suite
from backprop.bench.suites.reader import read_suite
from backprop.bench.suites.suite import Part, Suite, SuiteError, restrict

__all__ = ["SUITES", "Part", "Suite", "SuiteError", "find_suite", "read_suite", "restrict"]
