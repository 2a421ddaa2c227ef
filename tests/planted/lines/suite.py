"""Every planted slip through the finder of lines, and what was not placed; alone, and two or three together.

python tests/planted/lines/suite.py [PASS …] [--dtype float32]   # how often the first line named is a planted one
python tests/planted/lines/suite.py lstm --out DIR               # and into DIR/lines.csv and DIR/lines.md
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib.util
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backprop.bench.report.markdown import markdown_table
from backprop.check.lines import Lines, find_lines

HERE = Path(__file__).parent


def load(path: Path, name: str):
    """A module from a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SLIPS = load(HERE / "slips.py", "planted_line_slips").SLIPS
PASSES = {name: (HERE / "passes" / f"{name}.py").read_text(encoding="utf-8") for name in SLIPS}


@dataclass(frozen=True)
class Case:
    """Slips in one pass."""

    name: str
    slips: tuple[tuple[str, ...], ...]

    @property
    def source(self) -> str:
        source = PASSES[self.name]
        for right, wrong, *_ in self.slips:
            assert source.count(right) == 1, (self.name, right, source.count(right))
            source = source.replace(right, wrong)
        return source

    @property
    def planted(self) -> list[int]:
        """The lines to be named."""
        source = PASSES[self.name]
        return sorted(
            source[: source.index(slip[-1] if len(slip) == 3 else slip[0])].count("\n") + 1
            for slip in self.slips
        )

    def __str__(self) -> str:
        return f"{self.name}: " + "; ".join(f"{slip[0]} -> {slip[1]}" for slip in self.slips)


def single() -> list[Case]:
    """Every slip alone."""
    return [Case(name, (slip,)) for name, slips in SLIPS.items() for slip in slips]


def several(rng: np.random.Generator) -> list[Case]:
    """Two and three slips together, in different lines of one pass."""
    cases = []
    for name, slips in SLIPS.items():
        for size in (2, 2, 2, 3, 3):
            chosen = [slips[int(k)] for k in rng.choice(len(slips), size, replace=False)]
            case = Case(name, tuple(chosen))
            apart = len({slip[0] for slip in chosen}) == size and len(set(case.planted)) == size
            if apart and not any(a[0] in b[0] for a, b in itertools.permutations(chosen, 2)):
                cases.append(case)
    return cases


