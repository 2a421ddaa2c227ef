"""What does not work on a machine is said, recorded, and printed with every table."""

import dataclasses
from types import SimpleNamespace

import pytest
from rows import RUN, record, write_journal
from tables import sentence

from backprop.bench.conditions import ClockError, Conditions, check_clock
from backprop.bench.places import Here
from backprop.bench.report import write_reports
from backprop.bench.threads import available_cores
from backprop.bench.workers import WorkerError

GOOD = Conditions(pinned=True, stops=True, memory_tracker="memray", start_up_s=0.3)
CORES = available_cores()[-1:]


def test_where_everything_works_nothing_is_said():
    assert GOOD.notes() == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Conditions(True, False, "memray", 0.3), "could not be stopped"),
        (Conditions(False, True, "memray", 0.3), "could not be pinned"),
        (Conditions(True, True, "tracemalloc", 0.3), "memray is not installed"),
    ],
)
def test_what_does_not_work_is_one_note(bad, words):
    (note,) = bad.notes()
    assert words in note
    assert note.endswith(".")


@pytest.mark.parametrize("pinned", [True, False])
def test_the_machine_is_described_with_its_cores_where_workers_are_pinned_to_them(pinned):
    suite = SimpleNamespace(strategies=())
    place = Here(suite, 1, None, "sample", dataclasses.replace(GOOD, pinned=pinned))
    machine = place.description()["machine"]
    assert len(machine.pinned_to) == pinned


def test_a_report_says_at_every_table_what_did_not_work(tmp_path):
    notes = Conditions(False, False, "tracemalloc", 0.3).notes()
    rows = [record(), record(scenario="small"), record(scenario="small", dtype="float32")]
    write_journal(tmp_path, *rows, run=RUN | {"notes": notes})
    write_reports(tmp_path)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    for note in notes:
        assert report.count(f"> {note}") == 3


@pytest.mark.parametrize("resolution", [1e-9, 1e-7, 3e-6])
def test_a_clock_that_can_time_a_turn_to_a_thousandth_is_taken(resolution):
    check_clock(resolution, 0.003)


@pytest.mark.parametrize("resolution", [3.1e-6, 1 / 64, 1.0, 0.0, float("nan")])
def test_a_clock_without_resolution_is_refused_in_one_sentence(resolution):
    with pytest.raises(ClockError, match="resolution") as caught:
        check_clock(resolution, 0.003)
    sentence(caught.value)


@pytest.mark.processes
def test_the_conditions_are_found_out_with_a_worker(monkeypatch):
    def forbidden(process, cores):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.sched_setaffinity", forbidden, raising=False)
    monkeypatch.setattr("backprop.bench.conditions.best_tracker", lambda: "tracemalloc")
    found = Conditions.of(1, CORES, 0.003)
    assert dataclasses.asdict(found) == {
        "pinned": False,
        "stops": found.stops,
        "memory_tracker": "tracemalloc",
        "start_up_s": found.start_up_s,
    }
    assert found.start_up_s > 0


def test_a_worker_that_cannot_start_is_one_sentence(monkeypatch):
    from backprop.errors import BackpropError

    class Dead:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def stop(self):
            pass

        resume = stop

        def ask(self, *_):
            raise WorkerError("crashed", "the process ended with code 1; it said: No module named bench")

    monkeypatch.setattr("backprop.bench.conditions.WorkerProcess", Dead)
    with pytest.raises(BackpropError, match="cannot run here") as caught:
        Conditions.of(1, CORES, 0.003)
    sentence(caught.value)
