"""What a shell completes where an option takes a name. Only then is the library loaded."""

from __future__ import annotations

from collections.abc import Iterable


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


def suites(incomplete: str) -> list[str]:
    """The built-in suites."""
    from backprop.bench.suites import built_in_suites

    return [name for name in built_in_suites() if name.startswith(incomplete)]


def activations(incomplete: str) -> list[str]:
    """Layers that may stand between two linear ones."""
    from backprop.layers import HIDDEN

    return [name for name in HIDDEN if name.startswith(incomplete)]


def networks(incomplete: str) -> list[str]:
    """The networks that are known by a name."""
    from backprop.notation import NETWORKS

    return [name for name in NETWORKS if name.startswith(incomplete)]


def layouts(incomplete: str) -> list[str]:
    """The ways in which weights and samples may lie."""
    from backprop.check.network.layouts import ORIENTATIONS

    return [name for name in ORIENTATIONS if name.startswith(incomplete)]


def losses(incomplete: str) -> list[str]:
    """The losses that a network is made with."""
    from backprop.losses import LOSSES

    return [name for name in LOSSES if name.startswith(incomplete)]


def subjects(incomplete: str) -> list[str]:
    """What `backprop derive` derives by name."""
    import importlib.util

    if importlib.util.find_spec("sympy") is None:
        return []
    from backprop.explain.symbolic import SUBJECTS

    return [name for name in SUBJECTS if name.startswith(incomplete)]


def optimizers(incomplete: str) -> list[str]:
    """The optimisers of `backprop train`."""
    from backprop.training.optimizers import OPTIMIZERS

    return [name for name in OPTIMIZERS if name.startswith(incomplete)]


def dtypes(incomplete: str) -> list[str]:
    """The dtypes of parameters and inputs."""
    from backprop.arrays import SUPPORTED_DTYPES

    return [name for name in SUPPORTED_DTYPES if name.startswith(incomplete)]


def starting_files(incomplete: str) -> list[str]:
    """The kinds of files that `backprop init` writes."""
    from backprop.bench.starting_files import STARTING_FILES

    return [name for name in STARTING_FILES if name.startswith(incomplete)]
