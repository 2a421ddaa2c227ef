"""Whatever a user's file does to its process, no verdict changes; where none is possible, a sentence says why.

What a function does to its process is tried in a real one. What it returns goes through the same functions of parent
and child in this process (the fixture `here`), without the half second that a process costs.
"""

import signal
import sys
import time

import msgspec
import pytest
from examples import RIGHT
from processes import marked

from backprop.bench.check.cost import CostRow
from backprop.bench.check.job import Job
from backprop.bench.check.judge import check_target

WRONG = RIGHT.replace("(p - y) / n", "(p - y)")
processes = pytest.mark.processes
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and signals of Linux")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Check a file with this text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKPROP_TEST", str(tmp_path))

    def of(text, timeout_s=60.0, memory_bytes=8e9, dtype="float64"):
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        job = Job("mine.py:gradient", "9-5-4", "relu", "cross-entropy", 6, dtype, 0, 0.0, 1)
        return check_target(job, timeout_s, memory_bytes)

    of.folder = tmp_path
    return of


def in_the_function(line):
    """The right gradient, with a line before all others of the function."""
    return RIGHT.replace("    n = len(inputs)\n", f"    n = len(inputs)\n    {line}\n", 1)


def returning(expression):
    """The text of the right gradient with another return value, which may use `loss`, `grads` and its parts."""
    return RIGHT.replace("    return loss, {", "    grads = {") + f"    return {expression}\n"


GLOBALS = {
    "floating-point errors raise": "np.seterr(all='raise')",
    "the dot product is another": "np.dot = np.matmul = lambda *_, **__: 0",
    "every absolute value is 0": "np.abs = np.absolute = np.fabs = lambda x, **_: 0 * x",
    "everything is close": "np.allclose = np.isclose = np.array_equal = lambda *_, **__: True",
    "other reductions": "np.max = np.amax = np.sum = np.mean = lambda x, *_, **__: 0.0",
    "nothing is finite": "np.isfinite = lambda x: x != x",
    "no arrays": "np.asarray = np.array = np.ascontiguousarray = np.zeros = lambda *_, **__: None",
    "other printing": "np.set_printoptions(precision=1, threshold=3)",
    "another seed": "np.random.seed(1); np.random.default_rng = None",
    "another directory": "import os; os.chdir('/')",
    "no JSON": "import json; json.dumps = json.loads = None",
    "no writing": "import os; os.write = os.fdopen = os.dup = None",
    "no standard output": "import sys; sys.stdout = sys.stderr = None",
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "no checker": """
import backprop.check.network as network, backprop.verify as verify
network.check_network_gradient = verify.reference = None
import backprop.check.network.truth as truth
truth.Truth.compare = lambda *_: (None, None)
import backprop.bench.check.wire as wire
wire.unpack = wire._numbers_of = None
""",
    "own decimals": "import decimal; decimal.getcontext().prec = 2",
    "a thread": "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
    "something at exit": "import atexit, os; atexit.register(os._exit, 0)",
    "few recursions": "import sys; sys.setrecursionlimit(120)",
}


TOGETHER = {
    "numbers": [
        "floating-point errors raise",
        "the dot product is another",
        "every absolute value is 0",
        "everything is close",
        "another seed",
        "another directory",
        "own decimals",
        "few recursions",
    ],
    "reductions": ["other reductions", "other printing", "no JSON", "no checker", "something at exit"],
    "arrays": ["nothing is finite", "no arrays", "no writing"],
    "the process": ["no standard output", "warnings are errors", "a thread"],
}
"""Which globals one file changes at once: a verdict that any one of them changes is changed then, too."""


def test_every_change_of_a_global_is_tried():
    assert sorted(name for names in TOGETHER.values() for name in names) == sorted(GLOBALS)


@processes
@pytest.mark.parametrize("names", TOGETHER.values(), ids=TOGETHER)
@pytest.mark.parametrize("verdict", ["right", "wrong"])
def test_no_global_of_the_users_file_changes_a_verdict(check, names, verdict):
    own = "abs_, dot_, sum_, max_, zeros_ = np.abs, np.dot, np.sum, np.max, np.zeros\n"
    text = (RIGHT if verdict == "right" else WRONG).replace("np.zeros_like(p)", "0 * p")
    answers = check(text + own + "\n".join(GLOBALS[name] for name in names) + "\n")
    assert answers.error is None
    assert answers.check["verdict"] == verdict
    assert not answers.printed


