"""The Markdown report: the answer first, then a ranked table per scenario, agreement, what was left out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

import pandas as pd

from backprop.bench.record import MEASURED, Agreement, Description
from backprop.bench.report import units
from backprop.bench.report.frame import LoadedRun, tuples
from backprop.bench.report.machine import machine_rows
from backprop.bench.report.measurement import exponent_rows, found_note, measurement_rows, ranking_note
from backprop.bench.report.scaling import exponents
from backprop.bench.report.targets import TARGETS_NOTE, target_rows, targets


def render(loaded: LoadedRun, pictures: list[str], can_plot: bool = True) -> str:
    """The whole report as Markdown that GitHub renders; `pictures` are file names beside it."""
    frame = loaded.frame
    sections = ["# Derivations of one gradient, compared", answer(frame)]
    sections += [f"![{_caption(name)}]({name})" for name in pictures]
    if not can_plot:
        sections.append("No plots: matplotlib is not installed (`pip install matplotlib`).")
    elif not pictures:
        sections.append("No plots: no right cell in float64 with more than one sample was measured.")
    sections += filter(None, [as_text(ranking_note(frame, loaded.run))])
    for (scenario, dtype), cells in frame.groupby(["scenario", "dtype"], sort=False):
        sections += [f"## {as_text(str(scenario))}, {as_text(str(dtype))}", _subtitle(cells)]
        sections += [f"> {as_text(str(note))}" for note in loaded.run.notes]
        sections.append(ranked_table(cells))
        sections += filter(None, [found_note(cells)])
        if rows := measurement_rows(cells):
            sections.append(markdown_table(_escaped(rows)))
    if found := targets(frame):
        sections += ["## Targets", TARGETS_NOTE, markdown_table(_escaped(target_rows(found)))]
    if fitted := exponents(frame):
        sections += ["## Scaling", "value ~ size**exponent.", markdown_table(_escaped(exponent_rows(fitted)))]
    sections += ["## Agreement", _agreement_sections(loaded.agreements)]
    sections += ["## Left out", left_out_table(frame)]
    sections += ["## Machine and method", _machine(loaded.run)]
    if limits := limits_rows(frame):
        sections.append(markdown_table(_escaped(limits)))
    return "\n\n".join(sections) + "\n"


def answer(frame: pd.DataFrame) -> str:
    """One sentence: what the derivations cost on the largest scenario that all measured ones share."""
    measured = frame[(frame.status == "ok") & frame.ratio_to_short_form.notna()]
    wrong = frame[frame.status == "disagrees"]
    sentences = []
    if len(measured):
        counts = measured.groupby(["scenario", "dtype"], sort=False).agg(
            strategies=("strategy", "size"), parameters=("parameters", "first")
        )
        headline = counts.sort_values(["parameters", "strategies"], kind="stable").index[-1]
        cells = measured[(measured.scenario == headline[0]) & (measured.dtype == headline[1])]
        cells = cells.sort_values("ratio_to_short_form")
        costs = ", ".join(
            f"{units.ratio(row.ratio_to_short_form)} by {as_text(row.strategy)}" for row in tuples(cells)
        )
        sentences.append(
            f"**The same gradient of {as_code(cells.network.iloc[0])}, batch {cells.batch_size.iloc[0]}, "
            f"{as_text(headline[1])}, costs in time: {costs}.**"
        )
    elif len(wrong):
        sentences.append("**No right gradient was measured.**")
    else:
        sentences.append("**No cell was measured.**")
    names = sorted({f"{row.strategy} ({row.scenario}, {row.dtype})" for row in tuples(wrong)})
    if names:
        sentences.append(
            f"**Wrong gradients, marked `disagrees` and not ranked: {as_text(', '.join(names))}.**"
        )
    elif measured_count := int(frame.status.isin(MEASURED).sum()):
        sentences.append(
            f"All {measured_count} measured cells are within the tolerance of their error model; "
            f"{len(frame) - measured_count} cells were left out, with reasons below."
        )
    return "\n\n".join(sentences)


def ranked_table(cells: pd.DataFrame) -> str:
    """The cells of one scenario: right ones by time, then wrong ones, then those that did not run."""
    order = {"ok": 0, "disagrees": 1}
    ranked = cells.assign(group=[order.get(status, 2) for status in cells.status])
    ranked = ranked.sort_values(["group", "time_median_s", "predicted_time_s"], kind="stable")
    rows = []
    for cell in tuples(ranked):
        rows.append(
            {
                "#": units.rank(cell.rank_best, cell.rank_worst),
                "strategy": as_text(cell.strategy),
                "time": units.seconds(cell.time_median_s),
                "± IQR": units.seconds(cell.time_iqr_s),
                "min": units.seconds(cell.time_min_s),
                "÷ short form": units.ratio(cell.ratio_to_short_form),
                "noise floor": units.factor(cell.noise_floor),
                "÷ loss": units.ratio(cell.ratio_to_loss),
                "÷ products": units.ratio(cell.ratio_to_products),
                "prepare": units.seconds(cell.prepare_s),
                "peak memory": units.data_size(cell.peak_bytes),
                "predicted": units.data_size(cell.predicted_peak_bytes),
                "error": units.error(cell.gradient_error),
                "tolerance": units.error(cell.tolerance),
                "accuracy": units.percent(cell.test_accuracy),
                "status": as_text(cell.status),
            }
        )
    unused = {  # a quick look has no A/A pair, and one start has no rank
        "noise floor": ranked.noise_floor.isna().all(),
        "#": ranked.rank_best.isna().all(),
    }
    rows = [{header: row[header] for header in row if not unused.get(header)} for row in rows]
    return markdown_table(rows)


def agreement_matrix(rows: list[Agreement]) -> str:
    """Every pair of one scenario: the relative distance, and ✗ where it is beyond both error models."""
    names = list(dict.fromkeys(name for row in rows for name in (row.first, row.second)))
    cells = {frozenset((row.first, row.second)): row for row in rows}
    table = []
    for name in names:
        line = {"": as_text(name)}
        for other in names:
            pair = cells.get(frozenset((name, other)))
            mark = "" if pair is None or pair.agrees else " ✗"
            line[as_text(other)] = "" if pair is None else units.error(pair.distance) + mark
        table.append(line)
    return markdown_table(table)


def left_out_table(frame: pd.DataFrame) -> str:
    """The cells without figures, with their reason and what they would need."""
    left_out = frame[~frame.status.isin(MEASURED)]
    if left_out.empty:
        return "Nothing: every cell was measured."
    return markdown_table(
        {
            "strategy": as_text(cell.strategy),
            "scenario": as_text(f"{cell.scenario}, {cell.dtype}"),
            "status": as_text(cell.status),
            "reason": as_text(cell.reason),
            "predicted time of a call": units.seconds(cell.predicted_time_s),
            "predicted memory": units.data_size(cell.predicted_peak_bytes),
            "forward passes": units.count(cell.forward_calls),
        }
        for cell in tuples(left_out)
    )


def limits_rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    """What the machine could do, one row a dtype and thread count: the median over the scenarios."""
    known = frame[frame.limit_flops_per_s.notna()]
    limits = known.groupby(["dtype", "threads"], sort=False)[
        ["limit_flops_per_s", "limit_bytes_per_s"]
    ].median()
    return [
        {
            "dtype": str(row.Index[0]),
            "threads": units.count(row.Index[1]),
            "GEMM peak": units.flops_rate(row.limit_flops_per_s),
            "memory bandwidth": f"{units.data_size(row.limit_bytes_per_s)}/s",
        }
        for row in tuples(limits)
    ]


def _subtitle(cells: pd.DataFrame) -> str:
    first = cells.iloc[0]
    return (
        f"{as_code(first.network)}, {first.parameters:,} parameters, batch {first.batch_size}, "
        f"{first.threads} thread{'s' if first.threads > 1 else ''}"
    )


def _agreement_sections(agreements: list[Agreement]) -> str:
    if not agreements:
        return "Fewer than two gradients in every scenario."
    text = [
        "Relative distance ‖g - g'‖ / max(‖g‖, ‖g'‖) of every pair; ✗ marks one beyond both error models."
    ]
    groups: dict[tuple[str, str], list[Agreement]] = {}
    for row in agreements:
        groups.setdefault((row.scenario, row.dtype), []).append(row)
    for (scenario, dtype), rows in groups.items():
        text += [f"**{as_text(scenario)}, {as_text(dtype)}**", agreement_matrix(rows)]
    return "\n\n".join(text)


def _machine(run: Description) -> str:
    rows = machine_rows(run)
    return markdown_table(
        {"": name, " ": as_code(value) if name == "command" else as_text(value)}
        for name, value in rows.items()
    )


def _caption(name: str) -> str:
    return name.removesuffix(".svg").replace("-", " ").capitalize()


TEXT_COLUMNS = {"", " ", "strategy", "status", "reason", "scenario"}
TEXT_COLUMNS |= {
    "quantity",
    "against",
    "against short form",
    "memory by",
    "unstable",
    "work",
    "cell",
    "dtype",
    "tool",
}


def markdown_table(rows: Iterable[dict[str, str]]) -> str:
    """A Markdown table; text to the left, numbers to the right."""
    lines = list(rows)
    headers = list(lines[0])
    rule = [":--" if header in TEXT_COLUMNS else "--:" for header in headers]
    body = [[line[header] for header in headers] for line in lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headers, rule, *body])


_MARKUP = re.compile(r"[\\`*|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def _escaped(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows with every value as text of a table."""
    return [{header: as_text(value) for header, value in row.items()} for row in rows]


def as_text(value: str) -> str:
    """Text on one line that neither HTML nor Markdown nor a table takes for its own signs."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(" ".join(value.split()), quote=False))


def as_code(value: str) -> str:
    """Code on one line; in backticks a backslash escapes nothing, so a value with a sign of its own has tags."""
    if any(sign in value for sign in "`|\\"):
        return f"<code>{as_text(value)}</code>"
    return f"`{' '.join(value.split())}`"
