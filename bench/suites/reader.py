"""A user's suite: a TOML file.

    strategies = ["short-form", "layerwise-vjp"]     # all that are installed where left out
    networks   = ["784-512-10", "49-32-10"]
    batches    = [1, 32]
    dtypes     = ["float64"]                         # the rest may be left out
    threads    = [1]
    activation = "relu"
    loss       = "cross-entropy"
    starts     = 10
    turns      = 8
    precision  = "2%"                                # more starts, until intervals reach 2% to either side
    claim      = "5%"                                # more starts, until a difference of 5% would be found

Every strategy is measured on every network x batch x dtype x threads.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backprop import Network
from backprop.arrays import check_dtype
from backprop.errors import BackpropError
from backprop.registry import find_strategy, installed_strategies
from bench.isolated.turns import Schedule
from bench.scenarios import Scenario
from bench.suites.suite import Suite, SuiteError, parse_share, restrict


def read_suite(path: Path) -> Suite:
    """The suite of a TOML file; raises `SuiteError`, with the line of what is wrong, or `BackpropError`."""
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"The suite {str(path)!r} cannot be read: {error}; expected a TOML file.") from error
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"The suite {str(path)!r} is no TOML: {error}.") from error
    reader = _Reader(path, text, values)
    reader.check_keys()
    strategies = tuple(dict.fromkeys(reader.texts("strategies", tuple(installed_strategies()))))
    for name in strategies:
        reader.at("strategies", find_strategy, name)
    network = functools.partial(
        Network.parse,
        activation=reader.text("activation", "relu"),
        loss=reader.text("loss", "cross-entropy"),
    )
    networks = [reader.at("networks", network, text) for text in reader.texts("networks", None)]
    batches, threads = reader.counts("batches", (32,)), reader.counts("threads", None)
    dtypes = reader.texts("dtypes", ("float64",))
    for dtype in dtypes:
        reader.at("dtypes", check_dtype, dtype)
    made = itertools.product(networks, batches, dtypes, threads or (None,))
    scenarios = tuple(dict.fromkeys(Scenario.of(*row) for row in made))
    default = Schedule()
    schedule = Schedule(
        starts=reader.count("starts", default.starts), turns=reader.count("turns", default.turns)
    )
    for key in ("precision", "claim"):
        if key in values:
            share = reader.at(key, functools.partial(parse_share, key), reader.text(key, ""))
            schedule = replace(schedule, **{key: share})
    return restrict(Suite.of(path.stem, strategies, scenarios, schedule))


_LISTS_OF_TEXT = ("strategies", "networks", "dtypes")
_KEYS = (*_LISTS_OF_TEXT, "batches", "threads", "activation", "loss", "starts", "turns", "precision", "claim")


@dataclass(frozen=True)
class _Reader:
    """Values of a suite file, each with the line to name where it is wrong."""

    path: Path
    source: str
    values: dict[str, Any]

    def check_keys(self) -> None:
        for key in self.values:
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                hint = f"did you mean {near[0]!r}? Known" if near else "expected"
                raise self._error(key, f"the key {key!r} is unknown; {hint}: {', '.join(_KEYS)}")

    def texts(self, key: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
        if key not in self.values and default is None:
            raise SuiteError(f'The suite {str(self.path)!r} names no {key}; expected {key} = ["784-512-10"].')
        values = self.values.get(key, list(default or ()))
        if not values or not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._error(key, f"{key} is {values!r}; expected a list of one or more texts")
        return tuple(values)

    def text(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self._error(key, f"{key} is {value!r}; expected a text")
        return value

    def counts(self, key: str, default: tuple[int, ...] | None) -> tuple[int, ...]:
        if key not in self.values:
            return default or ()
        values = self.values[key]
        if (
            not values
            or not isinstance(values, list)
            or not all(type(value) is int and value > 0 for value in values)
        ):
            raise self._error(key, f"{key} is {values!r}; expected a list of whole numbers above zero")
        return tuple(values)

    def count(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if type(value) is not int or value < 1:
            raise self._error(key, f"{key} is {value!r}; expected a whole number above zero")
        return value

    def at(self, key: str, make: Callable[[str], Any], text: str) -> Any:
        """What `make` makes of `text`; its error, with the file and line of the key in front."""
        try:
            return make(text)
        except BackpropError as error:
            raise self._error(key, str(error).rstrip("."), text) from error

    def _error(self, key: str, what: str, text: str | None = None) -> SuiteError:
        """The error, with the line of the key, or of the first `text` in quotes from there on."""
        lines = list(enumerate(self.source.splitlines(), 1))
        named = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
        number = next((k for k, line in lines if named.match(line)), 1)
        if text is not None:
            quoted = (f'"{text}"', f"'{text}'")
            number = next(
                (k for k, line in lines[number - 1 :] if any(q in line for q in quoted)),
                number,
            )
        return SuiteError(f"Line {number} of the suite {str(self.path)!r}: {what}.")
