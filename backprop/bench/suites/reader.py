"""Reading a suite's file, in TOML: parts, each a product of networks, batches, dtypes and threads.

    strategies = ["short-form", "layerwise-vjp"]
    networks   = ["784-512-10", "49-32-10"]
    batches    = [1, 32]

Every strategy is measured on every network x batch x dtype x threads. Tables `[[parts]]` may follow, each a product
of its own; what a part leaves out is as the file says above. All keys with meaning and default are in `keys`.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from backprop import Network
from backprop.arrays import check_dtype
from backprop.bench.budget import parse_seconds
from backprop.bench.files import said
from backprop.bench.scenarios import Scenario, select_scenarios, short_name
from backprop.bench.suites.keys import Product, SuiteFile
from backprop.bench.suites.suite import Part, Suite, SuiteError, parse_share, restrict
from backprop.bench.turns import Schedule
from backprop.errors import BackpropError, UnknownNameError, shown
from backprop.registry import strategies_meant

T = TypeVar("T")

_EXPECTED = {
    "networks": "a list of one or more texts",
    "batches": "a list of whole numbers above zero",
    "starts": "a whole number above zero",
    "activation": "a text",
    "curves": "true or false",
    "parts": "tables [[parts]]",
}
_LIKE = {"scenarios": "networks", "strategies": "networks", "leave_out": "networks", "dtypes": "networks"}
_LIKE |= {"threads": "batches", "turns": "starts", "learning_steps": "starts"}
"""Keys that are to be what another one is; all others are a text."""


# The suites that have a name, and the table of scenarios, which is one of them.


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


# Reading.


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
    source = _Source(path, text)
    file = source.parsed(values)
    shared = {key: value for key, value in values.items() if key in Product.__struct_fields__}
    tables = enumerate(values.get("parts", []), 1)
    given = [(number, msgspec.convert({**shared, **table}, Product)) for number, table in tables]
    parts = [_part(source, *one) for one in given or [(0, file)]]
    (slow_s,) = source.each(0, "slow", functools.partial(parse_seconds, "time of a slow one"), [file.slow])
    wished: dict[str, Any] = {}
    for key in ("precision", "claim"):
        if (text := getattr(file, key)) is not None:
            (wished[key],) = source.each(0, key, functools.partial(parse_share, key), [text])
    schedule = Schedule(file.starts, file.turns, slow_s=slow_s, **wished)
    return restrict(Suite(path.stem, tuple(parts), schedule, file.curves))


def _part(source: _Source, number: int, of: Product) -> Part:
    """The part of that number, 0 for the file itself, as strategies and scenarios."""
    patterns = source.each(number, "strategies", strategies_meant, of.strategies)
    without = source.each(number, "leave_out", strategies_meant, of.leave_out or ())
    left_out = {name for found in without for name in found}
    strategies = tuple(dict.fromkeys(name for found in patterns for name in found if name not in left_out))
    if of.networks is None:
        if of.scenarios is None:
            raise SuiteError(
                f'The suite {str(source.path)!r} names no networks; expected networks = ["784-512-10"].'
            )
        found = source.each(number, "scenarios", lambda name: find_scenarios([name]), of.scenarios)
        return Part(strategies, tuple(dict.fromkeys(one for scenarios in found for one in scenarios)))
    source.each(number, "dtypes", check_dtype, of.dtypes)
    network = functools.partial(Network.parse, activation=of.activation, loss=of.loss)
    networks = source.each(number, "networks", network, of.networks)
    made = itertools.product(networks, of.batches, of.dtypes, of.threads or (None,))
    scenarios = [replace(Scenario.of(*row), learning_steps=of.learning_steps) for row in made]
    if of.name is not None:
        (name,) = source.each(number, "name", _checked_name, [of.name])
        scenarios = [
            replace(
                one,
                name=name.format(network=short_name(one.network), batch=one.batch_size, threads=one.threads),
            )
            for one in scenarios
        ]
    return Part(strategies, tuple(dict.fromkeys(scenarios)))


def _checked_name(name: str) -> str:
    try:
        name.format(network="", batch=1, threads=1)
    except (ValueError, LookupError, AttributeError) as error:
        raise SuiteError(
            f"the name is {shown(name)}; expected a text in which {{network}}, {{batch}} and {{threads}} may stand"
        ) from error
    return name


@dataclass(frozen=True)
class _Source:
    """A file and its text, which tell where a mistake lies."""

    path: Path
    text: str

    def parsed(self, values: dict[str, Any]) -> SuiteFile:
        """The file's keys and values by their types; raises `SuiteError`."""
        parts = values.get("parts")
        tables = [values, *(part for part in (parts if isinstance(parts, list) else []))]
        for number, table in enumerate(tables):
            known = (Product if number else SuiteFile).__struct_fields__
            for key in table if isinstance(table, dict) else ():
                if key not in known:
                    hint = str(UnknownNameError("key", key, known)).rstrip(".").partition("; ")[2]
                    raise self.error(number, key, f"the key {shown(key)} is unknown; {hint}")
        try:
            return msgspec.convert(values, SuiteFile)
        except msgspec.ValidationError as error:
            found = re.search(r"`\$\.(?:parts\[(\d+)\]\.)?(\w+)", str(error))
            assert found is not None  # all keys are known: a value is wrong
            number, key = int(found[1]) + 1 if found[1] else 0, found[2]
            expected = _EXPECTED.get(_LIKE.get(key, key), "a text")
            what = f"{key} is {shown(tables[number][key])}; expected {expected}"
            raise self.error(number, key, what) from error

    def each(self, number: int, key: str, make: Callable[[str], T], texts: Sequence[str]) -> list[T]:
        """What `make` makes of every text; its error, with the file and the line of the text in front."""
        made = []
        for one in texts:
            try:
                made.append(make(one))
            except BackpropError as error:
                raise self.error(number, key, str(error).rstrip("."), one) from error
        return made

    def error(self, number: int, key: str, what: str, text: str | None = None) -> SuiteError:
        """The error, with the line of the key in the part of that number, or of the first `text` in quotes there."""
        lines = list(enumerate(self.text.splitlines(), 1))
        heads = [0, *(k for k, line in lines if re.match(r"\s*\[\[\s*parts\s*\]\]", line))]
        own = [(k, line) for k, line in lines if k >= heads[min(number, len(heads) - 1)]]
        named = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
        at = next((k for k, line in own if key and named.match(line)), 1)
        if text is not None:
            quoted = (f'"{text}"', f"'{text}'")
            at = next((k for k, line in lines[at - 1 :] if any(q in line for q in quoted)), at)
        return SuiteError(f"Line {at} of the suite {str(self.path)!r}: {what}.")
