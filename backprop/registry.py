"""The strategies and peers by name, or by the file of the user (`backprop.finding`).

short-form              a file of this package
sharded-short-form      that one, on the shards of a batch; also `sharded` alone
my-strategy             an entry point of the group `backprop.strategies` in an installed package
path/to/file.py:Class   a class in a file

Where several are chosen, `all` and `*` mean all that are installed, `finite-*` those whose name fits, and `peers`
every outside library.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from backprop import strategies
from backprop.errors import UnknownNameError
from backprop.finding import LoadError, check_names_class, class_in_file, modules, offered, said
from backprop.strategy import Strategy

if TYPE_CHECKING:
    from backprop.peers.base import Peer

ENTRY_POINT_GROUP = "backprop.strategies"

ALL, PEERS = "all", "peers"
"""What means many strategies where several are chosen."""

_SHARDED = "sharded"

_EXPECTED = "a Strategy class"


@functools.cache
def installed_strategies() -> dict[str, Strategy[Any]]:
    """Every strategy that is installed, by name: the ladder from dense to closed form, then the rest.

    Raises `LoadError` where an entry point cannot be loaded or a name is taken.
    """
    outside = [_made(kind, origin) for origin, kind in offered(ENTRY_POINT_GROUP, _EXPECTED)]
    found = [*_own_strategies(), *outside]
    names = [strategy.name for strategy in found]
    for name in names:
        if names.count(name) > 1:
            raise LoadError(f"Two installed strategies are named {name!r}; expected a name for each.")
    return {strategy.name: strategy for strategy in sorted(found, key=lambda one: (one.rung, one.name))}


@functools.cache
def _own_strategies() -> tuple[Strategy[Any], ...]:
    return tuple(_from_files(strategies))


def find_strategy(name: str) -> Strategy[Any]:
    """The strategy or peer of that name, or the one of the class in `file.py:Class`.

    Raises `UnknownNameError` for a name that is not installed, `LoadError` for a file or class
    that makes no strategy.
    """
    if ":" in name:
        return _made(class_in_file(name, _EXPECTED), name)
    check_names_class("strategy", name)
    known: dict[str, Strategy[Any]] = {strategy.name: strategy for strategy in _own_strategies()}
    if name not in known:  # only then in the other packages: to go through all of them takes a while
        known = installed_strategies()
    if name not in known:
        known = {**known, **known_peers()}
    if name not in known and name.startswith(_SHARDED):
        return _sharded(name, known)
    if name not in known:
        raise UnknownNameError("strategy", name, [*known, _SHARDED])
    return known[name]


def strategies_meant(name: str) -> list[str]:
    """The names of the strategies that a name, a pattern, `all` or `peers` means; raises as `find_strategy` does."""
    if name == PEERS:
        return list(known_peers())
    pattern = "*" if name == ALL else name
    if "*" in pattern and ":" not in pattern:
        for known in (installed_strategies(), known_peers()):
            if meant := fnmatch.filter(known, pattern):
                return meant
    find_strategy(name)
    return [name]


def select_strategies(names: Sequence[str], *, peers: bool = False) -> list[Strategy[Any]]:
    """The strategies that the names mean without repetition, all where no name is given; with `peers`, those as well.

    Raises, besides what `find_strategy` does, `LoadError` where two that differ have one name.
    """
    chosen = [
        one for name in [*(names or [ALL]), *([PEERS] if peers else [])] for one in strategies_meant(name)
    ]
    found: dict[str, Strategy[Any]] = {}
    for target in dict.fromkeys(chosen):
        strategy = find_strategy(target)
        if found.setdefault(strategy.name, strategy) is not strategy:
            raise LoadError(
                f"Two of the chosen strategies are named {strategy.name!r}, one of them {target}; "
                "expected a name for each."
            )
    return list(found.values())


def ladder() -> dict[str, Strategy[Any]]:
    """By name, the strategies that explanations compare with: those that state their shortcuts, one of each class."""
    found: dict[type, Strategy[Any]] = {}
    for strategy in installed_strategies().values():
        if strategy.shortcuts is not None:
            found.setdefault(type(strategy), strategy)
    return {strategy.name: strategy for strategy in found.values()}


@functools.cache
def known_peers() -> dict[str, Peer[Any]]:
    """Every outside library's strategies by name, whether or not the library itself is installed."""
    from backprop import peers

    return {peer.name: peer for peer in _from_files(peers)}


def _sharded(name: str, known: Mapping[str, Strategy[Any]]) -> Strategy[Any]:
    """`sharded`, or `sharded-` and the name of the inner strategy; it starts processes, so nobody lists it."""
    from backprop.sharding import Sharded

    if name == _SHARDED:
        return Sharded()
    inner = name.removeprefix(f"{_SHARDED}-")
    if inner not in known:
        raise UnknownNameError("strategy", name, [_SHARDED, *(f"{_SHARDED}-{one}" for one in known)])
    return Sharded(inner=known[inner])


def _from_files(package: ModuleType) -> Iterator[Any]:
    """The `STRATEGIES` of every module of a package that has some."""
    for module in modules(package.__name__, list(package.__path__)):
        yield from getattr(module, "STRATEGIES", ())


def _made(kind: Any, origin: str) -> Strategy[Any]:
    try:
        strategy = kind()
    except Exception as error:
        raise LoadError(
            f"{origin} could not be made without arguments: {said(error)}; expected {_EXPECTED}."
        ) from error
    if not isinstance(strategy, Strategy):
        raise LoadError(f"{origin} makes a {type(strategy).__name__}; expected a backprop.Strategy.")
    return strategy
