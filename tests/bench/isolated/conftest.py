"""A whole run of the instrument, for every test that looks at one, and what workers need that a test starts."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from instrument import Instrument


@dataclass
class Undisturbed:
    """A finished run: its folder, what it printed, and how long it took."""

    folder: Path
    code: int
    rows: dict
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, bytecode):
    """The tiny suite, measured from beginning to end."""
    made = Instrument(tmp_path_factory.mktemp("undisturbed"), bytecode)
    start = time.monotonic()
    code, rows = made.run_json("run", "--suite", "tiny.toml", "--out", "run")
    return Undisturbed(made.folder / "run", code, rows, time.monotonic() - start)


@pytest.fixture
def worker_environment(monkeypatch, bytecode):
    """For workers that a test starts itself."""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
