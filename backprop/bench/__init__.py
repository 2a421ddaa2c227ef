"""The harness: measures derivations of a gradient in time, memory and accuracy, and reports them.

frame = backprop.bench.load("results/reference")        # pandas, one row a cell
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(run: str | Path) -> pd.DataFrame:
    """The records of a run as a tidy frame, one row a cell; columns as in results/README.md.

    Raises `RecordError` where the folder holds no records or they cannot be read.
    """
    from backprop.bench.estimates import read_run
    from backprop.bench.report.frame import to_frame  # pandas takes longer to import than most runs need

    return to_frame(read_run(Path(run)).records)


__all__ = ["load"]
