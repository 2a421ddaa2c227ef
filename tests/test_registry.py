"""Finding strategies: by name, in a file, by an entry point of another package."""

import re

import pytest
from tables import STRATEGIES, sentence

from backprop import Strategy, find_strategy, installed_strategies
from backprop.errors import BackpropError, UnknownNameError
from backprop.finding import LoadError
from backprop.registry import select_strategies
from backprop.strategies.short_form import ShortForm

MINE = '''
"""A strategy of the user."""
from __future__ import annotations

from dataclasses import dataclass

import backprop
from backprop.strategy import EXACT


@dataclass(frozen=True, repr=False)
class Mine(backprop.Strategy):
    """Hands everything to the short form."""

    bold: bool = False
    name = "mine"
    summary = "the short form under another name"
    accuracy = EXACT

    def unsupported(self, network, dtype):
        return None

    def cost(self, network, batch_size, dtype):
        return backprop.find_strategy("short-form").cost(network, batch_size, dtype)

    def prepare(self, network, batch_size, dtype):
        return backprop.find_strategy("short-form").prepare(network, batch_size, dtype)

    def value_and_gradient(self, plan, params, batch):
        return backprop.find_strategy("short-form").value_and_gradient(plan, params, batch)


class Unfinished(backprop.Strategy):
    name = "unfinished"


class NeedsAnArgument(Mine):
    def __init__(self, step):
        pass


class Raises(Mine):
    def __init__(self):
        raise ValueError("two lines\\nof trouble.")


class Stranger:
    pass


number = 3
'''


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_file


class External(Strategy):
    """A strategy of another package."""

    name = "external"
    accuracy = STRATEGIES["short-form"].accuracy
    summary = "of another package"

    def unsupported(self, network, dtype):
        return None

    def cost(self, network, batch_size, dtype):
        raise NotImplementedError

    def prepare(self, network, batch_size, dtype):
        raise NotImplementedError

    def value_and_gradient(self, plan, params, batch):
        raise NotImplementedError


# By name


def test_the_ladder_goes_from_dense_to_closed_form_and_on_to_quotients():
    ladder = [
        "full-jacobian",
        "full-jacobian-naive",
        "sparse-jacobian",
        "batched-jacobian",
        "batched-jacobian-einsum",
        "layerwise-vjp",
        "short-form",
        "finite-differences",
        "finite-differences-forward",
        "finite-differences-richardson",
        "local-finite-differences",
        "complex-step",
        "forward-mode",
        "forward-gradient",
    ]
    assert [name for name in installed_strategies() if name in ladder] == ladder


@pytest.mark.parametrize("name", STRATEGIES)
def test_names_are_kebab_case_and_every_strategy_describes_itself(name):
    strategy = find_strategy(name)
    assert strategy.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert repr(strategy) == f"<strategy {name}>"
    assert strategy.summary
    assert "\n" not in strategy.summary
    assert len(strategy.summary) <= 100
    assert strategy.accuracy.reason


def test_summaries_tell_strategies_of_different_files_apart():
    by_file = {type(strategy): strategy.summary for strategy in STRATEGIES.values()}
    assert len(set(by_file.values())) == len(by_file)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("short-from", "short-form"),
        ("Short-Form", "short-form"),
        ("full_jacobian", "full-jacobian"),
        ("finite-difference", "finite-differences"),
        ("layerwise", "layerwise-vjp"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, near):
    with pytest.raises(UnknownNameError) as caught:
        find_strategy(name)
    assert sentence(caught.value).startswith(f"Unknown strategy {name!r}; did you mean {near!r}?")


@pytest.mark.parametrize("name", ["", "xyzzy", "?"])
def test_a_name_like_no_other_is_answered_with_all(name):
    with pytest.raises(UnknownNameError) as caught:
        find_strategy(name)
    message = sentence(caught.value)
    assert all(known in message for known in STRATEGIES)


