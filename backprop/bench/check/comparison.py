"""`python -m backprop.bench.check.comparison --out DIR`: gradient checkers on the same right and wrong gradients.

Writes comparison.csv, one row for every tool and gradient, and comparison.md, the table of README.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backprop.bench.check.cases import CASES, MISTAKES, Case, Gradient, planted
from backprop.bench.check.tools import TOOLS, Counted, GaveUp, Tool, Verdict
from backprop.bench.folders import keep
from backprop.bench.output import write_files
from backprop.bench.progress import tracked
from backprop.bench.report.markdown import markdown_table

MOST_CALLS, SECONDS = 20_000, 20.0
"""What a tool is given for one gradient; beyond that it gave up."""


def gradients() -> list[tuple[Case, str, Gradient]]:
    """Every case with its right gradient ("none") and with each mistake that makes a difference there."""
    every: list[tuple[Case, str, Gradient]] = []
    for case in CASES:
        every.append((case, "none", case.gradient))
        for mistake in MISTAKES:
            gradient = planted(case, mistake)
            if gradient is not None:
                every.append((case, mistake.name, gradient))
    return every


def ask(tool: Tool, case: Case, gradient: Gradient) -> tuple[Verdict, int, float]:
    """The verdict of a tool, the function calls and the seconds that it took."""
    function = Counted(case.function, MOST_CALLS, SECONDS)
    start = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            verdict = tool.ask(function, gradient, case.point.copy())
        except GaveUp:
            verdict = "gave up"
        except Exception:  # whatever another library raises is a row of the table
            verdict = "failed"
    return verdict, function.calls, time.perf_counter() - start


def compare(tools: Sequence[Tool]) -> pd.DataFrame:
    """One row for every tool and gradient."""
    rows = []
    gave_up: set[tuple[str, str]] = set()
    for case, mistake, gradient in tracked(
        gradients(), "asking every tool about", lambda one: f"{one[0].name}, mistake: {one[1]}"
    ):
        for tool in tools:
            if (tool.name, case.name) in gave_up:  # it would again
                verdict, calls, seconds = "gave up", None, None
            else:
                verdict, calls, seconds = ask(tool, case, gradient)
            if verdict == "gave up":
                gave_up.add((tool.name, case.name))
            rows.append(
                {
                    "tool": tool.name,
                    "case": case.name,
                    "kind": case.kind,
                    "mistake": mistake,
                    "verdict": verdict,
                    "calls": calls,
                    "seconds": seconds,
                }
            )
    return pd.DataFrame(rows)


def summary(frame: pd.DataFrame) -> list[dict[str, str]]:
    """For every tool: mistakes found and missed, false alarms, what it left open, median calls and seconds."""
    rows = []
    for name, part in frame.groupby("tool", sort=False):
        is_right = part["mistake"] == "none"
        wrong, right = part[~is_right], part[is_right]
        open_ = part["verdict"].isin(["undecided", "failed", "gave up"])
        rows.append(
            {
                "tool": str(name),
                "found": f"{(wrong['verdict'] == 'wrong').sum()} of {len(wrong)}",
                "missed": str((wrong["verdict"] == "right").sum()),
                "false alarms": f"{(right['verdict'] == 'wrong').sum()} of {len(right)}",
                "left open": str(open_.sum()),
                "calls, median": f"{part['calls'].median():,.0f}",
                "seconds, median": f"{part['seconds'].median():.4f}",
            }
        )
    return rows


def markdown(frame: pd.DataFrame) -> str:
    """The summary as the table of README."""
    return markdown_table(summary(frame)) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every tool that is installed and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m backprop.bench.check.comparison", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for comparison.csv and comparison.md")
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    chosen = parser.parse_args(arguments)
    out: Path = chosen.out
    keep("The file", [out / "comparison.csv"], chosen.fresh)
    tools = [tool for tool in TOOLS if importlib.util.find_spec(tool.package)]
    frame = compare(tools)
    table = frame.to_csv(index=False, float_format="%.4g")
    write_files("The comparison", out, {"comparison.csv": table, "comparison.md": markdown(frame)})
    print(markdown(frame), end="")


if __name__ == "__main__":
    main()