@processes
@pytest.mark.parametrize("verdict", ["right", "wrong"])
def test_the_dtype_of_torch_changes_no_verdict_and_its_tensors_are_read(check, without_costs, verdict):
    pytest.importorskip("torch")
    line = "import torch; torch.set_default_dtype(torch.float16); torch.set_num_threads(1)\n"
    text = returning("{k: torch.from_numpy(v).requires_grad_() for k, v in grads.items()}")
    answers = check(line + (text if verdict == "right" else text.replace("(p - y) / n", "(p - y)")))
    assert (answers.error, answers.check and answers.check["verdict"]) == (None, verdict)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_user_gets_the_dtype_that_was_asked_for(here, without_costs, check, dtype):
    kinds = "assert {a.dtype.name for a in params.values()} | {inputs.dtype.name} == {'" + dtype + "'}"
    writes = "assert all(a.flags.writeable and a.flags.aligned for a in (*params.values(), inputs, labels))"
    answers = check(in_the_function(f"{kinds}; {writes}"), dtype=dtype)
    assert (answers.error, answers.check["verdict"]) == (None, "right")


RETURNED = {
    "a pair": "(loss, grads)",
    "a loss of another kind": "(np.float64(loss), grads)",
    "a loss in an array": "(np.array(loss), grads)",
    "lists": "{k: v.tolist() for k, v in grads.items()}",
    "lists of arrays": "{k: list(v) for k, v in grads.items()}",
    "tuples": "{k: tuple(map(tuple, v)) if v.ndim > 1 else tuple(v) for k, v in grads.items()}",
    "matrices": "{k: np.matrix(v) if v.ndim > 1 else v for k, v in grads.items()}",
    "objects of numbers": "{k: v.astype(object) for k, v in grads.items()}",
    "Fortran's order": "{k: np.asfortranarray(v) for k, v in grads.items()}",
    "views": "{k: v[::-1][::-1] for k, v in grads.items()}",
    "the other order of bytes": "{k: v.astype('>f8') for k, v in grads.items()}",
    "an ordered dict": "__import__('collections').OrderedDict(grads)",
    "a mapping": "__import__('types').MappingProxyType(grads)",
    "sparse matrices": "{**grads, 'W1': __import__('scipy.sparse').sparse.csr_matrix(grads['W1'])}",
    "arrays of array.array": "{**grads, 'b1': __import__('array').array('d', grads['b1'])}",
    "an object with __array__": (
        "{k: type('A', (), {'__array__': lambda self, *_, v=v, **__: v})() for k, v in grads.items()}"
    ),
}


@pytest.mark.parametrize("name", RETURNED)
def test_a_right_gradient_is_right_in_whatever_it_comes(here, without_costs, check, name):
    answers = check(returning(RETURNED[name]))
    assert (answers.error, answers.check and answers.check["verdict"]) == (None, "right")


def test_tensors_of_torch_are_read(here, without_costs, check):
    pytest.importorskip("torch")
    answers = check(returning("{k: __import__('torch').from_numpy(v) for k, v in grads.items()}"))
    assert (answers.error, answers.check["verdict"]) == (None, "right")


