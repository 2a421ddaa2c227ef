"""Markdown: the report of a run, the short text for a pull request, and the tables that both are made of."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from backprop import units
from backprop.bench.journal import Run
from backprop.bench.record import MEASURED, Agreement, Description, Record, by_scenario, grouped
from backprop.bench.report import machines, tables
from backprop.bench.report.answer import Answer, Lead, answer
from backprop.bench.report.pictures import NEEDED
from backprop.bench.report.ranking import found_note, ranking_note
from backprop.bench.report.scaling import exponents
from backprop.bench.report.tables import Figures, Row
from backprop.bench.table import TEXT_COLUMNS

# The report of a run ------------------------------------------------------------------------------------

_RANKED = (
    "#", "strategy", "time", "± IQR", "min", "÷ short form", "noise floor", "÷ loss", "÷ products", "prepare",
    "peak memory", "predicted", "error", "tolerance", "accuracy", "status",
)  # fmt: skip
_SOMETIMES = ("#", "noise floor", "95% interval")
"""Columns that a table has where a cell has a figure: a quick look has no A/A pair, and one start has no rank."""


def render(run: Run, pictures: list[str], can_draw: bool = True) -> str:
    """The whole report as Markdown that GitHub renders; `pictures` are file names beside it."""
    cells = run.records
    said = answer(cells)
    sections = ["# Derivations of one gradient, compared", *_opening(said, cells)]
    captions = {name: name.removesuffix(".svg").replace("-", " ").capitalize() for name in pictures}
    sections += [f"![{caption}]({name})" for name, caption in captions.items()]
    if not can_draw:
        sections.append(f"No pictures: they need `{NEEDED}`.")
    elif not pictures:
        sections.append("No pictures: no right cell in float64 with more than one sample was measured.")
    sections += filter(None, [as_text(ranking_note(cells, run.description))])
    for (scenario, dtype), group in by_scenario(cells).items():
        sections += [f"## {as_text(scenario)}, {as_text(dtype)}", _subtitle(group[0])]
        sections += [f"> {as_text(str(note))}" for note in run.description.notes]
        sections.append(ranked_table(group))
        sections += filter(None, [found_note(group)])
        sections += table_of(tables.measurement_rows(group))
    if fitted := exponents(cells):
        sections += ["## Scaling", "value ~ size**exponent.", *table_of(tables.exponent_rows(cells, fitted))]
    sections += ["## Agreement", _agreement_sections(run.agreements)]
    sections += ["## Left out", left_out_table(cells)]
    sections += ["## Machine and method", _machine(run.description), *table_of(machines.limits_rows(cells))]
    return "\n\n".join(sections) + "\n"


def _opening(said: Answer, cells: Sequence[Record]) -> list[str]:
    """The answer as paragraphs: headline, the ranking of its scenario, sentence, verdict, and what is unstable.

    Wrong gradients stand before the ranking, and like unstable times they are as bold as the headline.
    """
    title = f"**{as_text(said.headline)}.**"
    wrong = said.verdict.startswith("Wrong")
    verdict = _bold(said.verdict, wrong)
    closing = [as_text(said.sentence), *([] if wrong else verdict), *_bold(said.doubt, True)]
    opening = [title, *(verdict if wrong else [])]
    if said.lead is None:
        return list(filter(None, [*opening, *closing]))
    opening[0] += f" Network: {as_text(said.lead.title)}."
    return list(filter(None, [*opening, _short_ranking(cells, said.lead), *closing]))


def _bold(words: str, wanted: bool) -> list[str]:
    """The words, in bold where that is wanted; nothing where there are none."""
    return [] if not words else [f"**{as_text(words)}**" if wanted else as_text(words)]


def ranked_table(cells: Sequence[Record]) -> str:
    """The cells of one scenario, ranked."""
    return _used(_texts(figures, _RANKED) for _, figures in tables.ranking(cells))


def _used(rows: Iterable[Row]) -> str:
    """The rows as a table, without those of `_SOMETIMES` that no row has a figure in."""
    lines = list(rows)
    empty = ("", units.MISSING)
    unused = {header for header in _SOMETIMES if all(line.get(header, "") in empty for line in lines)}
    return markdown_table({key: line[key] for key in line if key not in unused} for line in lines)


def agreement_matrix(matrix: tables.Matrix) -> str:
    """Every pair of one scenario: the relative distance, and ✗ where it is beyond both error models."""
    headers = ["", *map(as_text, matrix.names)]
    return markdown_table(
        dict(zip(headers, [as_text(name), *distances], strict=True)) for name, distances in matrix.rows()
    )


def left_out_table(cells: Iterable[Record]) -> str:
    """The cells without figures, with their reason and what they would need."""
    rows = [_texts(figures, tables.LEFT_OUT) for _, figures in tables.left_out(cells)]
    return markdown_table(rows) if rows else "Nothing: every cell was measured."


def _subtitle(cell: Record) -> str:
    return (
        f"{as_code(cell.network)}, {cell.parameters:,} parameters, batch {cell.batch_size}, "
        + units.threads(cell.threads)
    )


def _agreement_sections(agreements: list[Agreement]) -> str:
    if not agreements:
        return "Fewer than two gradients in every scenario."
    sections = [
        "Relative distance ‖g - g'‖ / max(‖g‖, ‖g'‖) of every pair; ✗ marks one beyond both error models."
    ]
    for matrix in tables.matrices(agreements):
        sections += [f"**{as_text(matrix.label)}**", agreement_matrix(matrix)]
    return "\n\n".join(sections)


def _machine(run: Description) -> str:
    return markdown_table(
        {"": name, " ": as_code(value) if name == "command" else as_text(value)}
        for name, value in machines.machine_rows(run).items()
    )


# The text for a pull request ----------------------------------------------------------------------------


def summary(run: Run) -> str:
    """A run in a few lines: the answer, the ranking of its scenario, what was left out, and how to repeat it.

    The scenario is the one that the page opens with; the others are in report.md. The text ends with a line break.
    """
    cells = run.records
    said = answer(cells)
    parts = [f"### {as_text(said.headline)}"]
    if lead := said.lead:
        parts += [as_text(lead.title), _short_ranking(cells, lead)]
    verdict = said.verdict.replace("reasons below", "reasons in the table below")
    words = (said.sentence, ranking_note(cells, run.description), verdict)
    parts += [as_text(each) for each in words if each]
    parts += _bold(said.doubt, True)
    if out := _short_left_out(cells):
        parts.append(f"<details><summary>Left out</summary>\n\n{out}\n\n</details>")
    rows = machines.machine_rows(run.description)
    parts.append(f"{as_code(rows['command'])}, {as_text(rows['CPU'])}, threads: {as_text(rows['threads'])}")
    return "\n\n".join(parts) + "\n"


def _short_ranking(cells: Iterable[Record], lead: Lead) -> str:
    """The cells of the answer's scenario that were measured or predicted, with the ratio to its base."""
    bars = {bar.strategy: bar for bar in lead.bars}
    rows = []
    for cell, figures in tables.ranking(by_scenario(cells)[lead.scenario, lead.dtype]):
        bar = bars.get(cell.strategy)
        if bar is not None or cell.status in MEASURED:
            row = _texts(figures, ["#", "strategy", "time"])
            row[f"÷ {as_text(lead.base)}"] = bar.text if bar else units.MISSING
            rows.append(row | _texts(figures, ["95% interval", "peak memory", "error", "status"]))
    return _used(rows)


