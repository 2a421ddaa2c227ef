"""Quotients: the slope along a direction from difference quotients of many steps, and how sure it is.

    D(h) = (f(x + hv) - f(x - hv)) / 2h = f'·v + c₂h² + c₄h⁴ + …        central, extrapolated with h, h/4, h/16, …
    G(h) = (f(x + hv) - 2f(x) + f(x - hv)) / h = jump of the slope + c₁h + c₃h³ + …

Richardson's table takes the powers of h away one by one (Ridders 1982, Advances in Engineering Software 4(2),
75-76); what neighbours in it differ by is its truncation, σ/h its rounding. A jump of the slope that does not go away
with h is a kink at x, and D is no derivative there. SciPy and numdifftools give the first of both and throw away the
values that the second needs, which is why the table is written out here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array

RATIO = 4.0
_ORDERS = 4
_CAUTION = 8.0  # half of what the lowest even power falls by from step to step


@dataclass(frozen=True)
class Limit:
    """The limit (m,) of a quotient for h → 0, how far it may be off, and which part of that is rounding."""

    value: Array
    error: Array
    rounding: Array


def extrapolate(
    quotients: Array, rounding: Array, powers: tuple[int, ...], rough: Array | float = 0.0
) -> Limit:
    """The limit of quotients (k, m), whose steps fall by `RATIO`, with the given powers of h in their truncation.

    rounding (k, m): of each quotient. rough (k, m): what kinks within each step may do to it. Of all extrapolations
    the surest is taken, and a surer one of larger steps gives way to one of smaller steps that contradicts it: the
    limit is at the small end.
    """
    kinks = np.broadcast_to(rough, quotients.shape)
    best = Limit(quotients[0], np.full_like(quotients[0], np.inf), rounding[0])
    row = [quotients[0]]
    for k in range(1, len(quotients)):
        new = [quotients[k]]
        candidates = [(quotients[k], np.abs(quotients[k] - row[0]))]
        for j, power in enumerate(powers[:_ORDERS]):
            if j >= len(row):
                break
            better = new[j] + (new[j] - row[j]) / (RATIO**power - 1)
            # Where the next power of h is what is left, the error is a RATIO**power-th of either of these.
            truncation = np.maximum(np.abs(better - new[j]), np.abs(better - row[j]) / _CAUTION)
            candidates.append((better, truncation))
            new.append(better)
        row = new
        for value, truncation in candidates:
            best = _surer(best, Limit(value, truncation + 1.2 * rounding[k] + kinks[k], 1.2 * rounding[k]))
    return best


def _surer(best: Limit, other: Limit) -> Limit:
    """The surer one of two, but the later one where they contradict each other."""
    contradicts = np.abs(other.value - best.value) > 2 * (other.error + best.error)
    take = (other.error < best.error) | contradicts
    return Limit(
        np.where(take, other.value, best.value),
        np.where(take, other.error, best.error),
        np.where(take, other.rounding, best.rounding),
    )


def roughness(gaps: Array, rounding: Array) -> Array:
    """What kinks beside the point may do (k, m) to central quotients, from the gaps of their steps.

    Of a smooth function, and of one with a kink at the point itself, G(h) - 5 G(h/4) + 4 G(h/16) = O(h³) falls by 64
    from step to step. Where it falls by less than four, and is no rounding, it sees kinks within the step.
    """
    rough = np.zeros_like(gaps)
    if len(gaps) < 4:
        return rough
    bend = np.abs(gaps[:-2] - (RATIO + 1) * gaps[1:-1] + RATIO * gaps[2:])
    blur = rounding[1:-2] + (RATIO + 1) * rounding[2:-1] + RATIO * rounding[3:]
    rough[1:-2] = np.where((bend[1:] > bend[:-1] / 4) & (bend[1:] > 3 * blur), bend[1:] / 2, 0)
    rough[-2] = rough[-3] / RATIO
    rough[-1] = rough[-2] / RATIO
    return rough


CENTRAL = (2, 4, 6, 8)
ONE_SIDED = (1, 2, 3, 4)
JUMP = (1, 3, 5, 7)