REFUSED = {
    "nothing": ("None", "returns None"),
    "text": ("'right'", "returns a str"),
    "bytes": ("b'right'", "returns a bytes"),
    "a generator": ("(v for v in grads.values())", "returns a generator"),
    "an array": ("grads['W1']", "returns an array of shape (9, 5) and dtype float64"),
    "a list that is too short": ("[*grads.values()][:-1]", "returns a list"),
    "a tuple of three": ("(1, 2, grads)", "returns a tuple of an int, an int, a dict"),
    "a named tuple": (
        "__import__('collections').namedtuple('Grads', 'a b c')(1, 2, grads)",
        "returns a Grads",
    ),
    "complex numbers": ("{k: v + 0j for k, v in grads.items()}", "The gradient of W1 is complex"),
    "a complex number": ("{k: 1j for k in grads}", "The gradient of W1 is complex"),
    "text as a tensor": ("{k: 'a' for k in grads}", "The gradient of W1 is a str"),
    "a ragged list": ("{k: [[1.0], [1.0, 2.0]] for k in grads}", "The gradient of W1 is a list"),
    "a memory view": ("{k: memoryview(v) for k, v in grads.items()}", "The gradient of W1 is a memoryview"),
    "objects": ("{k: np.array([object()]) for k in grads}", "The gradient of W1 is an array of shape (1,)"),
    "texts in an array": ("{k: v.astype(str) for k, v in grads.items()}", "and dtype <U"),
    "dates": ("{k: v.astype('M8[s]') for k, v in grads.items()}", "The gradient of W1 is an array of shape"),
    "a dict of dicts": ("{k: {'W': v} for k, v in grads.items()}", "The gradient of W1 is a dict"),
    "other names": ("{(1, k): v for k, v in grads.items()}", "there is no W1"),
    "names that are objects": ("{object(): v for v in grads.values()}", "there is no W1"),
    "a list in itself": ("(lambda x: x.append(x) or x)([])", "returns a list"),
    "a dict in itself": ("(lambda x: x.update(W1=x) or x)({**grads})", "The gradient of W1 is a dict"),
    "what cannot be looked at": (
        "{k: type('Secret', (), {'__array__': None, '__repr__': None, '__float__': None})() for k in grads}",
        "The gradient of W1 is a Secret",
    ),
    "what exits": (
        "{k: type('Exit', (), {'__array__': lambda *_, **__: exit(3)})() for k in grads}",
        "it called exit(3)",
    ),
    "too much": (
        "{k: np.broadcast_to(0.0, (10**6, 10**6)) for k in grads}",
        "expected",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_gradient_is_refused_in_a_sentence(here, without_costs, check, name):
    expression, words = REFUSED[name]
    answers = check(returning(expression))
    assert answers.check is None
    assert words in answers.error
    assert "expected" in answers.error
    assert one_sentence(answers)


def one_sentence(answers):
    """Whether an error is one line that ends in a full stop, and nothing of ours is printed."""
    foreign = ("bench/", "backprop/", "Traceback (most recent call last)")
    return (
        "\n" not in answers.error
        and answers.error.endswith(".")
        and not any(each in answers.printed + (answers.traceback or "") for each in foreign)
    )


FORGED = '{"value": ["value", null], "bytes": 0}'
FATES = {
    "leaves": ("import os; os._exit(0)", "ended its process with code 0"),
    "leaves with a code": ("import os; os._exit(7)", "ended its process with code 7"),
    "exits": ("import sys; sys.exit()", "it called exit()"),
    "raises what is no exception": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises what cannot be said": (
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})",
        "failed: Mute",
    ),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "(SIGKILL)"),
    "dies of a real-time signal": (
        "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        "(SIGRTMIN+3)",
    ),
    "crashes": ("import ctypes; ctypes.string_at(0)", "(SIGSEGV)"),
    "aborts": ("import os; os.abort()", "(SIGABRT)"),
    "closes its pipes": ("import os; os.closerange(0, 256)", "closed the pipes of its process"),
    "closes its pipes and lives on": (
        "import os, time; os.closerange(0, 256); time.sleep(600)",
        "closed the pipes of its process",
    ),
    "writes on every pipe": (
        "import os, contextlib\n    for fd in range(3, 64):\n"
        "        with contextlib.suppress(OSError):\n            os.write(fd, b'good morning\\n')",
        "wrote something else than answers",
    ),
    "forges an answer": (
        "import os, contextlib\n    for fd in range(3, 64):\n"
        f"        with contextlib.suppress(OSError):\n            os.write(fd, b'{FORGED}\\n')",
        "expected",
    ),
    "forges a verdict": (
        "import os, contextlib\n    for fd in range(3, 64):\n        with contextlib.suppress(OSError):\n"
        """            os.write(fd, b'{"check": {"verdict": "right"}, "ok": true}\\n')""",
        "sent no value that can be read",
    ),
    "reads the questions": (
        "import os, contextlib\n    for fd in range(3, 10):\n        with contextlib.suppress(OSError):\n"
        "            os.set_blocking(fd, False); os.read(fd, 10**6)",
        None,
    ),
}


@processes
@linux
@pytest.mark.parametrize("name", FATES)
def test_whatever_a_function_does_to_its_process_is_said_in_one_sentence(without_costs, check, name):
    line, words = FATES[name]
    answers = check(in_the_function(line))
    if words is None:
        assert answers.error is None or one_sentence(answers)
        return
    assert answers.check is None
    assert words in answers.error
    assert "expected" in answers.error
    assert one_sentence(answers)


COSTS = {"time_s": 1e-3, "ratio": None, "peak_bytes": 100, "predicted_peak_bytes": 0}


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", [1]], ids=str)
def test_costs_that_are_no_numbers_from_zero_on_are_refused(wrong):
    row = {"name": "mine", "reason": None, **COSTS}
    assert msgspec.convert(row, CostRow).time_s == 1e-3
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**row, "time_s": wrong}, CostRow)


