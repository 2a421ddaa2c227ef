"""Finding strategies: files of `backprop.strategies`, entry points of other packages, files of the user.

short-form              a file of this package
sharded-short-form      that one, on the shards of a batch; also `sharded` alone
my-strategy             an entry point of the group `backprop.strategies` in an installed package
path/to/file.py:Class   a class in a file
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from backprop import strategies
from backprop.errors import BackpropError, UnknownNameError, is_file, shown
from backprop.strategy import Strategy

if TYPE_CHECKING:
    from backprop.peers.base import Peer

ENTRY_POINT_GROUP = "backprop.strategies"

_SHARDED = "sharded"

_LADDER = (
    "full-jacobian",
    "sparse-jacobian",
    "batched-jacobian",
    "layerwise-vjp",
    "short-form",
    "finite-differences",
    "local-finite-differences",
    "complex-step",
    "forward-mode",
    "forward-gradient",
)


class StrategyLoadError(BackpropError):
    """A strategy's file, class or entry point that cannot be loaded."""


@functools.cache
def installed_strategies() -> dict[str, Strategy[Any]]:
    """Every strategy that is installed, by name: the ladder from dense to closed form, then the rest.

    Raises `StrategyLoadError` where an entry point cannot be loaded or a name is taken.
    """
    found = [*_built_in(), *_from_entry_points()]
    names = [strategy.name for strategy in found]
    for name in names:
        if names.count(name) > 1:
            raise StrategyLoadError(f"Two installed strategies are named {name!r}; expected a name for each.")
    order = {name: k for k, name in enumerate(_LADDER)}

    def rung(strategy: Strategy[Any]) -> tuple[int, str]:
        family = [k for name, k in order.items() if strategy.name.startswith(name)]
        return (min(family, default=len(order)), strategy.name)

    return {strategy.name: strategy for strategy in sorted(found, key=rung)}


def find_strategy(name: str) -> Strategy[Any]:
    """The strategy or peer of that name, or the one of the class in `file.py:Class`.

    Raises `UnknownNameError` for a name that is not installed, `StrategyLoadError` for a file or class
    that makes no strategy.
    """
    if ":" in name:
        return _from_file(name)
    known: dict[str, Strategy[Any]] = installed_strategies()
    if name not in known:
        known = {**known, **known_peers()}
    if name not in known and name.startswith(_SHARDED):
        return _sharded(name, known)
    if name not in known:
        raise UnknownNameError("strategy", name, [*known, _SHARDED])
    return known[name]


def select_strategies(names: Sequence[str], *, peers: bool = False) -> list[Strategy[Any]]:
    """The named strategies without repetition, all where no name is given; with `peers`, those as well.

    Raises, besides what `find_strategy` does, `StrategyLoadError` where two that differ have one name.
    """
    chosen = list(names) or list(installed_strategies())
    if peers:
        chosen += known_peers()
    found: dict[str, Strategy[Any]] = {}
    for target in dict.fromkeys(chosen):
        strategy = find_strategy(target)
        if found.setdefault(strategy.name, strategy) is not strategy:
            raise StrategyLoadError(
                f"Two of the chosen strategies are named {strategy.name!r}, one of them {target}; "
                "expected a name for each."
            )
    return list(found.values())


@functools.cache
def known_peers() -> dict[str, Peer[Any]]:
    """Every outside library's strategies by name, whether or not the library itself is installed."""
    from backprop import peers

    return {peer.name: peer for peer in _offered_by(peers)}


def _sharded(name: str, known: Mapping[str, Strategy[Any]]) -> Strategy[Any]:
    """`sharded`, or `sharded-` and the name of the inner strategy; it starts processes, so nobody lists it."""
    from backprop.sharding import Sharded

    if name == _SHARDED:
        return Sharded()
    inner = name.removeprefix(f"{_SHARDED}-")
    if inner not in known:
        raise UnknownNameError("strategy", name, [_SHARDED, *(f"{_SHARDED}-{one}" for one in known)])
    return Sharded(inner=known[inner])


def _built_in() -> Iterable[Strategy[Any]]:
    return _offered_by(strategies)


def _offered_by(package: ModuleType) -> Iterable[Any]:
    """The `STRATEGIES` of every module of a package that has some."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield from getattr(importlib.import_module(module.name), "STRATEGIES", ())


def _from_entry_points() -> Iterable[Strategy[Any]]:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            made = point.load()()
        except Exception as error:
            raise StrategyLoadError(
                f"The entry point {point.name} = {point.value} could not be loaded: {_sentence(error)}; "
                "expected a Strategy class."
            ) from error
        yield _check(made, f"The entry point {point.name} = {point.value}")


def _from_file(target: str) -> Strategy[Any]:
    path, _, class_name = target.rpartition(":")
    if not is_file(path):
        raise StrategyLoadError(f"There is no file {shown(path)}; expected file.py:Class.")
    module = _load(Path(path))
    made = getattr(module, class_name, None)
    if made is None:
        known = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise UnknownNameError(f"class in {path}", class_name, known)
    if not callable(made):
        raise StrategyLoadError(f"{target} is a {type(made).__name__}; expected a Strategy class.")
    try:
        strategy = made()
    except Exception as error:
        raise StrategyLoadError(
            f"{target} could not be made without arguments: {_sentence(error)}; expected a Strategy class."
        ) from error
    return _check(strategy, target)


def _load(path: Path) -> ModuleType:
    name = f"_backprop_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyLoadError(f"The file {str(path)!r} is no Python file; expected file.py:Class.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise StrategyLoadError(
            f"The file {str(path)!r} could not be run: {_sentence(error)}; expected file.py:Class."
        ) from error
    return module


def _sentence(error: BaseException) -> str:
    """The error's kind and message on one line, without a full stop."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")


def _check(made: object, origin: str) -> Strategy[Any]:
    if not isinstance(made, Strategy):
        raise StrategyLoadError(f"{origin} makes a {type(made).__name__}; expected a backprop.Strategy.")
    return made
