"""The data set that a command was given, with what was done to its files said on standard error."""

from __future__ import annotations

import sys
from pathlib import Path

from backprop import data
from backprop.data import Dataset


def load(source: str | Path) -> Dataset:
    """`backprop.data.load`; the notes of the set are printed."""
    dataset = data.load(source)
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)
    return dataset
