"""`backprop check --kinds`: all kinds of mistakes, how each is recognised, and what to do about it."""

from __future__ import annotations

import dataclasses
import json


def show_kinds(as_json: bool) -> None:
    """Print the table of kinds."""
    from backprop.bench.console import make_console, make_table
    from backprop.check import KINDS

    if as_json:
        print(json.dumps([dataclasses.asdict(kind) for kind in KINDS.values()], indent=2))
        return
    table = make_table("Kinds of mistakes", ("kind", "what it is", "its signature", "what to do"))
    for kind in KINDS.values():
        table.add_row(kind.name, kind.summary, kind.signature, kind.fix)
    make_console().print(table)
