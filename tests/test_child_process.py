"""A child answers in time or not at all; whatever it does, it has an end in words and leaves nobody behind."""

import os
import signal
import sys
import time

import psutil
import pytest
from processes import marked

from backprop.child_process import ChildError, ChildProcess, signal_name
from backprop.child_process.process import ending

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups and signals of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="adoption of orphans is Linux's")

BEGINNING = """
import json, os, signal, subprocess, sys, time
from backprop.child_process import tie_to_parent
tie_to_parent()

def answer(**values):
    print(json.dumps(values), flush=True)

"""
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    time.sleep(600)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def start(tmp_path):
    """Start a child that runs this code."""
    started = []

    def of(code, **options):
        name = f"planted_{len(started)}"
        (tmp_path / f"{name}.py").write_text(BEGINNING + code, encoding="utf-8")
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        child = ChildProcess(name, variables={"PYTHONPATH": path, "BACKPROP_TEST": str(tmp_path)}, **options)
        started.append(child)
        return child

    of.folder = tmp_path
    yield of
    for child in started:
        child.end()


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_zombie(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ask(child, question, timeout_s, data=()):
    child.send(question, data)
    return child.receive(timeout_s)


def error_of(child, timeout_s=20.0):
    with pytest.raises(ChildError) as caught:
        ask(child, {}, timeout_s)
    assert not psutil.pid_exists(child.process_id)
    return caught.value


def test_a_question_is_answered_with_the_bytes_that_belong_to_both(start):
    child = start("""
size = json.loads(sys.stdin.buffer.readline())["size"]
data = sys.stdin.buffer.read(size)
answer(size=2 * size)
sys.stdout.buffer.write(data + data)
""")
    sent = bytes(range(256)) * 4000  # more than a pipe holds
    assert ask(child, {"size": len(sent)}, 20, [sent[:1000], sent[1000:]]) == {"size": 2 * len(sent)}
    assert child.receive_bytes(2 * len(sent), 20) == sent + sent


def test_a_child_is_stopped_and_goes_on(start):
    child = start("for line in sys.stdin: answer(line=line)")
    ask(child, {}, 20)
    child.stop()
    wait_for(lambda: psutil.Process(child.process_id).status() == psutil.STATUS_STOPPED)
    child.resume()
    assert child.can_stop
    assert ask(child, {}, 20) == {"line": "{}\n"}


ENDINGS = {
    "exit code": ("os._exit(7)", "ended with code 7", 7),
    "signal": ("os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV", -signal.SIGSEGV),
    "real-time signal": (
        "os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        "died of SIGRTMIN+3",
        -getattr(signal, "SIGRTMIN", 34) - 3,
    ),
    "closed pipes": ("os.closerange(0, 3); time.sleep(600)", "closed its pipes and lived on", None),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_child_came_to_its_end_is_said_in_words(start, name):
    code, words, number = ENDINGS[name]
    error = error_of(start(code))
    assert (error.how, error.reason, error.code) == ("ended", words, number)


def test_every_signal_has_a_name():
    assert signal_name(signal.SIGKILL) == "SIGKILL"
    assert signal_name(1000) == "signal 1000"
    assert ending(0) == "ended with code 0"
    if hasattr(signal, "SIGRTMIN"):
        names = {signal_name(number) for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1)}
        assert len(names) == signal.SIGRTMAX - signal.SIGRTMIN + 1


ASKED = "sys.stdin.buffer.readline(); "
"""A child that waits for the question: what it says before that is an answer that nobody asked for."""


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(600)",
        "sys.stdin.close(); os.close(0); time.sleep(600)",
        ASKED + "print('{', end='', flush=True); time.sleep(600)",
        "while True: sys.stderr.write('x' * 10000)",
    ],
    ids=["sleeps", "closes its input", "begins an answer", "prints for ever"],
)
def test_a_child_that_gives_no_answer_in_time_is_ended(start, code):
    error = error_of(start(code), 0.5)
    assert (error.how, error.reason) == ("timed-out", "gave no answer within 0.5 s")


def test_a_large_question_to_a_child_that_does_not_read_has_a_limit_too(start):
    child = start("time.sleep(600)")
    with pytest.raises(ChildError, match=r"no answer within 0\.5 s"):
        ask(child, {}, 0.5, [bytes(10**7)])


