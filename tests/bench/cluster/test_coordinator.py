"""The coordinator against workers that are made up: who measures what, and what becomes of what is lost."""

import contextlib
from collections import deque
from types import SimpleNamespace

import pytest

from backprop import Network
from backprop.bench.cluster import ClusterError
from backprop.bench.cluster.connection import connected
from backprop.bench.cluster.coordinator import MOST_LOSSES, Coordinator, Crew, LostGroup
from backprop.bench.cluster.host import HostReport, Identity, Needs, Slot, difference, versions
from backprop.bench.cluster.place import open_cluster
from backprop.bench.record import Machine, Results
from backprop.bench.scenarios import Scenario

SCENARIOS = [Scenario.of(Network.mlp(width, 3, 2), 4, "float64") for width in (4, 5, 6, 7)]
NEEDS = Needs(threads=1, turn_s=0.003, data="sample", data_checksum="d")
ROWS = Results()


class Future:
    """A call whose fate a test decides."""

    def __init__(self, address, task):
        self.address, self.task, self.status, self.cancelled = address, task, "pending", False
        self.answer = ROWS

    def result(self, timeout):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def exception(self):
        return self.answer

    def cancel(self, force):
        self.cancelled = True


class FakeCrew:
    """Members by address; `script` is called before every look with the crew, and changes what it likes."""

    def __init__(self, members, script, slots=1):
        self.real = Crew(client=None, needs=NEEDS, slots=slots)
        self.real.members = {
            address: Identity(host, f"cpu of {host}", 4, {}) for address, host in members.items()
        }
        self.script, self.calls, self.looks = deque(script), [], 0

    @property
    def members(self):
        return self.real.members

    def enlist(self, *, strict):
        assert not strict
        self.looks += 1
        assert self.looks < 100
        if self.script:
            self.script.popleft()(self)

    def free(self, busy, working):
        return self.real.free(busy, working)

    def submit(self, address, function, *task):
        self.calls.append(Future(address, task))
        return self.calls[-1]

    def at_work(self):
        return [call for call in self.calls if call.status == "pending" and not call.cancelled]


def finish_all(crew):
    for call in crew.at_work():
        call.status = "finished"


def lose(address):
    return lambda crew: crew.members.pop(address)


def nothing(crew):
    pass


def outcomes(crew, scenarios=SCENARIOS, patience_s=60.0):
    coordinator = Coordinator(crew, lambda scenario: scenario.id, lambda *_: None, patience_s)
    coordinator._wait = lambda: None
    return [(scenario.id, outcome) for scenario, outcome in coordinator.run(scenarios)]


def every():
    return sorted(scenario.id for scenario in SCENARIOS)


def test_a_group_at_a_time_on_a_host_whatever_its_workers():
    seen = []

    def look(crew):
        seen.append([call.address for call in crew.at_work()])

    members = {"tcp://1": "a", "tcp://2": "a", "tcp://3": "b"}
    found = outcomes(FakeCrew(members, [nothing, look, look, *[finish_all] * 9]))
    assert seen == [["tcp://1", "tcp://3"]] * 2
    assert sorted(name for name, _ in found) == every()
    assert all(outcome is ROWS for _, outcome in found)


def test_a_worker_that_measures_is_given_nothing_else():
    def finish_second(crew):
        crew.calls[1].status = "finished"

    crew = FakeCrew(
        {"tcp://1": "a", "tcp://2": "a"}, [nothing, finish_second, nothing, *[finish_all] * 9], slots=2
    )
    outcomes(crew)
    assert [(call.address, call.task[1].number) for call in crew.calls[:3]] == [
        ("tcp://1", 0),
        ("tcp://2", 1),
        ("tcp://2", 1),
    ]


def test_workers_of_one_host_have_cores_of_their_own():
    crew = FakeCrew({"tcp://1": "a", "tcp://2": "a"}, [nothing, nothing, *[finish_all] * 9], slots=2)
    outcomes(crew)
    assert [call.task[1] for call in crew.calls[:2]] == [Slot(0, 2, 1), Slot(1, 2, 1)]
    assert Slot(0, 2, 1).cores(1, [0, 1, 2, 3]) == [3]
    assert Slot(1, 2, 1).cores(1, [0, 1, 2, 3]) == [2]
    assert Slot(0, 2, 2).cores(2, [0, 1, 2, 3]) == [2, 3]
    assert Slot(1, 2, 2).cores(1, [0, 1, 2, 3]) == [1]


def test_a_group_lost_with_its_worker_is_measured_by_another_once():
    crew = FakeCrew({"tcp://1": "a", "tcp://2": "b"}, [nothing, lose("tcp://1"), *[finish_all] * 9])
    found = outcomes(crew)
    assert sorted(name for name, _ in found) == every()
    assert crew.calls[0].cancelled
    assert [call.task[0] for call in crew.calls].count(crew.calls[0].task[0]) == 2


@pytest.mark.parametrize("status", ["error", "cancelled", "lost"])
def test_a_group_that_is_lost_again_and_again_is_a_loss_with_its_reason(status):
    def fail(crew):
        for call in crew.at_work():
            call.status, call.answer = status, RuntimeError("no [/luck]\ntoday")

    crew = FakeCrew({"tcp://1": "a"}, [nothing, *[fail] * MOST_LOSSES])
    ((name, loss),) = outcomes(crew, SCENARIOS[:1])
    assert name == SCENARIOS[0].id
    assert isinstance(loss, LostGroup)
    assert (loss.host, loss.cpu, loss.times, len(crew.calls)) == ("a", "cpu of a", MOST_LOSSES, MOST_LOSSES)
    assert "the last one tcp://1 on a" in loss.reason
    assert ("RuntimeError: no [/luck] today" in loss.reason) == (status == "error")