def arguments(example, dtype: str, seed: int = 0):
    """The point and the other arguments of a pass, in a dtype."""

    def cast(value):
        if isinstance(value, dict):
            return {key: cast(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(cast, value))
        if dataclasses.is_dataclass(value):
            return type(value)(**cast(vars(value)))
        if hasattr(value, "detach"):
            import torch

            return value.to(getattr(torch, dtype)) if value.is_floating_point() else value
        return value.astype(dtype) if getattr(value, "dtype", np.dtype(int)).kind == "f" else value

    point, data = example(np.random.default_rng(seed))
    return cast(point), cast(data)


def find(case: Case, folder: Path, dtype: str = "float64", seed: int = 0, example=None) -> Lines:
    """What the finder says of a case, which is written to a file of its own first."""
    path = folder / f"{case.name}_{abs(hash(case)) % 10**10}.py"
    path.write_text(case.source, encoding="utf-8")
    module = load(path, path.stem)
    point, data = arguments(example or module.example, dtype, seed)
    return find_lines(module.step, point, *data)


def rows_of(cases: list[Case], dtype: str, seed: int, example=None) -> list[dict]:
    """A row for every case; what was not named as it was planted is printed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            start = time.process_time()
            lines = find(case, Path(folder), dtype, seed, example)
            got = [line.line for line in lines]
            if set(got) != set(case.planted) or (not case.slips and (lines.wrong or lines.note)):
                mark = "WRONG" if not got or not set(got) <= set(case.planted) else "PART "
                seen = [(line.line, line.source, line.should_be, line.tensors) for line in lines]
                left = f"wrong {lines.wrong} unplaced {lines.unplaced} {lines.note}"
                print(f"{mark} {case} | planted {case.planted} | {seen} | {left}", flush=True)
            rows.append(
                {
                    "pass": case.name if example is None else "784-512-10",
                    "dtype": dtype,
                    "slips": "; ".join(f"{slip[0]} -> {slip[1]}" for slip in case.slips),
                    "planted": " ".join(map(str, case.planted)),
                    "named": " ".join(map(str, got)),
                    "calls": lines.calls,
                    "seconds": round(time.process_time() - start, 2),
                }
            )
    return rows


def summary(rows: list[dict], by: str) -> list[dict]:
    """For every value of a column what was named, of how many; calls and seconds of the processor."""
    found = []
    for value in dict.fromkeys(row[by] for row in rows):
        mine = [row for row in rows if row[by] == value]
        wrong, right = [row for row in mine if row["planted"]], [row for row in mine if not row["planted"]]
        pairs = [(row["planted"].split(), row["named"].split()) for row in wrong]
        first = sum(named[:1] != [] and named[0] in planted for planted, named in pairs)
        named = [line in planted for planted, lines in pairs for line in lines]
        planted = [line in lines for planted, lines in pairs for line in planted]
        found.append(
            {
                by: value,
                "first line planted": f"{first} of {len(wrong)} ({first / max(len(wrong), 1):.1%})",
                "named lines planted": f"{sum(named)} of {len(named)} ({sum(named) / max(len(named), 1):.1%})",
                "planted lines named": f"{sum(planted)} of {len(planted)}",
                "in right code": f"{sum(bool(row['named']) for row in right)} of {len(right)}",
                "calls, median": f"{statistics.median(int(row['calls']) for row in mine):,.0f}",
                "seconds, median": f"{statistics.median(float(row['seconds']) for row in mine):.2f}",
            }
        )
    return found


def written(rows: list[dict], folder: Path) -> None:
    """Put rows in the place of those of the same passes and dtype in lines.csv; and what all come to in lines.md."""
    folder.mkdir(parents=True, exist_ok=True)
    path, ran = folder / "lines.csv", {(row["pass"], row["dtype"]) for row in rows}
    before = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
    rows = [*(row for row in before if (row["pass"], row["dtype"]) not in ran), *rows]
    rows.sort(key=lambda row: (row["dtype"] != "float64", row["pass"]))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    tables = [
        markdown_table(summary([row for row in rows if row["dtype"] == dtype], "pass"))
        for dtype in dict.fromkeys(row["dtype"] for row in rows)
    ]
    small = [row for row in rows if row["pass"] != "784-512-10"]
    tables.append(markdown_table(summary([kind for row in small for kind in _kinds(row)], "float64")))
    tables.append(markdown_table(summary(small, "dtype")))
    (folder / "lines.md").write_text("\n\n".join(tables) + "\n", encoding="utf-8")


NEW = (
    "listwise",
    "pooled_signal",
    "relative_attention",
    "ridge_cholesky",
    "spring_chain",
    "survival",
    "torch_experts",
    "vae",
)
"""Passes by someone who has not seen the finder, which was not changed after it saw them."""


def _kinds(row: dict) -> list[dict]:
    """A row for each kind of case that it belongs to, in float64."""
    count = "one slip" if len(row["planted"].split()) < 2 else "two or three slips"
    kinds = [
        count,
        *(["one slip, passes new to the finder"] if row["pass"] in NEW and count == "one slip" else []),
    ]
    return [{**row, "float64": kind} for kind in kinds if row["dtype"] == "float64"]


def large(rng: np.random.Generator):
    """The point and the data of a network of 784-512-10, batch 32."""
    shapes = {"W1": (784, 512), "b1": (512,), "W2": (512, 10), "b2": (10,)}
    params = {name: rng.standard_normal(shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}
    return params, (rng.standard_normal((32, 784)), rng.integers(0, 10, 32))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("passes", nargs="*")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--which", default="", help="only cases whose text holds this")
    parser.add_argument("--every", type=int, default=1, help="only each such case")
    parser.add_argument("--large", action="store_true", help="two layers of 784-512-10 with batch 32")
    parser.add_argument("--out", type=Path, help="folder for lines.csv and lines.md")
    options = parser.parse_args()
    right = [Case(name, ()) for name in SLIPS]
    cases = [
        *right,
        *single()[:: options.every],
        *several(np.random.default_rng(options.seed + 1))[:: options.every],
    ]
    passes = ["two_layers"] if options.large else (options.passes or SLIPS)
    cases = [case for case in cases if case.name in passes and options.which in str(case)]
    rows = rows_of(cases, options.dtype, options.seed, large if options.large else None)
    print(markdown_table(summary(rows, "pass")))
    if options.out:
        written(rows, options.out)


if __name__ == "__main__":
    main()
