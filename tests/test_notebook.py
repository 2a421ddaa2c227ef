"""The notebook runs from top to bottom, and prints the outputs that are stored in it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (pip install --group notebook)")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (pip install --group notebook)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (pip install --group notebook)")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (pip install --group notebook)")

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "from-one-neuron-to-the-ladder.ipynb"


@pytest.fixture(scope="module")
def kept():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own parts
        nbclient.NotebookClient(notebook, timeout=110, resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell):
    """What a cell prints or shows as text; of a picture, that there is one.

    A slow kernel hands over what it prints in several pieces: they are one text.
    """
    found, printed = [], False
    for output in cell.outputs:
        data = output.get("data", {})
        shown = output.get("text") or data.get("text/markdown") or data.get("text/plain")
        text = "a picture" if "image/png" in data else re.sub(r"0x[0-9a-f]+", "", shown)
        if printed and output.output_type == "stream":
            found[-1] += text
        else:
            found.append(text)
        printed = output.output_type == "stream"
    return found


def test_it_runs_and_prints_what_is_kept(kept, executed):
    """Where it does not: `python tools/execute_notebook.py`, after a look at what has changed."""
    assert [texts(cell) for cell in code(executed)] == [texts(cell) for cell in code(kept)]


def test_every_cell_has_been_executed_in_order(kept):
    assert [cell.execution_count for cell in code(kept)] == list(range(1, len(code(kept)) + 1))


def test_it_leads_from_one_neuron_to_the_exercise(kept):
    headings = re.findall(r"^## .*", "\n".join(cell.source for cell in kept.cells), re.MULTILINE)
    assert [heading[3:5] for heading in headings] == ["1.", "2.", "3.", "4.", "5.", "6."]
    shown = [text for cell in code(kept) for text in texts(cell)]
    assert shown.count("a picture") == 3
    assert any("exit code 1\nsum-instead-of-mean" in text for text in shown)
    assert shown[-1] == "exit code 0\n"


def test_nothing_of_the_machine_that_ran_it_is_kept(kept):
    whole = nbformat.writes(kept)
    assert not re.search(r"/(home|root|tmp|work)/", whole)
    assert kept.metadata.language_info == {"name": "python"}
