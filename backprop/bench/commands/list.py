"""`backprop list`: everything that has a name."""

from __future__ import annotations

import json

from backprop.bench.commands.options import AsJson

EXAMPLES = """
  backprop list
  backprop list --json                          for scripts
"""


def list(as_json: AsJson = False) -> None:
    """List everything that has a name: strategies, layers, losses, scenarios, outside libraries."""
    from backprop.bench.console import make_console
    from backprop.bench.listing import listing, print_listing

    if as_json:
        print(json.dumps(listing(), indent=2))
    else:
        print_listing(make_console())
