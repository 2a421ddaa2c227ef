"""Every planted slip through the finder of lines: `python tests/planted/lines/suite.py [PASS …]`.

Prints what was not placed, and the figures: how often the first line named is a planted one, how many of all lines
named are, how many planted lines are named, calls and times. Slips are planted alone, and two or three together.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


def arguments(module, dtype: str, seed: int = 0):
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
        return value.astype(dtype) if value.dtype.kind == "f" else value

    point, data = module.example(np.random.default_rng(seed))
    return cast(point), cast(data)


def find(case: Case, folder: Path, dtype: str = "float64", seed: int = 0) -> Lines:
    """What the finder says of a case, which is written to a file of its own first."""
    path = folder / f"{case.name}_{abs(hash(case)) % 10**10}.py"
    path.write_text(case.source, encoding="utf-8")
    module = load(path, path.stem)
    point, data = arguments(module, dtype, seed)
    return find_lines(module.step, point, *data)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("passes", nargs="*")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--which", default="")
    options = parser.parse_args()
    right = [Case(name, ()) for name in SLIPS]
    cases = [*right, *single(), *several(np.random.default_rng(options.seed + 1))]
    cases = [case for case in cases if case.name in (options.passes or SLIPS) and options.which in str(case)]
    first = named = true = planted = found = named_in_right = 0
    wrong_cases, calls, times = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            start = time.process_time()
            lines = find(case, Path(folder), options.dtype, options.seed)
            took = time.process_time() - start
            got = [line.line for line in lines]
            if not case.slips:
                named_in_right += len(got) + bool(lines.wrong)
                if got or lines.wrong or lines.note:
                    print("NAMED IN RIGHT CODE", case, lines.wrong, lines.note, got)
                continue
            wrong_cases += 1
            calls.append(lines.calls)
            times.append(took)
            ok = bool(got) and got[0] in case.planted
            first += ok
            named += len(got)
            true += sum(line in case.planted for line in got)
            planted += len(case.planted)
            found += len(set(got) & set(case.planted))
            if not ok or set(got) != set(case.planted):
                mark = "WRONG" if not ok or not set(got) <= set(case.planted) else "PART "
                seen = [(line.line, line.source, line.should_be, line.tensors) for line in lines]
                left = f"wrong {lines.wrong} unplaced {lines.unplaced} {lines.note}"
                print(f"{mark} {case} | planted {case.planted} | {seen} | {left}")
    if wrong_cases:
        print(f"{wrong_cases} cases with {planted} slips, {options.dtype}, seed {options.seed}")
        print(f"first line named is planted: {first} ({first / wrong_cases:.1%})")
        print(f"lines named that are planted: {true} of {named} ({true / max(named, 1):.1%})")
        print(f"planted lines that are named: {found} ({found / planted:.1%})")
        print(f"named in right code: {named_in_right}")
        print(f"calls: median {statistics.median(calls)}, most {max(calls)}")
        print(f"seconds of the processor: median {statistics.median(times):.2f}, most {max(times):.2f}")


if __name__ == "__main__":
    main()
