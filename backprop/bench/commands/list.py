"""`backprop list`: everything that has a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backprop.bench.commands import options

if TYPE_CHECKING:
    from rich.console import Console

    from backprop.layers import Layer
    from backprop.peers.base import Peer

EXAMPLES = """
  backprop list
  backprop list --json                          for scripts
"""


def list(as_json: options.AsJson = False) -> None:
    """List everything that has a name: strategies, layers, losses, scenarios, outside libraries."""
    from backprop.bench.console import make_console

    if as_json:
        print(json.dumps(listing(), indent=2))
    else:
        print_listing(make_console())


def listing() -> dict[str, Any]:
    """All names by kind, as plain data for JSON."""
    from backprop import installed_strategies
    from backprop.bench.suites import built_in_suites, known_scenarios
    from backprop.layers import LAYERS
    from backprop.losses import LOSSES
    from backprop.notation import NETWORKS
    from backprop.registry import known_peers
    from backprop.sharding import STRATEGIES as SHARDED

    return {
        "strategies": [
            {"name": name, "forms": strategy.summary, "error model": strategy.accuracy.reason}
            for name, strategy in installed_strategies().items()
        ],
        "layers": [
            {"name": layer.name, "written": _written(layer), "formula": _first_line(layer)}
            for layer in LAYERS.values()
        ],
        "losses": [{"name": loss.name, "formula": _first_line(loss)} for loss in LOSSES.values()],
        "networks": [{"name": name, "layers": text} for name, text in NETWORKS.items()],
        "scenarios": [
            {
                "name": scenario.id,
                "network": str(scenario.network),
                "batch": scenario.batch_size,
                "parameters": scenario.network.parameter_count,
            }
            for scenario in known_scenarios()
        ],
        "suites": [
            {"name": name, "measures": path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")}
            for name, path in built_in_suites().items()
        ],
        "peers": [_installed(peer) for peer in known_peers().values()],
        "by name alone": [_installed(one) for one in SHARDED],
    }


def _installed(peer: Peer[Any]) -> dict[str, str | None]:
    return {
        "name": peer.name,
        "forms": peer.summary,
        "installed": peer.installed_version() or peer.unavailable(),
    }


def print_listing(console: Console) -> None:
    """One table for each kind."""
    from backprop.bench.table import Columns, Table, print_tables

    for kind, rows in listing().items():
        if not rows:
            console.print(f"{kind}: none installed\n")
            continue
        texts = [
            {key: f"{value:,}" if isinstance(value, int) else value for key, value in row.items()}
            for row in rows
        ]
        prose = [key for key, value in rows[0].items() if isinstance(value, str) and key != "name"]
        print_tables(console, [Table(kind, texts)], Columns(prose=prose))


def _written(layer: type[Layer]) -> str:
    """An example of the layer in the notation that `Network.parse` reads."""
    if layer.name == "linear":
        return "10"
    return layer.examples[0].partition(" ")[2] if layer.examples else layer.name


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0].rstrip(".")
