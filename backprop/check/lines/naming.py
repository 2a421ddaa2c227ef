"""Names: whether a variable is called the gradient of another; how a file is called."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_BEFORE = "d|g|grad|gradient|del|delta|dl_?d|dj_?d|dloss_?d|dcost_?d|nabla"
_AFTER = "grad|gradient|bar|delta"


def is_gradient_of(name: str, of: str) -> bool:
    """Whether `name` is a usual name for the derivative by `of`: dh, d_h, grad_h, h_grad, dL_dh; or h itself."""
    if not name or not of:
        return False
    wanted = re.escape(of)
    return re.fullmatch(f"(?:(?:{_BEFORE})_?)?{wanted}(?:_?(?:{_AFTER}))?", name, re.IGNORECASE) is not None


def called(file: str) -> str:
    """How a file is called: its name, and `In[3]` for a cell that a notebook has run."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    known = getattr(getattr(shell, "compile", None), "format_code_name", None)
    cell = known(file) if known else None
    return str(cell[1]) if cell else Path(file).name
