"""Runs on real Dask workers over TCP on loopback: every cell once, on one host, whatever becomes of the workers."""

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest
from command import backprop
from planted import lethal

import backprop as library
from backprop.bench.journal import NAME, finished_groups, read_journal

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        sys.platform != "linux", reason="a worker's processes are found and killed as on Linux"
    ),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers have a core each"),
]

SUITE = """
networks = ["4-3-2", "9-4-2"]
batches = [4]
strategies = ["short-form"]
starts = 3
turns = 1
"""
EXPECTED = [("4-3-2-batch-4", "short-form"), ("9-4-2-batch-4", "short-form")]


@pytest.fixture
def run(instrument):
    """The suite's file in the instrument's folder, and the options that measure it."""
    (instrument.folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    return "run", "--suite", "suite.toml", "--out", "run"


def cells(folder):
    return sorted((record.scenario, record.strategy) for record in read_journal(folder)[1])


def measuring(instrument):
    """The processes that measure, and live."""
    found = []
    for process in instrument.processes():
        try:
            if "backprop.bench.worker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_worker_killed_in_the_middle_costs_no_cell_and_doubles_none(instrument, run):
    running = instrument.start(*run, "--workers", "2")
    instrument.wait_until(lambda: measuring(instrument), running)
    journal = instrument.folder / "run" / NAME
    instrument.wait_until(journal.exists, running)
    instrument.wait_until(lambda: measuring(instrument), running)
    measuring(instrument)[0].parent().send_signal(signal.SIGKILL)
    assert running.wait(timeout=300) == 0
    run_of, records, _ = read_journal(journal.parent)
    assert cells(journal.parent) == EXPECTED
    assert {record.status for record in records} == {"ok"}
    assert finished_groups(journal.parent)[1]
    assert all("side by side on this host" in record.unstable for record in records)
    assert "not to be published" in run_of.notes[0]
    instrument.wait_until(lambda: not instrument.processes())


def test_a_group_that_kills_every_worker_crashes_and_the_run_ends(instrument, run):
    (instrument.folder / "suite.toml").write_text(
        f"networks = ['4-3-2']\nbatches = [4]\nstarts = 3\nturns = 1\n"
        f"strategies = ['short-form', '{lethal.__file__}:KillsItsWorker']",
        encoding="utf-8",
    )
    code, out, err = instrument.run(*run, "--workers", "1")
    assert code == 1, err
    _, records, _ = read_journal(instrument.folder / "run")
    assert [(record.strategy, record.status) for record in records] == [
        ("short-form", "crashed"),
        ("kills-its-worker", "crashed"),
    ]
    assert all("lost with its worker 3 times, the last one tcp://127.0.0.1:" in r.reason for r in records)
    assert all(record.predicted_peak_bytes > 0 and record.host for record in records)
    assert "CRASHED" in out
    assert not records[0].unstable


def test_a_coordinator_that_is_killed_leaves_nobody_behind_and_its_run_goes_on(instrument, run):
    running = instrument.start(*run, "--workers", "1")
    folder = instrument.folder / "run"
    instrument.wait_until(lambda: (folder / NAME).exists() and finished_groups(folder)[0], running)
    running.kill()
    running.wait()
    instrument.wait_until(lambda: not instrument.processes())
    before = (folder / NAME).read_bytes()
    whole = before[: before.rfind(b'{"kind": "group"')]
    assert instrument.start(*run, "--workers", "1", "--resume").wait(timeout=300) == 0
    assert (folder / NAME).read_bytes().startswith(whole)
    assert cells(folder) == EXPECTED
    code, _, err = instrument.run(*run, "--resume")
    assert code == 2
    assert "has place 'a cluster' and this one 'one machine'" in err


def test_hosts_that_differ_are_named_and_kept_apart_and_a_late_stranger_is_not_used(
    instrument, run, dask_cluster
):
    first = dask_cluster.add_worker("host-a", "Processor A")
    dask_cluster.add_worker("host-a", "Processor A")  # a second one on the same host: it waits
    dask_cluster.add_worker("host-b", "Processor B")
    with client_of(dask_cluster) as client:
        dask_cluster.wait_for(lambda: len(client.nthreads()) == 3)
    (instrument.folder / "out").mkdir()
    with (instrument.folder / "out" / "err").open("wb") as errors:
        running = instrument.start(*run, "--cluster", dask_cluster.address, stderr=errors)
        folder = instrument.folder / "run"
        instrument.wait_until((folder / NAME).exists, running)
        dask_cluster.add_worker("host-c", CLAIMED_VERSION="0.0.1")
        first.kill()
        assert running.wait(timeout=300) == 0
    said = (instrument.folder / "out" / "err").read_text(encoding="utf-8")
    run_of, records, _ = read_journal(folder)
    assert cells(folder) == EXPECTED
    places = {record.scenario: set() for record in records}
    for record in records:
        places[record.scenario].add((record.host, record.cpu))
        assert record.unstable == "" or "side by side" not in record.unstable
    assert all(len(found) == 1 for found in places.values())
    known = {("host-a", "Processor A"), ("host-b", "Processor B")}
    assert set.union(*places.values()) == known
    assert set(run_of.hosts) == {"host-a", "host-b"}
    differ = (
        "The hosts differ in their processor, and are not compared with each other: Processor A in host-a;"
    )
    assert any(note.startswith(differ) for note in run_of.notes)
    assert differ in said


def test_ctrl_c_at_a_terminal_reaches_everybody_and_ends_in_good_order(instrument, run):
    running = instrument.start(*run, "--workers", "2", stderr=subprocess.PIPE, start_new_session=True)
    instrument.wait_until(lambda: measuring(instrument), running)
    instrument.wait_until((instrument.folder / "run" / NAME).exists, running)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert re.search(rb"Interrupted; (nothing was measured|what was measured is kept)\.", said)
    assert b"Traceback" not in said
    instrument.wait_until(lambda: not instrument.processes())


def test_a_worker_gives_up_a_group_for_which_nobody_waits(instrument, run, dask_cluster):
    worker = psutil.Process(dask_cluster.add_worker("host-a").pid)
    long_enough = (*run, "--turns", "100000")  # hours
    running = instrument.start(*long_enough, "--cluster", dask_cluster.address)
    instrument.wait_until(lambda: len(worker.children()) >= 4, running)  # they take turns
    running.kill()
    running.wait()
    dask_cluster.wait_for(lambda: not worker.children())
    assert worker.is_running()


def test_a_worker_with_another_version_is_named(dask_cluster, tmp_path):
    dask_cluster.add_worker("host-c", CLAIMED_VERSION="0.0.1")
    done = backprop("run", "--suite", "quick", "--cluster", dask_cluster.address, cwd=tmp_path)
    assert done.code == 2
    assert done.error_sentence.startswith("Error: The worker tcp://127.0.0.1:")
    assert done.error_sentence.endswith(
        f"on host-c has backprop 0.0.1; expected {library.__version__}, as here."
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "no-such-scheme://x", "nowhere", "tcp://127.0.0.1:port", ""]
)
def test_an_address_where_no_scheduler_is(address, tmp_path):
    done = backprop("run", "--suite", "quick", "--cluster", address, cwd=tmp_path)
    assert done.code == 2
    assert done.error_sentence.startswith(f"Error: No Dask scheduler answers at {address!r}: ")
    assert "tcp://10.0.0.1:8786" in done.error_sentence


@pytest.mark.parametrize(
    ("workers", "said"),
    [("0", "The workers are 0; expected at least one."), ("999", "The thread count is 999; expected 1 to")],
)
def test_a_number_of_workers_that_cannot_be(workers, said, tmp_path):
    done = backprop("run", "--suite", "quick", "--workers", workers, cwd=tmp_path)
    assert (done.code, said in done.error_sentence) == (2, True)


def client_of(cluster):
    from distributed import Client

    return Client(cluster.address, set_as_default=False)
