"""Explaining a line that was found: what its value should be, what it is instead, and which kind of mistake it is."""

from __future__ import annotations

import linecache

import numpy as np

from backprop.check.entry import Entry, worst_entries
from backprop.check.lines.causes import causes, pattern
from backprop.check.lines.expressions import Edit
from backprop.check.lines.repair import Repair
from backprop.check.lines.result import Line
from backprop.check.lines.search import Search
from backprop.check.lines.wrong import Wrong, place_of, wrong_value
from backprop.check.oracle import OutOfCalls
from backprop.check.words import listed


def explain(repair: Repair, search: Search) -> Line:
    """The line of a repair."""
    site = repair.site
    seen = wrong_value(repair, search)
    try:
        finding = next(causes(repair, seen, search))
    except OutOfCalls:  # the line is proven; why it is wrong is then only seen in its entries
        finding = next(pattern(seen))
    wanted = "0" if seen.is_zero else _should_be(repair, seen)
    in_dict = site.name.startswith("_[")  # one that has no name
    variable = site.stem if in_dict else site.name or site.text
    return Line(
        file=site.path,
        line=site.line,
        column=site.column,
        source=linecache.getline(site.path, site.line).strip(),
        variable=variable,
        text=site.text,
        call=repair.group.events.index(repair.event) + 1,
        calls=len(repair.group.events),
        tensors=tuple(name for name in search.truth.program.structure.names if name in repair.tensors),
        should_be="0" if seen.is_zero else f"dL/d({seen.name})" if seen.name else wanted,
        of=seen.of,
        message=f"{variable} should be {wanted}. {finding.evidence}",
        kind=finding.kind,
        evidence=finding.evidence,
        worst=_worst(seen),
    )


def line_of_edit(edit: Edit, tensors: tuple[str, ...]) -> Line:
    """The line of an edit that makes tensors right, where nothing is known of its value."""
    source = linecache.getline(edit.place[0], edit.line).strip()
    evidence = f"With that {listed(list(tensors))} {'is' if len(tensors) == 1 else 'are'} right."
    return Line(
        file=edit.place[0],
        line=edit.line,
        column=edit.column,
        source=source,
        variable=edit.old,
        text=edit.old,
        call=1,
        calls=1,
        tensors=tensors,
        should_be=edit.new,
        of=0,
        message=f"{edit.old} should be {'left out' if edit.new == 'pass' else edit.new}. {evidence}",
        kind="unknown",
        evidence=evidence,
        fix=edit.new,
    )


def _should_be(repair: Repair, seen: Wrong) -> str:
    group = repair.target.group
    if repair.values:
        return repair.said
    if group is None:
        return f"dL/d({seen.name})"
    times = "" if repair.factor == 1 else f"{1 / repair.factor:.4g} · "
    place = place_of(group.site, repair.site)
    if group.site.is_use:
        return f"the part of {times}dL/d({seen.name}) that comes from {place}"
    variable = f", {seen.name}" if group.site.name else ""
    return f"{times}dL/d({seen.name}){variable} of {place}"


def _worst(seen: Wrong) -> tuple[Entry, ...]:
    if seen.known.directions is not None or seen.got.shape != seen.shape:
        return ()
    expected, slack = seen.known.values.reshape(seen.shape), seen.known.tolerance.reshape(seen.shape)
    wrong = np.abs(seen.got - expected) > slack
    return worst_entries(seen.got, expected, slack, wrong, seen.shape)[:2]