@processes
@linux
@pytest.mark.parametrize("where", ["file", "function"])
def test_an_endless_loop_is_ended(without_costs, check, where):
    text = RIGHT + "while True: pass" if where == "file" else in_the_function("while True: pass")
    answers = check(text, timeout_s=1.0)
    assert "gave no answer within 1 s" in answers.error
    assert one_sentence(answers)


@processes
def test_a_function_that_dies_only_at_another_point_is_no_right_one(without_costs, check):
    line = "import os; labels[0] != SEEN.setdefault('label', labels[0]) and os._exit(5)"
    answers = check("SEEN = {}\n" + in_the_function(line))
    assert "ended its process with code 5" in answers.error


@processes
@linux
@pytest.mark.parametrize(
    "line",
    [
        "kept = np.ones(10**9)",
        "kept = []\n    while True: kept.append(bytearray(10**7))",
        "import ctypes; ctypes.CDLL(None).abort() if not np.ones(10**9).size else None",
    ],
)
def test_memory_has_a_limit_that_is_named(without_costs, check, line):
    answers = check(in_the_function(line), memory_bytes=600e6)
    assert answers.check is None
    assert "MemoryError" in answers.error
    assert "expected to get along with 600 MB, or a larger --memory-limit." in answers.error
    assert one_sentence(answers)


@processes
def test_what_is_printed_is_kept_in_part(without_costs, check):
    answers = check(in_the_function("print(('x' * 59 + chr(10)) * 10**6)"))
    assert answers.check["verdict"] == "right"
    assert len(answers.printed) < 120_000
    assert "bytes left out" in answers.printed


@processes
@linux
@pytest.mark.parametrize(
    "line",
    [
        "import subprocess; subprocess.Popen(['sleep', '600'])",
        "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)",
        "import os, time\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        "            time.sleep(600)\n        os._exit(0)",
    ],
    ids=["in the group", "in a session of its own", "a daemon"],
)
@pytest.mark.parametrize("end", ["", "\n    __import__('os')._exit(3)"], ids=["returns", "leaves"])
def test_what_the_users_code_has_started_ends_with_the_check(without_costs, check, line, end):
    answers = check(in_the_function(line + end))
    assert (answers.check is None) == bool(end)
    deadline = time.monotonic() + 20
    while marked(check.folder):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.02)


@processes
@linux
def test_a_function_that_forks_and_returns_twice_is_judged_once(without_costs, check):
    answers = check(in_the_function("import os; os.fork()"))
    assert (answers.error, answers.check["verdict"]) == (None, "right")


@processes
@linux
def test_a_dead_process_whose_pipes_are_held_open_by_another_is_noticed(without_costs, check):
    line = "import os, time\n    if os.fork() == 0:\n        time.sleep(600)\n    os.kill(os.getpid(), 9)"
    begin = time.monotonic()
    answers = check(in_the_function(line), timeout_s=100.0)
    assert "(SIGKILL)" in answers.error
    assert time.monotonic() - begin < 90  # and not when its time is up


CHANGED = {
    "params": "params['W1'] *= 0.5",
    "params b1": "params['b1'] = params['b1'] + 1",
    "inputs": "inputs[:] = inputs / 2",
    "labels": "labels += 1; labels %= 4",
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_a_function_changes_in_its_arguments_is_seen(here, without_costs, check, name):
    answers = check(in_the_function(CHANGED[name]))
    (finding,) = [each for each in answers.check["findings"] if each["kind"] == "modifies-arguments"]
    assert name.split()[0] in finding["evidence"]


def test_state_between_calls_is_kept(here, without_costs, check):
    answers = check("CALLS = []\n" + in_the_function("CALLS.append(0); inputs = inputs * len(CALLS)"))
    assert answers.check["verdict"] == "wrong"
    assert {each["kind"] for each in answers.check["findings"]} & {"state-from-last-call", "not-repeatable"}


@processes
def test_what_cannot_be_measured_leaves_the_verdict(check):
    answers = check(RIGHT + "import time; time.perf_counter = None\n")
    assert answers.check["verdict"] == "right"
    assert answers.costs == []
    assert answers.without_costs.startswith("The cost was not measured: ")


def test_signals_of_the_parent_are_left_as_they_were(here, without_costs, check):
    before = signal.getsignal(signal.SIGALRM)
    check(RIGHT)
    assert signal.getsignal(signal.SIGALRM) is before
