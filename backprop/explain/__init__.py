"""Every matrix of a derivation, seen while the real strategy forms it, and every shortcut, proven.

trace(strategy, network, params, batch)      what a strategy forms, step by step
line_up(first, second)                       two traces side by side
"""

from __future__ import annotations

from backprop.explain.lineup import Row, line_up
from backprop.explain.step import Derivative, Step, Trace
from backprop.explain.trace import check_printable, trace

__all__ = ["Derivative", "Row", "Step", "Trace", "check_printable", "line_up", "trace"]
