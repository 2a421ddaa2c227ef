"""The notebooks run from top to bottom, anywhere, and print the outputs that are stored in them."""

import re
import warnings

import pytest
from execute_notebook import NOTEBOOK, code, execute, main, printed

pytestmark = pytest.mark.processes

for package in ("nbformat", "nbclient", "ipykernel", "matplotlib"):
    pytest.importorskip(package, reason=f"{package} is not installed (pip install -e '.[notebook]')")

import nbformat  # noqa: E402

EXERCISE = NOTEBOOK.parent / "docs" / "tutorial" / "exercise.ipynb"


@pytest.fixture(scope="module", params=[NOTEBOOK, EXERCISE], ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def kept(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def executed(path, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own parts
        return execute(path, tmp_path_factory.mktemp("elsewhere"))


def test_it_runs_outside_of_the_repository_and_prints_what_is_kept(kept, executed):
    """Where it does not: `python tools/execute_notebook.py [NOTEBOOK]`, after a look at what has changed."""
    assert printed(executed) == printed(kept)


def test_every_cell_has_been_executed_in_order(kept):
    assert [cell.execution_count for cell in code(kept)] == list(range(1, len(code(kept)) + 1))


def test_it_leads_from_one_neuron_to_the_exercise():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    headings = re.findall(r"^## .*", "\n".join(cell.source for cell in kept.cells), re.MULTILINE)
    assert [heading[3:5] for heading in headings] == ["1.", "2.", "3.", "4.", "5.", "6."]
    shown = [text for cell in printed(kept) for text in cell]
    assert shown.count("a picture") == 3
    assert any("exit code 1\nsum-instead-of-mean" in text for text in shown)
    assert shown[-1] == "exit code 0\n"


def test_nothing_of_the_machine_that_ran_it_is_kept(kept):
    whole = nbformat.writes(kept)
    assert not re.search(r"/(home|root|tmp|work)/", whole)
    assert kept.metadata.language_info == {"name": "python"}


# The tool


def test_help_helps_and_executes_nothing(capsys):
    before = NOTEBOOK.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--check" in capsys.readouterr().out
    assert NOTEBOOK.read_bytes() == before


def test_a_notebook_that_is_not_there_is_said(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "nothing.ipynb")])
    assert ended.value.code == 2
    assert "there is no notebook" in capsys.readouterr().err


@pytest.fixture
def short(tmp_path):
    """A notebook of one cell."""
    path = tmp_path / "short.ipynb"
    cell = nbformat.v4.new_code_cell("print(1 + 1)", id="one")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_check_compares_and_writes_nothing(short, capsys):
    before = short.read_bytes()
    assert main([str(short), "--check"]) == 1
    assert "cells [0]" in capsys.readouterr().out
    assert short.read_bytes() == before
    assert main([str(short)]) == 0
    assert printed(nbformat.read(short, as_version=4)) == [["2\n"]]
    assert main([str(short), "--check"]) == 0


@pytest.mark.filterwarnings("ignore")
def test_where_a_cell_raises_nothing_is_written(short, capsys):
    notebook = nbformat.read(short, as_version=4)
    notebook.cells[0].source = "1 / 0"
    nbformat.write(notebook, short)
    before = short.read_bytes()
    assert main([str(short)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert short.read_bytes() == before
