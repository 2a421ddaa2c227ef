"""Names: how a file is called."""

from __future__ import annotations

import sys
from pathlib import Path


def called(file: str) -> str:
    """How a file is called: its name, and `In[3]` for a cell that a notebook has run."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    known = getattr(getattr(shell, "compile", None), "format_code_name", None)
    cell = known(file) if known else None
    return str(cell[1]) if cell else Path(file).name
