"""Execute the notebook beside README and keep its outputs: `python tools/execute_notebook.py`.

Needs the extras notebook and symbolic. tests/test_notebook.py compares the texts that it prints with those kept.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "from-one-neuron-to-the-ladder.ipynb"


def main() -> None:
    """Execute, and write without what differs from one execution to the next."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
