"""Gradient checkers on the same right and wrong gradients.

python tests/planted/functions/comparison.py --out DIR --fresh      # DIR/comparison.csv, DIR/comparison.md

Each tool is used as its documentation has it, behind one question: is this gradient right?

    check_gradient     backprop.check_gradient(f, g, x).verdict
    scipy              scipy.optimize.check_grad(f, g, x) <= 1e-5 · max(1, ‖g(x)‖)
    torch              torch.autograd.gradcheck of a Function whose forward is f and whose backward is g
    numdifftools       numpy.allclose(g(x), numdifftools.Gradient(f)(x)), with the defaults of both

scipy's returns a distance and leaves the threshold to its user; its own tests and examples take about 1e-6 to 1e-4
where gradients are of size one. torch's wants float64 and gets it.
"""

import argparse
import importlib.util
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from planted.functions.cases import CASES, MISTAKES, planted  # noqa: E402

import backprop  # noqa: E402
from backprop.bench.files import keep, write_files  # noqa: E402
from backprop.bench.progress import tracked  # noqa: E402
from backprop.bench.report.markdown import markdown_table  # noqa: E402

MOST_CALLS, SECONDS = 20_000, 20.0
"""What a tool is given for one gradient; beyond that it gave up."""
ALLOWED = 1e-5


class GaveUp(Exception):
    """A tool that takes more calls or seconds than it is given."""


@dataclass
class Counted:
    """A function whose calls are counted, and that stops a tool which takes too many or too long."""

    function: object
    calls: int = 0

    def __post_init__(self):
        self._end = time.perf_counter() + SECONDS

    def __call__(self, x):
        self.calls += 1
        if self.calls > MOST_CALLS or time.perf_counter() > self._end:
            raise GaveUp
        return self.function(x)


def by_check_gradient(function, gradient, point):
    return backprop.check_gradient(function, gradient, point).verdict


def by_scipy(function, gradient, point):
    from scipy.optimize import check_grad

    def flat(of):
        return lambda x: np.reshape(of(x.reshape(point.shape)), -1)  # it works on vectors

    distance = check_grad(lambda x: flat(function)(x)[0], flat(gradient), point.reshape(-1))
    return "right" if distance <= ALLOWED * max(1.0, np.linalg.norm(gradient(point))) else "wrong"


def by_torch(function, gradient, point):
    import torch

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return torch.tensor(float(function(x.detach().numpy())), dtype=torch.float64)

        @staticmethod
        def backward(context, upstream):
            (x,) = context.saved_tensors
            return upstream * torch.from_numpy(np.array(gradient(x.detach().numpy()), np.float64))

    x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    return "right" if torch.autograd.gradcheck(ByHand.apply, (x,), raise_exception=False) else "wrong"


def by_numdifftools(function, gradient, point):
    import numdifftools

    truth = numdifftools.Gradient(lambda x: function(x.reshape(point.shape)))(point.reshape(-1))
    return "right" if np.allclose(np.reshape(gradient(point), -1), truth) else "wrong"


TOOLS = {
    "check_gradient": (by_check_gradient, "backprop"),
    "scipy check_grad": (by_scipy, "scipy"),
    "torch gradcheck": (by_torch, "torch"),
    "numdifftools": (by_numdifftools, "numdifftools"),
}
"""Every tool with the package that it needs, this package's checker first."""


def gradients():
    """Every case with its right gradient ("none") and with each mistake that makes a difference there."""
    for case in CASES:
        yield case, "none", case.gradient
        for mistake in MISTAKES:
            if (gradient := planted(case, mistake)) is not None:
                yield case, mistake.name, gradient


def ask(tool, case, gradient):
    """The verdict of a tool, the function calls and the seconds that it took."""
    function, start = Counted(case.function), time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            verdict = tool(function, gradient, case.point.copy())
        except GaveUp:
            verdict = "gave up"
        except Exception:  # whatever another library raises is a row of the table
            verdict = "failed"
    return verdict, function.calls, time.perf_counter() - start


def compare(tools):
    """One row for every tool, by name, and gradient."""
    rows, gave_up = [], set()
    for case, mistake, gradient in tracked(
        list(gradients()), "asking every tool about", lambda one: f"{one[0].name}, mistake: {one[1]}"
    ):
        for name, tool in tools.items():
            answer = ("gave up", None, None) if (name, case.name) in gave_up else ask(tool, case, gradient)
            if answer[0] == "gave up":  # it would again
                gave_up.add((name, case.name))
            rows.append((name, case.name, case.kind, mistake, *answer))
    return pd.DataFrame(rows, columns=["tool", "case", "kind", "mistake", "verdict", "calls", "seconds"])


def summary(frame):
    """For every tool: mistakes found and missed, false alarms, what it left open, median calls and seconds."""
    for name, part in frame.groupby("tool", sort=False):
        is_right = part["mistake"] == "none"
        wrong, right = part[~is_right]["verdict"], part[is_right]["verdict"]
        yield {
            "tool": name,
            "found": f"{(wrong == 'wrong').sum()} of {len(wrong)}",
            "missed": str((wrong == "right").sum()),
            "false alarms": f"{(right == 'wrong').sum()} of {len(right)}",
            "left open": str(part["verdict"].isin(["undecided", "failed", "gave up"]).sum()),
            "calls, median": f"{part['calls'].median():,.0f}",
            "seconds, median": f"{part['seconds'].median():.4f}",
        }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for comparison.csv and comparison.md")
    parser.add_argument("--fresh", action="store_true", help="replace what is there")
    chosen = parser.parse_args(arguments)
    keep([chosen.out / "comparison.csv"], chosen.fresh)
    frame = compare({name: tool for name, (tool, needs) in TOOLS.items() if importlib.util.find_spec(needs)})
    table = markdown_table(summary(frame)) + "\n"
    csv = frame.to_csv(index=False, float_format="%.4g")
    write_files("The comparison", chosen.out, {"comparison.csv": csv, "comparison.md": table})
    print(table, end="")


if __name__ == "__main__":
    main()
