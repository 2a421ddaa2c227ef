"""Which line of a hand-written backward pass is wrong: `find_lines`; the whole pass, line by line: `trace_lines`."""

from backprop.check.lines.find import find_lines, find_lines_of_gradient
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.trace import Step, Trace
from backprop.check.lines.tracing import trace_lines

__all__ = ["Line", "Lines", "Step", "Trace", "find_lines", "find_lines_of_gradient", "trace_lines"]
