"""A real run of strategies that take their processes with them: each becomes a row, and the run goes on."""

import json
import signal

import pytest
from command import backprop
from planted import dying, failing, wrong

from backprop.bench.journal import read_journal

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="limits and signals of POSIX"),
]

EXPECTED = {
    "short-form": ("ok", ""),
    "segfaults": ("crashed", "the process died of SIGSEGV"),
    "leaves-at-once": ("crashed", "the process ended with code 3"),
    "segfaults-when-timed": ("crashed", "the process died of SIGSEGV"),
    "hangs": ("timed-out", "no answer within 10 s"),
    "takes-all-memory": ("out-of-memory", "Unable to allocate"),
    "killed-by-the-system": ("out-of-memory", "the process was killed"),
    "raises": ("crashed", "ValueError: no [/luck] with a|b and `<c>` today"),
    "leaves": ("crashed", "the process ended with code 1; it said: good bye"),
    "missing-mean": ("disagrees", "worst at"),
    "cost-raises": ("crashed", "ZeroDivisionError: no cost"),
    "not-for-this": ("unsupported", "it wants another network"),
    "full-jacobian": ("over-memory-budget", "the budget is 1 kB"),
}
_CLASSES = {
    dying: (
        "Segfaults",
        "LeavesAtOnce",
        "SegfaultsWhenTimed",
        "Hangs",
        "TakesAllMemory",
        "KilledByTheSystem",
    ),
    failing: ("Raises", "LeavesTheProcess", "CostRaises", "Unsupported"),
    wrong: ("MissingMean",),
}
TARGETS = [f"{module.__file__}:{name}" for module, names in _CLASSES.items() for name in names]


def test_every_fault_is_a_row_with_its_reason_and_the_run_goes_on(instrument):
    suite = (
        f"networks = ['4-3-2']\nbatches = [4]\nstarts = 3\nturns = 1\nstrategies = {['short-form', *TARGETS]}"
    )
    (instrument.folder / "faults.toml").write_text(suite, encoding="utf-8")
    code, rows = instrument.run_json(
        "run", "--suite", "faults.toml", "--out", "run", "--time-budget", "10s", "--memory-budget", "500MB"
    )
    assert code == 1
    _, records, _ = read_journal(instrument.folder / "run")
    found = {record.strategy: record for record in records}
    assert list(found) == [row["strategy"] for row in rows["records"]]
    assert set(found) == set(EXPECTED) - {"full-jacobian"}
    for name, record in found.items():
        status, reason = EXPECTED[name]
        assert (record.status, reason in record.reason) == (status, True), record.reason
        assert "\n" not in record.reason
        assert bool(record.samples_s) == (status in ("ok", "disagrees"))
    assert found["segfaults-when-timed"].agrees
    report = (instrument.folder / "run" / "report.md").read_text(encoding="utf-8")
    for name in found:
        assert name in report
    assert not instrument.processes()


def test_what_does_not_fit_the_budget_is_predicted_and_not_run(tmp_path):
    arguments = ["--strategy", "full-jacobian", "--scenario", "toy", "--starts", "3", "--turns", "1"]
    done = backprop("run", *arguments, "--memory-budget", "1kB", "--out", "run", "--json", cwd=tmp_path)
    (row,) = json.loads(done.out)["records"]
    assert done.code == 0
    assert (row["status"], row["reason"].endswith(EXPECTED["full-jacobian"][1])) == (
        "over-memory-budget",
        True,
    )
    assert row["predicted_peak_bytes"] > 1000
    assert row["time_median_s"] is None
