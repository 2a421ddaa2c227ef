"""What was measured can be measured again: versions, builds, threads, and constraints for pip."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import scipy
from command import ROOT, backprop
from rows import described, record, write_journal

from backprop import find_strategy
from backprop.bench.estimates import read_run
from backprop.bench.journal import read_journal
from backprop.bench.libraries import constraints, describe_libraries, installed_packages, measured_libraries
from backprop.bench.report.frame import to_csv, to_frame
from backprop.bench.report.machines import machine_rows

RUNS = [ROOT / "results" / "reference" / name for name in ("", "peers", "scaling", "compare/after")]
every_run = pytest.mark.parametrize("folder", RUNS, ids=lambda path: str(path.relative_to(ROOT)))


def test_the_libraries_of_a_run_are_those_of_its_peers():
    names = ["short-form", "scipy-approx-fprime", "scipy-differentiate"]
    assert measured_libraries(map(find_strategy, names)) == {"scipy": ()}


def test_a_library_says_its_version_its_build_and_its_threads():
    library = describe_libraries({"numpy": ("__config__.show", "__name__")}, threads=1)["numpy"]
    assert library.version == version("numpy")
    assert library.build["__name__"] == "numpy"
    assert {pool.num_threads for pool in library.pools} <= {1}


def test_a_library_that_cannot_be_imported_says_nothing():
    assert describe_libraries({"no_such_library": ()}, threads=1)["no_such_library"].version is None


def test_every_installed_package_is_there_once_and_this_one_is_not():
    packages = installed_packages()
    assert packages["numpy"] == version("numpy")
    assert "backprop-bench" not in packages
    assert list(packages) == sorted(packages)


def test_constraints_are_lines_that_pip_reads():
    machine = {"python": "3.11.7", "packages": {"numpy": "2.4.6", "torch": "2.9.1+cpu"}}
    text = constraints(described(machine=machine))
    assert text is not None
    head, *lines = text.splitlines()
    assert head.startswith("# every package of the run of ")
    assert lines == ["numpy==2.4.6", "torch==2.9.1+cpu"]


def test_of_a_run_that_recorded_few_versions_only_those_are_said():
    text = constraints(described(machine={"versions": {"backprop": "0.1.0", "numpy": "2.4.6", "jax": None}}))
    assert text is not None
    assert text.splitlines()[1:] == ["numpy==2.4.6"]
    assert constraints(described()) is None


def test_a_report_writes_constraints_that_are_missing_from_the_journal_alone(tmp_path):
    run = {"kind": "run", "format": 1, "machine": {"packages": {"numpy": "2.4.6"}}}
    write_journal(tmp_path, record(), run=run)
    done = backprop("report", ".", cwd=tmp_path)
    assert (done.code, "constraints.txt" in done.out) == (0, True)
    assert (tmp_path / "constraints.txt").read_text().splitlines()[1:] == ["numpy==2.4.6"]


def test_a_report_names_what_was_measured():
    libraries = {"torch": {"version": "2.9.1+cpu", "pools": [{"internal_api": "mkl", "num_threads": 1}]}}
    rows = machine_rows(described(machine={"libraries": libraries}))
    assert rows["measured libraries"] == "torch 2.9.1+cpu (threads: mkl 1)"
    assert "measured libraries" not in machine_rows(described())


@every_run
def test_the_journal_of_a_committed_run_gives_its_table_to_the_last_digit(folder):
    """With another version of SciPy some digits of Student's t are other ones."""
    made, kept = (
        to_csv(to_frame(read_run(folder).records)),
        (folder / "results.csv").read_text(encoding="utf-8"),
    )
    assert re.sub(_NUMBER, "", made) == re.sub(_NUMBER, "", kept)
    numbers, expected = ([float(text) for text in re.findall(_NUMBER, table)] for table in (made, kept))
    same_version = read_journal(folder)[0].machine.versions["scipy"] == scipy.__version__
    assert numbers == (expected if same_version else pytest.approx(expected, rel=1e-6))


_NUMBER = r"(?<=,)-?\d+\.?\d*(?:e[-+]\d+)?(?=[,\n])"


@every_run
def test_a_committed_run_has_the_constraints_that_its_journal_gives(folder: Path):
    text = (folder / "constraints.txt").read_text(encoding="utf-8")
    assert text == constraints(read_journal(folder)[0])
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in text.splitlines()[1:])
