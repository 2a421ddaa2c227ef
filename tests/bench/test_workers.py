"""A worker answers, waits stopped, and whatever becomes of it has a status and a reason."""

import os
import signal
import sys
import time

import psutil
import pytest
from over import over, part
from planted import dying

from backprop import Network
from backprop.bench.baselines import LOSS, PRODUCTS
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import WAKE_UP_S, Steps
from backprop.bench.threads import available_cores
from backprop.bench.turns import Participant, Site, load
from backprop.bench.workers import START_UP_S, WorkerError, WorkerProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
SCENARIO = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")
CORES = available_cores()[-1:]


def site(limit_bytes=4e9, timeout_s=60.0):
    return Site(SCENARIO, "sample", 1, CORES, limit_bytes, timeout_s)


@pytest.fixture
def worker():
    with WorkerProcess(1, CORES) as made:
        yield made


def loaded(worker, target, where=None):
    load(worker, Participant(target, target), where or site())
    return worker


def target_of(strategy):
    return f"{dying.__file__}:{strategy}"


def status(worker):
    return psutil.Process(worker.process_id).status()


def wait_for(condition):
    """A signal takes a moment to arrive."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_a_worker_waits_stopped_and_goes_on(worker):
    loaded(worker, "short-form").ask("prepare", 60)
    for _ in range(2):
        worker.stop()
        assert worker.can_stop
        wait_for(lambda: status(worker) == psutil.STATUS_STOPPED)
        worker.resume()
        assert worker.ask("turn", 60, seconds=0.001, wake_up=True)["call_s"] > 0


@pytest.mark.parametrize("target", [LOSS, PRODUCTS])
def test_baselines_take_turns_like_strategies(worker, target):
    assert loaded(worker, target).ask("prepare", 60)["call_s"] > 0
    assert worker.ask("turn", 60, seconds=0.001, wake_up=False)["call_s"] > 0


def test_leaving_kills_a_stopped_worker():
    with WorkerProcess(1, CORES) as worker:
        worker.stop()
        process = psutil.Process(worker.process_id)
    assert not process.is_running()


def test_command_line_environment_and_cores_are_the_same_for_every_worker():
    with WorkerProcess(1, CORES) as first, WorkerProcess(1, CORES) as second:
        loaded(first, "short-form")
        loaded(second, "layerwise-vjp")
        both = [psutil.Process(worker.process_id) for worker in (first, second)]
        assert both[0].cmdline() == both[1].cmdline()
        assert both[0].environ() == both[1].environ()
        variables = both[0].environ()
        assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "1"
        if sys.platform == "linux":
            assert first.pinned
            assert both[0].cpu_affinity() == CORES


def test_a_worker_survives_what_a_strategy_prints(worker):
    answer = loaded(worker, target_of("Chatty")).ask("prepare", 60)
    assert set(answer) == {"prepare_s", "call_s"}


FATES = {
    "Segfaults": ("crashed", "SIGSEGV"),
    "LeavesAtOnce": ("crashed", "ended with code 3"),
    "ClosesItsPipes": ("crashed", "the process closed its pipes and lived on"),
    "DiesOfARealTimeSignal": ("crashed", "the process died of SIGRTMIN+3"),
    "KilledByTheSystem": ("out-of-memory", "killed, as a system does that has no memory left"),
    "CannotCompile": ("unavailable", "no compiler: g++ was not found"),
    "TakesAllMemory": ("out-of-memory", "Unable to allocate 1.00 GiB"),
}


@pytest.mark.parametrize("strategy", part(FATES, 3))
def test_how_a_worker_ends_becomes_status_and_reason(worker, strategy):
    loaded(worker, target_of(strategy))
    with pytest.raises(WorkerError) as caught:
        worker.ask("prepare", 60)
    expected, words = FATES[strategy]
    assert caught.value.status == expected
    assert words in caught.value.reason
    assert "\n" not in caught.value.reason
    assert not psutil.pid_exists(worker.process_id)


def test_a_worker_that_hangs_is_timed_out_and_killed(worker):
    loaded(worker, target_of("Hangs"))
    with pytest.raises(WorkerError, match=r"no answer within 0\.5 s") as caught:
        worker.ask("prepare", 0.5)
    assert caught.value.status == "timed-out"
    assert not psutil.pid_exists(worker.process_id)


def test_a_worker_that_was_killed_while_it_was_stopped_fails_at_the_next_question(worker):
    worker.stop()
    os.kill(worker.process_id, signal.SIGKILL)
    worker.resume()
    with pytest.raises(WorkerError) as caught:
        worker.ask("ping", START_UP_S)
    assert caught.value.status == "out-of-memory"


@over(
    error=(
        ("_ArrayMemoryError", "Unable to allocate", True, "out-of-memory"),
        ("RuntimeError", "DefaultCPUAllocator: can't allocate memory", False, "out-of-memory"),
        ("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory while", False, "out-of-memory"),
        ("ValueError", "the memory\nof an elephant", False, "crashed"),
        ("ValueError", "", False, "crashed"),
    )
)
def test_errors_that_mean_no_memory_are_told_from_others(worker, monkeypatch, error):
    name, message, is_memory_error, expected = error
    answer = {"error": name, "message": message, "is_memory_error": is_memory_error}
    monkeypatch.setattr(worker, "receive", lambda timeout_s: answer)
    with pytest.raises(WorkerError) as caught:
        worker.ask("ping", 1)
    assert caught.value.status == expected
    assert caught.value.reason == " ".join(f"{name}: {message}".strip(": ").split())


def test_without_permission_to_stop_the_pools_are_given_time_to_fall_asleep(worker, monkeypatch):
    def forbidden(process, number):
        raise PermissionError

    slept = []
    with monkeypatch.context() as patched:
        patched.setattr("backprop.child_process.process.os.kill", forbidden)
        patched.setattr("backprop.child_process.process.time.sleep", slept.append)
        worker.stop()
    assert not worker.can_stop
    assert len(slept) == 1
    worker.resume()
    worker.ask("ping", START_UP_S)
    assert status(worker) != psutil.STATUS_STOPPED


def test_a_system_without_sigstop_is_noticed(monkeypatch):
    monkeypatch.delattr(signal, "SIGSTOP")
    with WorkerProcess(1, CORES) as worker:
        assert not worker.can_stop


def test_a_core_that_cannot_be_pinned_is_noticed(monkeypatch):
    def forbidden(process, cores):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", forbidden, raising=False)
    with WorkerProcess(1, CORES) as worker:
        assert not worker.pinned
        worker.ask("ping", START_UP_S)


def test_a_planted_slow_down_is_its_share_also_where_a_call_after_a_wait_is_slower(monkeypatch):
    now, ended = [0.0], [0.0]

    def tick():
        now[0] += 1e-7
        return now[0]

    def call():
        cold = now[0] - ended[0] > 5e-6  # other programs have taken the caches meanwhile
        now[0] += 4e-4 * (1.05 if cold else 1)
        ended[0] = now[0]

    monkeypatch.setattr("backprop.bench.clock.time.perf_counter", tick)
    steps = {share: Steps(None, None, "tracemalloc", share, call) for share in (0.0, 0.02, 0.1)}
    turns = {share: one.turn(3e-3, wake_up=True)["call_s"] for share, one in steps.items()}
    for share, call_s in turns.items():
        assert call_s / turns[0.0] == pytest.approx(1 + share, rel=1e-4)


def test_a_turn_lasts_by_the_clock_after_a_time_to_wake_up(monkeypatch):
    asked = []

    def timed(call, least_s, slower_by=0.0):
        asked.append((least_s, slower_by))
        return 1e-4

    monkeypatch.setattr("backprop.bench.steps.seconds_per_call", timed)
    steps = Steps(None, None, "tracemalloc", 0.1, lambda: None)
    assert steps.turn(0.025, wake_up=True) == {"call_s": 1e-4}
    assert steps.turn(20.0, wake_up=False) == {"call_s": 1e-4}
    assert asked == [(WAKE_UP_S, 0.0), (0.025, 0.1), (20.0, 0.1)]
