"""Execute a notebook and keep its outputs: `python tools/execute_notebook.py`, without a path the one beside README.

Needs what `pip install -e '.[notebook]'` brings. tests/test_notebook.py compares the texts that are printed with
those that are kept, as `--check` does.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parents[1] / "from-one-neuron-to-the-ladder.ipynb"


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute, then write or compare; 1 where a cell raises, or prints other texts than those that are kept."""
    parser = argparse.ArgumentParser(description="Execute a notebook and keep its outputs in it.")
    parser.add_argument("notebook", nargs="?", type=Path, default=NOTEBOOK, help="default: %(default)s")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 where a cell prints other texts than those that are kept",
    )
    options = parser.parse_args(arguments)
    if not options.notebook.is_file():
        parser.error(f"there is no notebook {str(options.notebook)!r}; expected the path of an .ipynb file")

    import nbformat
    from nbclient.exceptions import CellExecutionError

    kept = nbformat.read(options.notebook, as_version=4)
    try:
        executed = execute(options.notebook, options.notebook.parent)
    except CellExecutionError as error:
        print(f"Nothing is written, for a cell raises:\n{error}", file=sys.stderr)
        return 1
    if options.check:
        differ = [
            k
            for k, pair in enumerate(zip(*map(printed, (kept, executed)), strict=True))
            if pair[0] != pair[1]
        ]
        print(f"Other texts in code cells {differ}." if differ else "Every cell prints what is kept.")
        return int(bool(differ))
    nbformat.write(executed, options.notebook)
    print(options.notebook)
    return 0


def execute(path: Path, folder: Path) -> Any:
    """The notebook, executed anew in a folder, without what differs from one execution to the next."""
    import nbformat
    from nbclient import NotebookClient

    from backprop.bench.threads import thread_variables

    os.environ.update(thread_variables(1))  # what a call needs depends on the threads of BLAS
    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook):
        cell.outputs = []
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def code(notebook: Any) -> list[Any]:
    """The cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: Any) -> list[list[str]]:
    """What every cell of code prints or shows as text; of a picture, that there is one."""
    return [_texts(cell) for cell in code(notebook)]


def _texts(cell: Any) -> list[str]:
    """A slow kernel hands over what it prints in several pieces: they are one text."""
    found: list[str] = []
    was_printed = False
    for output in cell.outputs:
        data = output.get("data", {})
        shown = output.get("text") or data.get("text/markdown") or data.get("text/plain")
        text = "a picture" if "image/png" in data else re.sub(r"0x[0-9a-f]+", "", shown)
        if was_printed and output.output_type == "stream":
            found[-1] += text
        else:
            found.append(text)
        was_printed = output.output_type == "stream"
    return found


if __name__ == "__main__":
    sys.exit(main())
