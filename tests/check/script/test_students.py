"""Scripts and notebooks as students write them: right ones are right, and the planted line is the first one named."""

import contextlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from over import part

from backprop.check.script.examine import examine
from backprop.check.script.source import Cell

SCRIPTS = Path(__file__).parents[2] / "planted" / "scripts"
NAMES = sorted(each.stem for each in SCRIPTS.glob("*.py"))
SLIPS = {
    "attention": [
        "dK = dS.T @ Q -> dK = dS @ Q",
        "axis=-1, keepdims=True))\ndQ -> axis=0, keepdims=True))\ndQ",
    ],
    "batch_norm": [
        "dvar = 0.5 * dstd / std -> dvar = 0.5 * dstd / var",
        "dx = dxc + dmu / N -> dx = dxc + dmu",
    ],
    "class": ["(1 - self.H ** 2) -> (1 - self.H)", "self.dW2 = self.H.T -> self.dW2 = -self.H.T"],
    "convolution": [
        "dout[i, j] * img[ -> dout[j, i] * img[",
        "+= dout[i, j] * kernel -> = dout[i, j] * kernel",
    ],
    "dropout": ["dh = dhd * mask -> dh = dhd * keep", "+ 0.02 * W1 -> + 0.01 * W1", "hd.T @ dl -> h.T @ dl"],
    "functions_of_dicts": [
        'cache["A1"], 2) -> cache["Z1"], 2)',
        "db2 = np.sum(dZ2, axis=1, keepdims=True) / m -> db2 = np.sum(dZ2, axis=1, keepdims=True)",
    ],
    "lists": [
        "(1 - activations[l] ** 2) -> (1 - activations[l])",
        "activations[l].T @ delta -> activations[l].T @ delta / 10",
    ],
    "minibatches": ["db = dlogits.sum(axis=0) -> db = dlogits.sum()", "dlogits /= 8 -> dlogits /= 24"],
    "recurrence": [
        "dhraw @ hs[t - 1].T -> dhraw @ hs[t].T",
        "dhnext = Whh.T -> dhnext = Whh",
        "Why.T @ dy + dhnext -> Why.T @ dy",
    ],
    "scalars": ["(1 - t ** 2) -> (1 - t)", "other.grad += self.data -> other.grad += other.data"],
}
"""What is planted in each script: the right code, and the wrong one."""
PLANTED = [(name, slip) for name, slips in SLIPS.items() for slip in slips]


def checked(source):
    """The check of a source, whose cells begin with `# %%`; and the cell of each line, with its number there."""
    parts = source.split("# %%\n")
    cells = [Cell(f"mine.ipynb, code cell {k}", each) for k, each in enumerate(parts, start=1)]
    places = [(cell.name, k + 1) for cell in cells for k in range(cell.source.count("\n"))]
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        with contextlib.redirect_stdout(None), np.errstate(all="ignore"):
            return examine(cells, "mine.ipynb", "loss", 60.0, lambda: None), places
    finally:
        sys.modules["__main__"] = main


@pytest.mark.parametrize("name", part(NAMES, 4))
def test_a_right_script_is_right(name):
    found, _ = checked((SCRIPTS / f"{name}.py").read_text())
    assert (found.verdict, found.lines) == ("right", ()), str(found)


@pytest.mark.parametrize(("name", "slip"), part(PLANTED, 6))
def test_the_planted_line_is_the_first_one_that_is_named(name, slip):
    source, (right, wrong) = (SCRIPTS / f"{name}.py").read_text(), slip.split(" -> ")
    assert right in source
    at = source.index(right)
    found, places = checked(source.replace(right, wrong, 1))
    line = places[source[:at].replace("# %%\n", "").count("\n")]
    assert found.verdict == "wrong"
    assert (found.lines[0].file, found.lines[0].line) == line, str(found)
