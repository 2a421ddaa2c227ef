"""What is wrong with a line that was found, in words: stub."""

from __future__ import annotations

from backprop.check.lines.result import Line
from backprop.check.lines.search import Repair, Search


def explain(repair: Repair, search: Search, source: str) -> Line:
    """The line of a repair."""
    site = repair.group.site
    target = repair.target
    return Line(
        site.path, site.line, site.column, source.strip(), site.name or site.text, site.text,
        repair.group.events.index(repair.event) + 1, len(repair.group.events), tuple(sorted(repair.tensors)),
        f"dL/d({target.name})", target.group.site.line if target.group else 0, f"factor {repair.factor:.4g}", "unknown", "",
    )