def test_rows_that_went_with_their_worker_are_measured_again():
    def finish_and_go(crew):
        (call,) = crew.at_work()
        call.status, call.answer = "finished", TimeoutError()

    crew = FakeCrew({"tcp://1": "a"}, [nothing, finish_and_go, finish_all])
    assert outcomes(crew, SCENARIOS[:1]) == [(SCENARIOS[0].id, ROWS)]
    assert len(crew.calls) == 2


def test_without_workers_the_run_ends_in_words_and_what_was_at_work_is_cancelled():
    crew = FakeCrew({"tcp://1": "a"}, [nothing, lose("tcp://1")])
    with pytest.raises(ClusterError, match=r"no worker for 0 s; expected at least one: .* --resume goes on"):
        outcomes(crew, patience_s=0.0)
    assert crew.calls[0].cancelled


def test_a_run_that_is_interrupted_cancels_what_is_at_work():
    def interrupt(crew):
        raise KeyboardInterrupt

    crew = FakeCrew({"tcp://1": "a", "tcp://2": "b"}, [nothing, interrupt])
    with pytest.raises(KeyboardInterrupt):
        outcomes(crew)
    assert [call.cancelled for call in crew.calls] == [True, True]


# the crew


class Client:
    """What is asked of a worker is answered from a table."""

    def __init__(self, identities):
        self.identities = identities

    def nthreads(self):
        return dict.fromkeys(self.identities, 1)


@pytest.fixture
def crew(monkeypatch):
    def made(identities, slots=1, checksum="d"):
        def ask(crew, address, function, *arguments):
            if function.__name__ == "identify":
                return identities[address]
            return HostReport(Machine(cpu="x"), {}, [], checksum)

        monkeypatch.setattr(Crew, "_ask", ask)
        return Crew(Client(identities), NEEDS, slots)

    return made


def test_workers_come_and_go(crew):
    identities = {"tcp://1": Identity("a", "x", 4, versions())}
    made = crew(identities)
    made.enlist(strict=True)
    identities["tcp://2"] = Identity("b", "x", 4, versions())
    made.enlist(strict=True)
    del identities["tcp://1"]
    made.enlist(strict=True)
    assert (list(made.members), list(made.hosts)) == (["tcp://2"], ["a", "b"])


WRONG = {
    "version": (Identity("a", "x", 4, versions() | {"numpy": "1.0"}), {}, "has numpy 1.0; expected "),
    "a version it does not tell": (Identity("a", "x", 4, {}), {}, "has backprop none; expected "),
    "cores": (Identity("a", "x", 1, versions()), {"slots": 2}, "has 1 cores; expected at least 2."),
    "data": (
        Identity("a", "x", 4, versions()),
        {"checksum": "e"},
        "finds other images under 'sample'; expected",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_worker_that_cannot_be_used_is_named_at_the_start_and_left_alone_later(crew, kind, capsys):
    identity, options, said = WRONG[kind]
    made = crew({"tcp://1": identity}, **options)
    with pytest.raises(ClusterError) as caught:
        made.enlist(strict=True)
    assert str(caught.value).startswith("The worker tcp://1 on a ")
    assert said in str(caught.value)
    made.enlist(strict=False)
    made.enlist(strict=False)
    assert made.members == {}
    assert capsys.readouterr().err == f"Note: {caught.value} It is not used.\n"


def test_versions_that_are_the_same_differ_in_nothing():
    assert difference(versions(), versions()) is None
    assert set(versions()) == {"backprop", "source of backprop", "Python", "numpy", "scipy", "distributed"}


def test_a_late_host_with_another_processor_is_named(crew, capsys):
    identities = {"tcp://1": Identity("a", "x", 4, versions())}
    made = crew(identities)
    made.enlist(strict=True)
    assert capsys.readouterr().err == ""
    identities["tcp://2"] = Identity("b", "y", 4, versions())
    made.enlist(strict=False)
    assert capsys.readouterr().err == "Note: The host b has another processor, y; its rows are kept apart.\n"
    assert set(made.members) == {"tcp://1", "tcp://2"}


def test_without_dask_the_line_that_brings_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"pip install -e '\.\[cluster\]'"), connected(2, None):
        pass


@pytest.mark.parametrize(
    ("comes_after_s", "error"), [(0, None), (59, None), (61, "has 0 workers after 60 s")]
)
def test_a_worker_that_comes_late_is_waited_for(monkeypatch, comes_after_s, error):
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    class Late(SimpleNamespace):
        def enlist(self, *, strict):
            if now >= comes_after_s:
                self.members["tcp://1"] = None

    place = "backprop.bench.cluster.place."
    monkeypatch.setattr(f"{place}time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setattr(f"{place}connected", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(f"{place}Crew", lambda *_, **__: Late(members={}))
    monkeypatch.setattr(f"{place}data_checksum", lambda _: "d")
    suite = SimpleNamespace(scenarios=(), strategies=(), schedule=SimpleNamespace(turn_s=0.003))
    refused = pytest.raises(ClusterError, match=error) if error else contextlib.nullcontext()
    with refused, open_cluster(suite, 1, None, "sample", workers=1, address=None) as opened:
        assert list(opened.crew.members) == ["tcp://1"]


def test_a_worker_of_the_runs_own_may_be_started_again_after_a_file_was_edited(crew):
    made = crew({"tcp://1": Identity("a", "x", 4, versions() | {"source of backprop": "0"})})
    made.own = True
    made.enlist(strict=True)
    assert list(made.members) == ["tcp://1"]
