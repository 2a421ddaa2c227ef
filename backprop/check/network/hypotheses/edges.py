"""Edges: the slope left of a kink, and the place of the kink, that a tensor got would need.

With H₀ the gradient of one side and H₁ that of the other, a leak α gives H₀ + α H₁, which is linear in α. A shifted
edge leaves out the terms between it and zero, one after another in the order of z: the bias gradient, Σₙ δ,
is followed along them, and the edge is where it comes nearest to the one got.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.state import Got, State


def fit_line(fixed: Array, moving: Array, got: Array) -> float | None:
    """The α for which fixed + α · moving is nearest to `got`; None where nothing moves."""
    square = float(np.vdot(moving, moving))
    return float(np.vdot(moving, got - fixed)) / square if square > 0 else None


def leaky(state: State, dy: Array, got: Got) -> float | None:
    """The slope left of zero that explains the bias gradient, or else the weights'."""
    run, j = state.run, state.k - 1
    left = np.where(run.z[j] > 0, 0.0, dy)
    weights, bias = run.names(j)
    if bias in got.tensors and bias in got.wrong:
        return fit_line((dy - left).sum(axis=0), left.sum(axis=0), got.tensors[bias])
    if weights in got.tensors:
        return fit_line(run.x[j].T @ (dy - left), run.x[j].T @ left, got.tensors[weights])
    return None


def shifted(state: State, dy: Array, got: Got, left: float) -> tuple[float, float] | None:
    """Two neighbouring z between which the edge lies that explains the bias gradient best."""
    run, j = state.run, state.k - 1
    bias = run.names(j)[1]
    if bias not in got.tensors:
        return None
    z = run.z[j].ravel()
    unit = np.broadcast_to(np.arange(dy.shape[1]), dy.shape).ravel()
    order = np.argsort(z)
    # From the left: the edge passes z after z. Each takes its term out of its unit's sum, but for the slope left.
    terms = (1 - left) * dy.ravel()[order]
    residual = dy.sum(axis=0) - got.tensors[bias]
    change = np.empty(len(z))
    for place, (which, term) in enumerate(zip(unit[order], terms, strict=True)):
        change[place] = term * (term - 2 * residual[which])
        residual[which] -= term
    squares = np.concatenate(([0.0], np.cumsum(change)))
    best = int(np.argmin(squares))
    if best == 0:
        return None
    low = float(z[order[best - 1]])
    return low, float(z[order[best]]) if best < len(z) else low + 1
