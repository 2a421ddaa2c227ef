"""Which line of a hand-written backward pass is wrong: `find_lines`."""

from backprop.check.lines.find import find_lines, find_lines_of_gradient
from backprop.check.lines.result import Line, Lines

__all__ = ["Line", "Lines", "find_lines", "find_lines_of_gradient"]
