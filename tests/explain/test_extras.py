"""A package that one form of output needs is imported only then, and one sentence says where it is missing."""

import subprocess
import sys

import pytest
from command import environment, run_python
from tables import sentence

from backprop.errors import MissingPackageError, need

WITHOUT = """
import sys
sys.modules[{package!r}] = None
from backprop.bench.cli import main
sys.argv = ["backprop", *{arguments!r}]
main()
"""
CASES = {
    "spreadsheet": ("xlsxwriter", ["explain", "--out", "workbook.xlsx"]),
    "symbolic": ("sympy", ["derive", "relu"]),
}


@pytest.mark.processes
@pytest.mark.parametrize("extra", CASES)
def test_a_package_that_is_missing_is_named_with_its_extra(extra, tmp_path):
    package, arguments = CASES[extra]
    done = run_python(WITHOUT.format(package=package, arguments=arguments), cwd=tmp_path)
    assert done.code == 2
    assert f"The package {package} is not installed" in done.error_sentence
    assert f"pip install -e '.[{extra}]'" in done.error_sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_explain_itself_needs_neither():
    packages = ("xlsxwriter", "sympy", "matplotlib")
    code = f"import sys, backprop.explain; print([name for name in {packages} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_package_that_is_there_is_handed_out():
    assert need("json", "spreadsheet").loads("1") == 1
    with pytest.raises(MissingPackageError) as error:
        need("no_such_package", "spreadsheet")
    assert "no_such_package" in sentence(error.value)
