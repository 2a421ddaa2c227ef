"""What takes long shows that it lives, and the time to go promises nothing that is not known."""

import sys
import time

import pytest
from command import without_notes

from backprop import Network
from backprop.bench import progress as module
from backprop.bench.progress import GroupDisplay, Progress, duration, tracked
from backprop.bench.scenarios import Scenario
from backprop.bench.suites import Suite
from backprop.bench.turns import Schedule


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


# The time to go -----------------------------------------------------------------------------------------


def test_before_the_first_step_nothing_is_known(clock):
    progress = Progress("x", 10, clock=clock)
    clock.now += 60
    assert progress.words() == "x, 60 s so far"


def test_the_pace_is_that_of_the_steps_that_are_done(clock):
    progress = Progress("x", 10, clock=clock)
    clock.now += 8
    progress.advance(2)
    assert progress.words().endswith("about 32 s to go")
    clock.now += 3
    assert progress.words().endswith("about 29 s to go")
    clock.now += 29
    assert progress.words().endswith("longer than thought")


def test_an_estimate_counts_until_something_is_done(clock):
    progress = Progress("x", 60, unit_s=1.0, clock=clock)
    assert progress.words().endswith("about 60 s to go")
    clock.now += 20
    assert progress.words().endswith("about 40 s to go")


def test_what_is_expected_anew_counts_from_now(clock):
    progress = Progress("x", 10, clock=clock)
    clock.now += 5
    progress.expect(30, 1.0)
    assert progress.words() == "x, 5 s so far, about 30 s to go"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (99.4, "99 s"), (100, "1 min 40 s"), (5999, "99 min 59 s"), (7500, "2 h 5 min")],
)
def test_a_duration_is_said_as_a_person_would(seconds, words):
    assert duration(seconds) == words


# Where there is no terminal -----------------------------------------------------------------------------


def shown(clock, total, *steps):
    """What `Progress` says on stderr when `steps` are taken: each waits so many seconds, and says or advances."""
    with Progress("starting", total, clock=clock) as progress:
        for waited, what in steps:
            clock.now += waited
            if isinstance(what, str):
                progress.say(what)
            else:
                progress.advance(what)


@pytest.fixture(autouse=True)
def no_thread(monkeypatch):
    """Progress that draws where it is told of something, and not by a thread, of which nobody knows when it runs."""
    monkeypatch.setattr(Progress, "_watch", lambda self: None)


def test_what_is_over_at_once_says_nothing(clock, capsys):
    shown(clock, 3, (0.5, 1.0), (0.5, 1.0), (0.5, 1.0))
    assert capsys.readouterr().err == ""


def test_a_line_every_few_seconds_says_what_runs_how_long_and_how_long_yet(clock, capsys):
    shown(
        clock,
        10,
        (1, "1 of 10: a"),
        (3, 1.0),
        (1, "2 of 10: b"),
        (4.5, "2 of 10: c"),
        (1, 1.0),
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "1 of 10: a, 4 s so far, about 36 s to go",
        "2 of 10: c, 10 s so far, about 30 s to go",
    ]


def test_nobody_who_reads_is_no_reason_to_end_the_work(clock, monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stderr", Gone())
    shown(clock, 3, (10, 1.0), (10, 1.0))


def test_tests_do_not_see_lines_that_depend_on_the_speed_of_the_machine():
    lines = [
        "Note: --fresh replaces it.\n",
        "1 of 10: a, 4 s so far, about 36 s to go\n",
        "b, 1 min 40 s so far\n",
    ]
    assert without_notes("".join(lines)) == lines[0]


def test_items_are_counted_and_named(clock, capsys, monkeypatch):
    monkeypatch.setattr(module, "_SILENT_S", -10.0)
    monkeypatch.setattr(module, "_LINE_S", 0.0)
    assert list(tracked(["a", "b"], "verifying", str.upper)) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 2: verifying A, 0 s so far")
    assert any(line.startswith("2 of 2: verifying B, 0 s so far, ") for line in lines)


# A suite ------------------------------------------------------------------------------------------------

SMALL, LARGE = (Scenario.of(Network.mlp(4, width, 2), 8, "float64") for width in (3, 30))
SUITE = Suite.of("two", ["short-form"], [SMALL, LARGE], Schedule(starts=3, turns=2))


def displayed(clock):
    progress = Progress("starting", 2, clock=clock)
    return progress, GroupDisplay(progress, SUITE)


def test_a_group_says_its_number_its_scenario_and_its_turns(clock):
    progress, display = displayed(clock)
    display.say(SMALL, "verifying short-form")
    assert progress.words() == f"1 of 2: {SMALL.id}, verifying short-form, 0 s so far"
    display.say(SMALL, "1 strategies taking turns")
    display.advance()
    assert "taking turns, turn 1 of 6, 0 s so far" in progress.words()


def test_without_estimates_the_time_to_go_is_known_after_the_first_group(clock):
    progress, display = displayed(clock)
    display.say(SMALL, "x")
    clock.now += 50
    assert "to go" not in progress.words()
    display.finished(SMALL)
    display.say(LARGE, "x")
    assert progress.words().endswith("50 s so far, about 50 s to go")


def test_with_estimates_it_is_known_from_the_beginning_and_is_that_of_the_slow_group(clock):
    progress, display = displayed(clock)
    display.expect(SUITE.scenarios, {SMALL.id: 10.0, LARGE.id: 90.0})
    display.say(SMALL, "x")
    assert progress.words().endswith("about 1 min 40 s to go")
    clock.now += 10
    display.finished(SMALL)
    display.say(LARGE, "x")
    clock.now += 60
    assert progress.words().endswith("about 30 s to go")


def test_groups_that_run_side_by_side_share_the_time(clock):
    progress, display = displayed(clock)
    display.expect(SUITE.scenarios)
    display.say(SMALL, "on a")
    display.say(LARGE, "on b")
    clock.now += 30
    display.finished(SMALL)
    assert progress.words().endswith("about 30 s to go")


def test_a_run_that_goes_on_counts_what_is_left(clock):
    progress, display = displayed(clock)
    display.expect([LARGE])
    display.say(LARGE, "x")
    assert progress.words().startswith(f"2 of 2: {LARGE.id}")
    display.finished(LARGE)
    assert "about" not in progress.words()


# A terminal ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("term", "live"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_can_draw_gets_one_line_anew_with_the_same_words(term, live, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(module, "_SILENT_S", 0.0)
    with Progress("finite-differences-richardson"):
        pass
    err = capsys.readouterr().err
    assert ("\x1b[" in err) == live
    assert ("finite-differences-richardson, 0 s so far" in err) == live


def test_work_that_says_nothing_is_watched_by_a_thread_which_ends_with_it(capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(module, "_SILENT_S", 0.0)
    monkeypatch.setattr(module, "_LOOK_S", 0.001)
    with Progress("SymPy derives relu"):
        give_up = time.monotonic() + 20
        while not (err := capsys.readouterr().err) and time.monotonic() < give_up:
            time.sleep(0.001)
    assert err == "SymPy derives relu, 0 s so far\n"
