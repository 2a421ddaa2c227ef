"""The files that `backprop init` writes: complete, commented, to be changed by the user."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

from backprop.bench.suites.keys import DEFAULTS, KEYS, Product

_HEAD = """\
# A suite: what `backprop run --suite FILE` measures. Every strategy is measured on every network x batch x dtype x
# threads. A key behind # is not used: its value is the default, or an example where there is none.
"""
_CHOSEN = {
    "networks": ["784-512-10"],
    "strategies": ["short-form", "layerwise-vjp", "batched-jacobian"],
    "batches": [32],
    "dtypes": ["float32"],
    "starts": 6,
    "turns": 16,
    "slow": "1s",
}
"""The keys that the file sets, so that it runs as it is, and not for long."""
_PART = {"networks": ["49-32-10"], "batches": [1, 8, 64], "strategies": ["*"], "leave_out": ["finite-*"]}
"""The keys of the part that is shown."""
_WIDTH = 110


def suite_text() -> str:
    """The text of the file."""
    blocks = [_block(name) for name in KEYS if name != "parts"]
    return "\n".join([_HEAD, *blocks, _part()])


def _block(name: str) -> str:
    """What a key means, and the key with its value: behind # unless it is one of those that are chosen."""
    of = KEYS[name].extra or {}
    default, example = DEFAULTS[name], of["example"]
    left_out = f"Default: {_value(default)}." if default is not None else f"Left out: {of['without']}."
    if name in _CHOSEN:
        line = f"{name} = {_value(_CHOSEN[name])}"
    else:
        line = f"# {name} = {_value(example if default is None else default)}"
    return f"{_comment(f'{KEYS[name].description} {left_out}')}\n{line}\n"


def _part() -> str:
    assert _PART.keys() <= set(Product.__struct_fields__)
    lines = ["# [[parts]]", *(f"# {name} = {_value(value)}" for name, value in _PART.items())]
    meaning = f"{KEYS['parts'].description} Left out: {(KEYS['parts'].extra or {})['without']}."
    return "\n".join([_comment(meaning), *lines, ""])


def _comment(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _value(value: Any) -> str:
    """The value in TOML, which writes texts, numbers, booleans and their lists as JSON does."""
    return json.dumps(value, ensure_ascii=False)


class StartingFile(NamedTuple):
    """A kind of starting file.

    ending: of its name. text: makes its content. use: the command that takes the file, with {} for its name.
    """

    ending: str
    text: Callable[[], str]
    use: str


def _strategy_text() -> str:
    return files(__name__).joinpath("my_strategy.py").read_text(encoding="utf-8")


STARTING_FILES = {
    "suite": StartingFile(".toml", suite_text, "backprop run --suite {}"),
    "strategy": StartingFile(
        ".py", _strategy_text, "backprop run --scenario toy --strategy {}:Mine,short-form"
    ),
}