def test_a_selection_keeps_its_order_and_repeats_nothing(write):
    target = f"{write(MINE)}:Mine"
    chosen = select_strategies(["short-form", target, "full-jacobian", "short-form"])
    assert [strategy.name for strategy in chosen] == ["short-form", "mine", "full-jacobian"]
    assert [strategy.name for strategy in select_strategies([])] == list(STRATEGIES)


# In a file


def test_a_strategy_is_loaded_from_a_file(write):
    strategy = find_strategy(f"{write(MINE)}:Mine")
    assert isinstance(strategy, Strategy)
    assert strategy.name == "mine"
    assert strategy.bold is False


def test_a_file_is_read_again_when_it_has_changed(write):
    assert find_strategy(f"{write(MINE)}:Mine").name == "mine"
    changed = MINE.replace('name = "mine"', 'name = "mine-too"')
    assert find_strategy(f"{write(changed, 'other.py')}:Mine").name == "mine-too"


BAD_TARGETS = {
    "missing-file": (None, "nowhere.py:Mine", LoadError, "no file 'nowhere.py'"),
    "no-file-name": (None, ":Mine", LoadError, "no file ''"),
    "missing-class": (MINE, "Mien", UnknownNameError, "did you mean 'Mine'"),
    "no-class-name": (MINE, "", UnknownNameError, "''"),
    "not-a-strategy": (MINE, "Stranger", LoadError, "makes a Stranger"),
    "not-a-class": (MINE, "number", LoadError, "is a int"),
    "abstract": (MINE, "Unfinished", LoadError, "abstract"),
    "needs-an-argument": (MINE, "NeedsAnArgument", LoadError, "step"),
    "raises-when-made": (MINE, "Raises", LoadError, "ValueError: two lines of trouble;"),
    "raises": ("raise RuntimeError('broken')", "Mine", LoadError, "RuntimeError: broken"),
    "raises-lines": ("raise RuntimeError('a\\n\\nb.')", "Mine", LoadError, "RuntimeError: a b;"),
    "raises-nothing-said": ("assert False", "Mine", LoadError, "AssertionError"),
    "exits": ("raise SystemExit(3)", "Mine", LoadError, "SystemExit: 3"),
    "no-python": ("this is no Python", "Mine", LoadError, "SyntaxError"),
    "missing-import": ("import no_such_module_at_all", "Mine", LoadError, "no_such_module_at_all"),
}


@pytest.mark.parametrize(("text", "target", "error", "got"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_a_file_that_gives_no_strategy_is_refused(write, text, target, error, got):
    with pytest.raises(error) as caught:
        find_strategy(target if text is None else f"{write(text)}:{target}")
    assert isinstance(caught.value, BackpropError)
    assert got in sentence(caught.value)


def test_a_file_that_is_no_python_file_is_refused(write):
    with pytest.raises(LoadError) as caught:
        find_strategy(f"{write(MINE, 'mine.txt')}:Mine")
    assert "mine.txt" in sentence(caught.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(LoadError) as caught:
        find_strategy(f"{tmp_path}:Mine")
    sentence(caught.value)


# By an entry point


def test_an_entry_point_joins_the_strategies(entry_points):
    entry_points("backprop.strategies", External)
    assert isinstance(find_strategy("external"), External)
    assert list(installed_strategies())[-1] == "external"
    assert set(installed_strategies()) == {*STRATEGIES, "external"}


BAD_POINTS = {
    "cannot-be-loaded": (ImportError("no module"), "no module"),
    "cannot-be-made": (lambda: 1 / 0, "ZeroDivisionError"),
    "no-strategy": (dict, "makes a dict"),
    "takes-a-name": (ShortForm, "short-form"),
}


@pytest.mark.parametrize(("found", "got"), BAD_POINTS.values(), ids=BAD_POINTS)
def test_an_entry_point_that_gives_no_strategy_of_its_own_is_refused(entry_points, found, got):
    entry_points("backprop.strategies", found)
    with pytest.raises(LoadError) as caught:
        installed_strategies()
    assert got in sentence(caught.value)
    assert find_strategy("short-form").name == "short-form"  # for which no other package is asked