def _short_left_out(cells: Iterable[Record]) -> str:
    """One line a strategy and status: where first, in how many cells more, and why there."""
    rows = []
    groups = grouped(tables.left_out(cells), lambda row: (row[0].strategy, row[0].status))
    for (_, first), *others in groups.values():
        row = _texts(first, ["strategy", "status", "scenario", "reason"])
        more = f" and {len(others):,} more" if others else ""
        rows.append(row | {"scenario": f"{row['scenario']}, {as_text(first['dtype'].text)}{more}"})
    return markdown_table(rows) if rows else ""


# Tables -------------------------------------------------------------------------------------------------


def markdown_table(rows: Iterable[Mapping[str, str]]) -> str:
    """A Markdown table; text to the left, numbers to the right."""
    lines = list(rows)
    headers = list(lines[0])
    rule = [":--" if header in TEXT_COLUMNS else "--:" for header in headers]
    body = [[line[header] for header in headers] for line in lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headers, rule, *body])


def table_of(rows: Iterable[Row]) -> list[str]:
    """The rows as a table whose values are text; nothing of no rows."""
    escaped = [{header: as_text(value) for header, value in row.items()} for row in rows]
    return [markdown_table(escaped)] if escaped else []


def _texts(figures: Figures, headers: Iterable[str]) -> Row:
    return {header: as_text(figures[header].text) for header in headers}


_MARKUP = re.compile(r"[\\`*|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def as_text(value: str) -> str:
    """Text on one line that neither HTML nor Markdown nor a table takes for its own signs."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(" ".join(value.split()), quote=False))


def as_code(value: str) -> str:
    """Code on one line; in backticks a backslash escapes nothing, so a value with a sign of its own has tags."""
    if any(sign in value for sign in "`|\\"):
        return f"<code>{as_text(value)}</code>"
    return f"`{' '.join(value.split())}`"
