"""The suites that are built in: quick, default, scaling, peers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backprop import Network
from backprop.bench.scenarios import SCENARIOS, Scenario, select_scenarios
from backprop.bench.suites.reader import read_suite
from backprop.bench.suites.suite import Part, Suite
from backprop.bench.turns import Schedule
from backprop.errors import UnknownNameError
from backprop.registry import installed_strategies, known_peers

_DTYPES = ("float32", "float64")


def find_suite(name: str) -> Suite:
    """The built-in suite of that name, or the one of a TOML file.

    Raises `UnknownNameError` for a name that is neither, `SuiteError` for a file with a mistake.
    """
    if name in SUITES:
        return SUITES[name]()
    if name.endswith(".toml"):
        return read_suite(Path(name))
    raise UnknownNameError("suite", name, [*SUITES, "FILE.toml"])


def _quick() -> Suite:
    scenarios = select_scenarios(["small", "mnist-32/float32"])
    fast = ("short-form", "layerwise-vjp", "batched-jacobian")
    return Suite.of("quick", fast, scenarios, Schedule(starts=6, turns=16, slow_s=1.0))


def _default() -> Suite:
    """The whole ladder in every scenario of the table, in about a quarter of an hour on two cores."""
    suite = Suite.of(
        "default", tuple(installed_strategies()), SCENARIOS, Schedule(starts=6, turns=24, slow_s=3.0)
    )
    return replace(suite, curves=True)


def _scaling() -> Suite:
    """Width, batch and depth, each swept alone around 784-64-10 and 196-64-10, batch 32."""
    widths = [Network.mlp(784, width, 10) for width in (16, 32, 64, 128, 256)]
    depths = [Network.mlp(196, *[64] * depth, 10) for depth in (1, 2, 4, 8)]
    scenarios = [Scenario.of(network, 32, "float64") for network in widths]
    scenarios += [Scenario.of(Network.mlp(784, 64, 10), n, "float64") for n in (1, 4, 16, 64, 128)]
    scenarios += [Scenario.of(network, 32, "float64") for network in depths]
    unique = list(dict.fromkeys(scenarios))
    strategies = [name for name in installed_strategies() if not name.startswith("finite")]
    return Suite.of("scaling", strategies, unique, Schedule(starts=6, turns=24, slow_s=2.0))


def _peers() -> Suite:
    """Compares each method with PyTorch, JAX, autograd and SciPy on real digits; README's targets are read off it."""
    reverse = ("short-form", "short-form-dense", "layerwise-vjp", "torch-grad", "jax-grad", "autograd-grad")
    dense = (
        "short-form",
        "full-jacobian",
        "batched-jacobian",
        "torch-jacrev",
        "jax-jacrev",
        "sparse-jacobian",
    )
    local = ("local-finite-differences", "finite-differences")
    small = [_digits(Network.mlp(49, 32, 10), 32, dtype) for dtype in _DTYPES]
    parts = (
        Part((*installed_strategies(), *known_peers()), tuple(small)),
        Part(
            reverse,
            tuple(_mnist(n, dtype) for n, dtype in itertools.product((1, 8, 32, 128, 512, 2048), _DTYPES)),
        ),
        Part(dense, tuple(_mnist(n, dtype) for n, dtype in itertools.product((1, 8, 32), _DTYPES))),
        Part(local, (_mnist(32, "float64"),)),
        Part(
            reverse, tuple(_mnist(n, dtype, threads=2) for n, dtype in itertools.product((32, 128), _DTYPES))
        ),
    )
    return Suite("peers", parts, Schedule(starts=6, turns=32, slow_s=2.0))


def _mnist(n: int, dtype: str, threads: int | None = None) -> Scenario:
    return _digits(Network.mlp(784, 512, 10), n, dtype, threads)


def _digits(network: Network, n: int, dtype: str, threads: int | None = None) -> Scenario:
    """The scenario of a network on digits, with one step of learning: here only time and memory matter."""
    made = Scenario.of(network, n, dtype, threads)
    name = f"{'mnist' if network.inputs == 784 else 'small'}-{n}" + (f"-threads-{threads}" if threads else "")
    return replace(made, name=name, learning_steps=1)


SUITES: dict[str, Callable[[], Suite]] = {
    "quick": _quick,
    "default": _default,
    "scaling": _scaling,
    "peers": _peers,
}
"""What makes each of them: the installed strategies are looked for when a suite is asked for."""
