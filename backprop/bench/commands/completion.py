"""What a shell completes where an option takes a name. Only then is the library loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable


def _names(module: str, attribute: str) -> Callable[[str], list[str]]:
    """Completes one name of those that a module holds, or that a function of it gives."""

    def complete(incomplete: str) -> list[str]:
        try:
            held = getattr(importlib.import_module(module), attribute)
        except ImportError:  # of an optional part
            return []
        names: Iterable[str] = held() if callable(held) else held
        return [name for name in names if name.startswith(incomplete)]

    return complete


suites = _names("backprop.bench.suites", "built_in_suites")
activations = _names("backprop.layers", "HIDDEN")
networks = _names("backprop.notation", "NETWORKS")
layouts = _names("backprop.check.network.layouts", "ORIENTATIONS")
losses = _names("backprop.losses", "LOSSES")
subjects = _names("backprop.explain.symbolic", "SUBJECTS")
optimizers = _names("backprop.training.optimizers", "OPTIMIZERS")
dtypes = _names("backprop.arrays", "SUPPORTED_DTYPES")
starting_files = _names("backprop.bench.starting_files", "STARTING_FILES")


def _last_of_list(incomplete: str, names: Iterable[str]) -> list[str]:
    """The names that go on with the last name of a list such as `short-form,lay`."""
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]


def strategies(incomplete: str) -> list[str]:
    """Strategies and outside libraries, in a list with commas, too."""
    from backprop.registry import installed_strategies, known_peers

    return _last_of_list(incomplete, [*installed_strategies(), *known_peers(), "all", "peers"])


def scenarios(incomplete: str) -> list[str]:
    """Names, families and ids of scenarios, in a list with commas, too."""
    from backprop.bench.suites import known_scenarios

    known = known_scenarios()
    names = dict.fromkeys(name for one in known for name in (one.family, one.name, one.id))
    return _last_of_list(incomplete, names)
