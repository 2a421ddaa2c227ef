"""The words of the tables: the lines of by_hand.py that are edited, and a planted mistake."""

from dataclasses import dataclass

CE = "delta = (p - y) / n"
SQ = "delta = 2 * (z[depth] - y) / (n * c)"
JACOBIAN = "jacobian = np.diag(p[i]) - np.outer(p[i], p[i])"
DP = "dp = -y / p / n"
DW = 'grads[f"W{k}"] = a[k - 1].T @ delta'
DB = 'grads[f"b{k}"] = delta.sum(axis=0)'
THROUGH = 'delta = delta @ params[f"W{k}"].T'
SLOPE = "delta = delta * df(z[k - 1])"
FORWARD = 'z.append(a[k - 1] @ params[f"W{k}"] + params[f"b{k}"])'
ONE_HOT = "y[np.arange(n), labels] = 1\n    loss"
START = "depth = len(params) // 2"
END = "return loss, grads"


def begin(line):
    """A line before everything else."""
    return START, f"{START}\n    {line}"


def end(*lines):
    """Lines before the end."""
    return END, "\n    ".join((*lines, END))


def labels_as(line):
    """The one-hot labels changed by a line."""
    return ONE_HOT, f"y[np.arange(n), labels] = 1\n    {line}\n    loss"


@dataclass(frozen=True)
class Planted:
    """One mistake, on several networks.

    kinds: what must be found, and nothing else. tensor: what one of the findings must name, if given.
    output: how the loss is written, by default as the network's. weight_decay: what the check is told.
    """

    kinds: tuple
    name: str
    edits: tuple
    nets: tuple
    tensor: str | None = None
    output: str | None = None
    weight_decay: float = 0.0


def one(kind, name, edit, *nets, **more):
    """A mistake that is one edit, (old, new)."""
    return Planted((kind,), name, (edit,), nets, **more)


def two(kinds, name, edits, *nets, **more):
    """Two mistakes at once."""
    return Planted(kinds, name, edits, nets, **more)
