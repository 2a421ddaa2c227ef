"""A task measures its group as a single machine does: one at a time in a slot, within what its host has."""

import os
import threading

import pytest
from rows import left_out, record

from backprop import Network
from backprop.bench.budget import Budget
from backprop.bench.cluster import host as module
from backprop.bench.cluster.host import LockError, Slot, measure_group
from backprop.bench.group import Group
from backprop.bench.record import Results
from backprop.bench.scenarios import Scenario
from backprop.bench.turns import Schedule

pytest.importorskip("distributed")


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """What groups were made and how; they measure nothing."""
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("backprop.bench.budget.default_memory_bytes", lambda: 1e9)
    found = []

    def measure(group, dataset, say, advance):
        found.append((group, dict(os.environ)))
        return Results([record(unstable="drift"), left_out()])

    monkeypatch.setattr(Group, "measure", measure)
    return found


ALONE = Slot()


def task(slot=ALONE, memory_bytes=1e12):
    scenario = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")
    return Group(scenario, ("short-form",), Schedule(), Budget(memory_bytes, 60.0), "sample", 1), slot


def test_the_budget_is_the_runs_or_what_the_host_has_shared_by_its_slots(seen):
    for asked in (task(), task(memory_bytes=1e6), task(Slot(0, 2, 1)), task(Slot(1, 2, 1), 1e6)):
        measure_group(*asked)
    assert [group.budget.memory_bytes for group, _ in seen] == [1e9, 1e6, 5e8, 5e5]
    assert {group.budget.time_s for group, _ in seen} == {60.0}


def test_figures_of_groups_side_by_side_say_so(seen):
    assert [row.unstable for row in measure_group(*task()).records] == ["drift", ""]
    assert [row.unstable for row in measure_group(*task(Slot(0, 2, 1))).records] == [
        "drift; up to 2 groups were measured side by side on this host",
        "",
    ]


def test_what_a_nanny_sets_is_not_inherited_and_what_a_user_sets_is(seen, monkeypatch):
    for value, kept in (("65536", None), ("1000", "1000")):
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", value)
        measure_group(*task())
        assert seen[-1][1].get("MALLOC_TRIM_THRESHOLD_") == kept


def test_a_slot_has_one_group_at_a_time_whoever_asks(monkeypatch, seen):
    inside, most = [], []

    def slow(group, dataset, say, advance):
        inside.append(group)
        threading.Event().wait(0.2)
        most.append(len(inside))
        inside.pop()
        return Results()

    monkeypatch.setattr(Group, "measure", slow)
    threads = [threading.Thread(target=measure_group, args=task()) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1, 1, 1]


def test_that_another_run_holds_a_slot_is_said_once_with_the_path(monkeypatch, seen):
    said, waited = [], threading.Event()

    def tell(sentence):
        said.append(sentence)
        waited.set()

    def hold(group, dataset, say, advance):
        waited.wait(60)
        return Results()

    monkeypatch.setattr(module, "_tell", tell)
    monkeypatch.setattr(Group, "measure", hold)
    threads = [threading.Thread(target=measure_group, args=task()) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (sentence,) = said
    assert "-0-of-1.lock'" in sentence


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files of other users are a matter of POSIX")
def test_a_lock_that_cannot_be_taken_is_named(monkeypatch, seen):
    def refuse(lock, timeout):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(LockError, match=r"The lock '.*-0-of-1.lock' cannot be taken: Permission denied"):
        measure_group(*task())