UNREADABLE = {
    "no JSON": (ASKED + "print('good morning', flush=True); time.sleep(600)", "something else than answers"),
    "no object": (ASKED + "print('[1]', flush=True); time.sleep(600)", "something else than answers"),
    "no text": (ASKED + "os.write(1, b'\\xff\\xfe{}\\n'); time.sleep(600)", "something else than answers"),
    "deep": (ASKED + "print('[' * 100000, flush=True); time.sleep(600)", "something else than answers"),
    "a long number": (ASKED + "print('{\"a\":' + '1' * 9999 + '}'); time.sleep(600)", "something else"),
    "without an end": (
        ASKED + "\nwhile True: os.write(1, b'x' * 10000)",
        "an answer longer than 1048576 bytes",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_answer_is_refused(start, name):
    code, words = UNREADABLE[name]
    error = error_of(start(code))
    assert error.how == "unreadable"
    assert words in error.reason


def test_a_line_that_nobody_asked_for_is_no_answer_to_the_next_question(start):
    child = start("for line in sys.stdin: answer(); answer(verdict='right'); time.sleep(0.1)")
    ask(child, {}, 20)
    wait_for(lambda: not child._pieces.empty() or child._unread)
    error = error_of(child)
    assert (error.how, error.reason) == ("unreadable", "wrote on the pipe of its answers unasked")


def test_of_what_is_printed_the_beginning_and_the_end_are_kept(start):
    child = start("sys.stderr.write('begin' + 'x' * 30_000_000 + 'end'); sys.stderr.flush(); answer()")
    ask(child, {}, 60)
    child.end()
    printed = child.printed
    assert len(printed) < 120_000
    assert printed.startswith("begin")
    assert printed.endswith("end")
    assert "… 29890008 bytes left out …" in printed


def test_little_that_is_printed_is_kept_whole(start):
    child = start("sys.stderr.write('y' * 105_000); sys.stderr.flush(); answer()")
    ask(child, {}, 20)
    child.end()
    assert child.printed == "y" * 105_000


@linux
def test_memory_has_a_limit(start):
    child = start(
        """
for line in sys.stdin:
    try:
        bytearray(int(json.loads(line)["size"]))
        answer(done=True)
    except MemoryError:
        answer(done=False)
""",
        memory_bytes=300e6,
    )
    assert ask(child, {"size": 1e8}, 20) == {"done": True}
    assert ask(child, {"size": 3e8}, 20) == {"done": False}


def test_a_child_that_is_given_time_ends_by_itself(start):
    done = start.folder / "done"
    child = start(f"answer(); sys.stdin.read(); open({str(done)!r}, 'w').close()")
    child.receive(20)
    child.end(grace_s=20)
    assert done.exists()


GRANDCHILDREN = {
    "in the group": "subprocess.Popen(['sleep', '600'])",
    "in a session of its own": "subprocess.Popen(['sleep', '600'], start_new_session=True)",
    "a daemon": DAEMON,
    "many": "[subprocess.Popen(['sleep', '600'], start_new_session=True) for _ in range(20)]",
    "stopped": "os.kill(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, signal.SIGSTOP)",
    "a tree": "if os.fork() == 0:\n    [os.fork() or os.setsid() for _ in range(4)]\n    time.sleep(600)",
    "moves on from process to process": """
if os.fork() == 0:
    while True:
        time.sleep(0.05)
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
""",
}


@linux
@pytest.mark.parametrize("name", GRANDCHILDREN)
def test_grandchildren_end_with_a_child_that_lives(start, name):
    child = start(f"{GRANDCHILDREN[name]}\nanswer()\ntime.sleep(600)")
    child.receive(20)
    wait_for(lambda: len(marked(start.folder)) > 1)
    child.end()
    wait_for(lambda: not marked(start.folder))


@linux
@pytest.mark.parametrize("name", GRANDCHILDREN)
def test_grandchildren_end_after_a_child_that_left_them_behind(start, name):
    child = start(f"{GRANDCHILDREN[name]}\nanswer()\nos._exit(0)", adopts=True)
    child.receive(20)
    child.end()
    wait_for(lambda: not marked(start.folder))
    wait_for(lambda: not any(map(is_zombie, psutil.Process().children())))


@linux
def test_other_children_of_this_process_live_on(start):
    other = psutil.Popen(["sleep", "600"], start_new_session=True)
    try:
        child = start("answer()\ntime.sleep(600)", adopts=True)
        child.receive(20)
        child.end()
        assert other.is_running()
        assert other.status() != psutil.STATUS_ZOMBIE
    finally:
        other.kill()
        other.wait()
