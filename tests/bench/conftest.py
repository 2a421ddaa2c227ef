"""A run in this process, with a clock that costs no time, and the planted strategies as files."""

import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from instrument import Instrument

from backprop import find_strategy
from backprop.bench import load as load_frame
from backprop.bench.budget import Budget
from backprop.bench.journal import read_journal
from backprop.bench.machine import Limits
from backprop.bench.quick_look import QuickLook
from backprop.bench.record import Results
from backprop.bench.report import write_reports
from backprop.bench.suites import find_scenarios
from backprop.data import load

RIGHT = ("short-form", "layerwise-vjp")


@functools.cache
def sample_data():
    """The shipped sample, read once."""
    return load("sample")


@dataclass
class Finished:
    """A run that has been made in this process, and its folder."""

    results: Results
    folder: Path

    @property
    def rows(self):
        """Record by strategy, as read back from the journal."""
        _, records, _ = read_journal(self.folder)
        return {record.strategy: record for record in records}

    @property
    def frame(self):
        """The frame of its cells."""
        return load_frame(self.folder)

    @property
    def report(self):
        """report.md, written now."""
        write_reports(self.folder)
        return (self.folder / "report.md").read_text(encoding="utf-8")

    @property
    def lines(self):
        """The journal's lines as JSON, which has no NaN."""
        lines = (self.folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in lines]


def few_rounds(call):
    """A sampler that calls twice and claims four rounds."""
    call()
    call()
    return [4e-3, 1e-3, 2e-3, 3e-3]


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """`measure(strategies, scenarios, …)`: a run of them, without a process or a second of its own."""
    monkeypatch.setattr("backprop.bench.quick_look.check_threads", lambda threads: None)
    monkeypatch.setattr("backprop.bench.steps.WAKE_UP_S", 0.0)
    monkeypatch.setattr("backprop.bench.steps.measure_limits", lambda dtype: Limits(1e10, 1e10))
    monkeypatch.setattr("backprop.bench.forecast.seconds_per_call", lambda call, least_s: 1e-5)
    monkeypatch.setattr(
        "backprop.bench.quick_look.median_ratios", lambda call, others, **_: dict.fromkeys(others, 2.0)
    )

    def run_all(strategies, scenarios=("toy",), memory="1GB", time="60s", only_verify=False):
        folder = tmp_path / "run"
        chosen = [find_strategy(one) if isinstance(one, str) else one for one in strategies]
        tables = [
            scenario
            for one in scenarios
            for scenario in (find_scenarios([one]) if isinstance(one, str) else [one])
        ]
        run = QuickLook(folder, Budget.parse(memory, time), 1, [0], sample_data(), "backprop run")
        with run:
            for scenario in tables:
                for strategy in chosen:
                    run.measure(strategy, scenario, None if only_verify else few_rounds)
        return Finished(run.results, folder)

    return run_all


@pytest.fixture
def instrument(tmp_path):
    """An instrument in an empty folder; nothing that it started is left at the end."""
    made = Instrument(tmp_path)
    yield made
    for process in made.processes():
        process.kill()


@dataclass
class Undisturbed:
    """A finished run: its folder, what it printed, and how long it took."""

    folder: Path
    code: int
    rows: dict
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The tiny suite, measured from beginning to end."""
    made = Instrument(tmp_path_factory.mktemp("undisturbed"))
    start = time.monotonic()
    code, rows = made.run_json("run", "--suite", "tiny.toml", "--out", "run")
    return Undisturbed(made.folder / "run", code, rows, time.monotonic() - start)
