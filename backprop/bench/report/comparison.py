"""The comparison of two runs for people: Markdown for a pull request, a table on a terminal."""

from __future__ import annotations

import math

from rich.console import Console

from backprop import units
from backprop.bench.comparison import Comparison
from backprop.bench.report.markdown import as_code, as_text, table_of
from backprop.bench.report.tables import Row
from backprop.bench.statistics import SAME
from backprop.bench.table import Columns, Table, print_tables


def render(comparison: Comparison, first: str, second: str) -> str:
    """The comparison as Markdown for a pull request: what changed first, then everything."""
    sections = [f"### {as_code(second)} against {as_code(first)}"]
    sections += [f"> **{as_text(what)}**, {as_text(which)}" for what, which in _warnings(comparison)]
    answer, *others = map(as_text, _sentences(comparison))
    return "\n\n".join([*sections, f"**{answer}**", *others, *table_of(_rows(comparison))]) + "\n"


def print_comparison(console: Console, comparison: Comparison, first: str, second: str) -> None:
    """The same on a terminal, as a table as wide as it."""
    for warning in _warnings(comparison):
        console.print(", ".join(warning), style="bold")
    for sentence in _sentences(comparison):
        console.print(sentence)
    print_tables(console, [Table(f"{second} against {first}", _rows(comparison))], _COLUMNS)


_COLUMNS = Columns(
    first=("strategy", "ratio", "verdict", "95% interval", "before", "after"), prose=("verdict", "scenario")
)


def _rows(comparison: Comparison) -> list[Row]:
    """One row a cell; what changed comes first."""
    return [
        {
            "strategy": cell.strategy,
            "scenario": cell.scenario,
            "before": units.seconds(cell.first_s),
            "after": units.seconds(cell.second_s),
            "ratio": f"{ratio.value:.3f}" if ratio else units.MISSING,
            "95% interval": f"{ratio.low:.3f} to {ratio.high:.3f}"
            if ratio and ratio.has_interval
            else units.MISSING,
            "noise floor": units.factor(cell.noise_floor),
            "verdict": cell.verdict,
        }
        for cell in sorted(comparison.cells, key=lambda cell: cell.verdict == SAME)
        for ratio in [cell.ratio]
    ]


def _sentences(comparison: Comparison) -> list[str]:
    """The mean of the ratios and what is said of the cells; then how many were tested."""
    mean, count = comparison.geometric_mean, comparison.tested
    said = (
        "No cell was measured in both runs."
        if math.isnan(mean)
        else f"Geometric mean of the ratios: {mean:.3f} ({_words(comparison)})."
    )
    tested = f"{units.counted(count, 'cell')} tested, claims held at 5% together (Holm)."
    return [said, tested] if count else [said]


def _warnings(comparison: Comparison) -> list[tuple[str, str]]:
    """What differs between the runs besides the code, and what each of them has."""
    return [
        (f"Different {what}", f"{first} before and {second} after: the ratios compare them, too.")
        for what, (first, second) in (("machines", comparison.machines), ("samples", comparison.turns))
        if first != second
    ]


def _words(comparison: Comparison) -> str:
    verdicts = [cell.verdict for cell in comparison.cells]
    counted = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    words = {verdict: verdict.replace("no claim", "without a claim", 1) for verdict in counted}
    return "; ".join(f"{count} {words[verdict]}" for verdict, count in counted.items())
