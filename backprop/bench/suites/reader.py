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

import functools
import itertools
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from backprop import Network
from backprop.arrays import MOST_ENTRIES, check_dtype
from backprop.bench.border import said
from backprop.bench.scenarios import Scenario
from backprop.bench.suites.suite import Suite, SuiteError, parse_share, restrict
from backprop.bench.turns import Schedule
from backprop.errors import BackpropError, UnknownNameError, shown
from backprop.registry import find_strategy, installed_strategies

Texts = Annotated[list[str], Meta(min_length=1)]
Number = Annotated[int, Meta(ge=1, le=MOST_ENTRIES)]
Numbers = Annotated[list[Number], Meta(min_length=1)]


class SuiteFile(Struct):
    """The keys of a suite file."""

    networks: Texts
    strategies: Texts = msgspec.field(default_factory=lambda: list(installed_strategies()))
    batches: Numbers = msgspec.field(default_factory=lambda: [32])
    dtypes: Texts = msgspec.field(default_factory=lambda: ["float64"])
    threads: Numbers | None = None
    activation: str = "relu"
    loss: str = "cross-entropy"
    starts: Number = Schedule.starts
    turns: Number = Schedule.turns
    precision: str = ""
    claim: str = ""


_EXPECTED = {
    "Texts": "a list of one or more texts",
    "str": "a text",
    "Number": "a whole number above zero",
    "Numbers": "a list of whole numbers above zero",
    "Numbers | None": "a list of whole numbers above zero",
}


def read_suite(path: Path) -> Suite:
    """The suite of a TOML file; raises `SuiteError`, with the line of what is wrong, or `BackpropError`."""
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise SuiteError(
            f"The suite {shown(str(path))} cannot be read: {error.strerror}; expected a TOML file."
        ) from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, or deep nesting, too
        raise SuiteError(f"The suite {str(path)!r} is no TOML: {said(error)}; expected a suite.") from error
    for key in values:
        if key not in SuiteFile.__struct_fields__:
            hint = (
                str(UnknownNameError("key", key, SuiteFile.__struct_fields__)).rstrip(".").partition("; ")[2]
            )
            raise _error(path, text, key, f"the key {shown(key)} is unknown; {hint}")
    if "networks" not in values:
        raise SuiteError(f'The suite {str(path)!r} names no networks; expected networks = ["784-512-10"].')
    try:
        file = msgspec.convert(values, SuiteFile)
    except msgspec.ValidationError as error:
        found = re.search(r"`\$\.(\w+)", str(error))
        assert found is not None  # all keys are known and there: a value is wrong
        key = found[1]
        expected = _EXPECTED[SuiteFile.__annotations__[key]]
        raise _error(path, text, key, f"{key} is {shown(values[key])}; expected {expected}") from error

    def each(key: str, make: Callable[[str], Any], texts: list[str]) -> list[Any]:
        """What `make` makes of every text; its error, with the file and the line of the text in front."""
        made = []
        for one in texts:
            try:
                made.append(make(one))
            except BackpropError as error:
                raise _error(path, text, key, str(error).rstrip("."), one) from error
        return made

    each("strategies", find_strategy, file.strategies)
    each("dtypes", check_dtype, file.dtypes)
    network = functools.partial(Network.parse, activation=file.activation, loss=file.loss)
    networks = each("networks", network, file.networks)
    made = itertools.product(networks, file.batches, file.dtypes, file.threads or (None,))
    scenarios = tuple(dict.fromkeys(Scenario.of(*row) for row in made))
    strategies = tuple(dict.fromkeys(file.strategies))
    schedule = Schedule(starts=file.starts, turns=file.turns)
    for key in ("precision", "claim"):
        wishes = [getattr(file, key)] if key in values else []
        for share in each(key, functools.partial(parse_share, key), wishes):
            schedule = replace(schedule, **{key: share})
    return restrict(Suite.of(path.stem, strategies, scenarios, schedule), (), (), None, None)


def _error(path: Path, source: str, key: str, what: str, text: str | None = None) -> SuiteError:
    """The error, with the line of the key, or of the first `text` in quotes from there on."""
    lines = list(enumerate(source.splitlines(), 1))
    named = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    number = next((k for k, line in lines if key and named.match(line)), 1)
    if text is not None:
        quoted = (f'"{text}"', f"'{text}'")
        number = next((k for k, line in lines[number - 1 :] if any(q in line for q in quoted)), number)
    return SuiteError(f"Line {number} of the suite {str(path)!r}: {what}.")
