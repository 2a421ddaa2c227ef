"""The planted layers in figures: what each checker finds, misses, calls wrong without reason, and names.

python tests/planted/layers/suite.py                    # check_vjp, a line a layer
python tests/planted/layers/suite.py --libraries        # and every right layer in PyTorch and JAX, in three dtypes
python tests/planted/layers/suite.py --tools --out DIR  # and other checkers: DIR/layers.csv, DIR/layers.md
"""

import argparse
import importlib.util
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pandas as pd  # noqa: E402
from planted.layers.layer import every_layer  # noqa: E402
from planted.layers.libraries import LIBRARIES, checked_in  # noqa: E402
from planted.layers.tools import TOOLS, ask  # noqa: E402

from backprop.bench.report.markdown import markdown_table  # noqa: E402

DTYPES = ("float64", "float32", "bfloat16")


def answers(tools):
    """One row for every tool, layer and backward pass: the right one, whose slip is "none", and each slip."""
    rows = []
    for layer in every_layer():
        for slip in (None, *layer.slips):
            for tool in tools:
                seen = ask(tool, layer, slip)
                rows.append(
                    {
                        "tool": tool,
                        "layer": layer.name,
                        "slip": "none" if slip is None else slip.name,
                        "verdict": seen.verdict,
                        "kinds": " ".join(sorted(set(seen.kinds))),
                        "calls": seen.calls,
                        "seconds": seen.seconds,
                    }
                )
    return pd.DataFrame(rows)


def summary(frame, by):
    """For every value of a column: slips found, missed and named, right ones called wrong, calls and seconds."""
    rows = []
    for value, part in frame.groupby(by, sort=False):
        wrong, right = part[part["slip"] != "none"], part[part["slip"] == "none"]
        # Of a wrong backward pass an exception is an answer, too; an exception of a right one is none.
        found = wrong["verdict"].isin(["wrong", "failed"])
        kinds = wrong["kinds"].map(lambda names: bool(set(names.split()) - {"unknown"}))
        rows.append(
            {
                by: str(value),
                "found": f"{found.sum()} of {len(wrong)}",
                "missed": str((wrong["verdict"] == "right").sum()),
                "false alarms": f"{(right['verdict'] != 'right').sum()} of {len(right)}",
                "named": f"{(kinds & (wrong['verdict'] == 'wrong')).sum()} of {len(wrong)}",
                "calls, median": f"{part['calls'].median():,.0f}",
                "seconds, median": f"{part['seconds'].median():.3f}",
            }
        )
    return rows


def in_libraries():
    """The right layers that are not called right in PyTorch or JAX, and how many were checked."""
    cases = [(library, layer, dtype) for library in LIBRARIES for layer in every_layer() for dtype in DTYPES]
    cases = [case for case in cases if importlib.util.find_spec(case[0])]
    wrong = [
        (library, layer.name, dtype)
        for library, layer, dtype in cases
        if not checked_in(library, layer, dtype).ok
    ]
    return wrong, len(cases)


def main():
    """Print the figures, and write them where that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", action="store_true", help="other checkers, too")
    parser.add_argument("--libraries", action="store_true", help="the layers in PyTorch and JAX, too")
    parser.add_argument("--out", type=Path, help="folder for layers.csv and layers.md")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    installed = [name for name, (_, package) in TOOLS.items() if importlib.util.find_spec(package)]
    frame = answers(installed if chosen.tools else installed[:1])
    own = frame[frame["tool"] == "check_vjp"]
    tables = [markdown_table(summary(own, "layer")), markdown_table(summary(frame, "tool"))]
    print("\n\n".join(tables))
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        frame.to_csv(chosen.out / "layers.csv", index=False, float_format="%.4g")
        (chosen.out / "layers.md").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    if chosen.libraries:
        wrong, count = in_libraries()
        print(f"\nright layers of PyTorch and JAX called right: {count - len(wrong)} of {count}")
        print("\n".join(map(str, wrong)))


if __name__ == "__main__":
    main()
