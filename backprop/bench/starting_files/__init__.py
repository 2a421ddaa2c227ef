"""The files that `backprop init` writes: complete, commented, to be changed by the user."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from backprop.bench.starting_files.suite import suite_text


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
