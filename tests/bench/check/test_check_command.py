"""`backprop check` as a user starts it: the examples, exit codes, JSON, what is printed, bad input.

Where the process of the user's code is not what a test is about, this process plays it (the fixture `here`).
"""

import json
import re
import signal
import sys
import time

import numpy as np
import pytest
from command import BACKPROP, backprop, finish, start
from examples import EXAMPLES, MISTAKES, RIGHT

from backprop.bench.check.job import Job
from backprop.bench.check.process import UserProcess

SMALL = ("--network", "49-16-10", "--batch", "8")

FOUND = {
    "right": (),
    "bias_averaged": ("bias-not-summed",),
    "bias_of_one_sample": ("bias-not-summed",),
    "changes_its_inputs": ("modifies-arguments",),
    "forgotten_mean": ("sum-instead-of-mean",),
    "forgotten_relu": ("activation-derivative-missing",),
    "gradients_pile_up": ("state-from-last-call",),
    "labels_of_the_neighbour": ("labels-shifted",),
    "last_sample_only": ("one-sample-only",),
    "relu_of_the_wrong_side": ("activation-boundary",),
    "reshaped_weights": ("wrong-layer-weights",),
    "single_precision": ("lower-precision",),
    "softmax_like_a_sigmoid": ("softmax-diagonal-only",),
    "softmax_twice": ("softmax-applied-twice",),
    "squared_error": ("other-loss",),
    "two_mistakes": ("bias-not-summed", "activation-derivative-missing"),
    "weight_decay": ("weight-decay-extra",),
}


def check(name, *options, cwd):
    return backprop("check", f"{EXAMPLES / name}.py:gradient", *options, cwd=cwd)


def test_every_example_is_here():
    assert {"right", *MISTAKES} == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_an_example_gets_its_verdict_its_diagnosis_and_its_exit_code(
    here, without_costs, without_lines, name, tmp_path
):
    done = check(name, *SMALL, "--json", cwd=tmp_path)
    found = done.json
    assert {finding["kind"] for finding in found["findings"]} == set(FOUND[name])
    assert (found["verdict"], done.code) == (("right", 0) if name == "right" else ("wrong", 1))
    assert list(tmp_path.iterdir()) == []


def csv_of(path, classes):
    rng = np.random.default_rng(0)
    rows = [f"{k % classes}," + ",".join(map(str, rng.integers(0, 256, 9))) for k in range(40)]
    path.write_text("\n".join(["label," + ",".join(f"pixel{k}" for k in range(9)), *rows]) + "\n")


def test_the_samples_may_be_those_of_a_file_which_gives_the_sizes_too(here, without_costs, tmp_path):
    csv_of(tmp_path / "mine.csv", 3)
    own = check("right", "--data", "mine.csv", "--json", cwd=tmp_path)
    assert json.loads(own.out)["network"].startswith("9-512-10")
    assert "mine.csv" in own.err  # that it was split
    given = check(
        "right", "--data", "mine.csv", "--network", "9-4-3", "--batch", "50", "--json", cwd=tmp_path
    )
    assert json.loads(given.out)["verdict"] == "right"
    done = check("right", "--data", "mine.csv", "--network", "9-4-2", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "9 inputs" in done.err
    assert "expected 9 and 2, as the network 9-4-2" in done.err


def test_json_has_everything_that_is_printed(here, tmp_path):
    found = check("forgotten_mean", *SMALL, "--dtype", "float32", "--json", cwd=tmp_path).json
    assert (found["network"], found["batch"], found["dtype"]) == ("49-16-10 relu cross-entropy", 8, "float32")
    assert [tensor["name"] for tensor in found["tensors"]] == ["W1", "b1", "W2", "b2"]
    assert all(len(tensor["worst"]) == 5 for tensor in found["tensors"])
    assert found["tensors"][0]["worst"][0]["got"] == pytest.approx(
        8 * found["tensors"][0]["worst"][0]["expected"], rel=1e-4
    )
    rows = {row["name"]: row for row in found["costs"]}
    assert list(rows) == ["gradient", "short-form", "layerwise-vjp", "batched-jacobian"]
    assert all(row["time_s"] > 0 and row["peak_bytes"] > 0 for row in rows.values())
    assert rows["short-form"]["ratio"] == 1


def test_the_text_shows_verdict_entries_diagnosis_and_cost_without_control_codes(here, tmp_path):
    done = check("two_mistakes", *SMALL, cwd=tmp_path)
    assert (done.code, done.err) == (1, "")
    assert "is wrong on 49-16-10 relu cross-entropy, batch 8, float64." in " ".join(done.out.split())
    assert "The worst entries" in done.out
    assert "bias-not-summed in b2 (certain)" in done.out
    assert "activation-derivative-missing in W1 (certain)" in done.out
    assert "What it costs" in done.out
    assert "\x1b" not in done.out


def test_no_digit_comes_twice_in_a_large_batch():
    job = Job("mine.py:gradient", "784-2-10", "relu", "cross-entropy", 300, "float64", 0, 0.0, 1)
    _, batch = job.sample(job.network(), np.random.default_rng(0), 1e9)
    assert len(np.unique(batch.inputs, axis=0)) == 300


def test_the_mnist_network_is_checked_on_digits_and_a_dense_strategy_is_only_predicted(here, tmp_path):
    found = check("right", "--batch", "32", "--json", cwd=tmp_path).json
    assert found["network"] == "784-512-10 relu cross-entropy"
    dense = found["costs"][-1]
    assert (dense["name"], dense["time_s"], dense["peak_bytes"]) == ("batched-jacobian", None, None)
    assert dense["predicted_peak_bytes"] > 1e9


@pytest.mark.parametrize("name", ["W1", "W2"])
def test_a_transposed_tensor_is_wrong_in_the_headline_and_in_the_table(
    here, without_costs, without_lines, name, tmp_path
):
    text = RIGHT.replace("def gradient(", "def right(")
    turned = (
        f"    loss, g = right(params, inputs, labels)\n    return loss, {{**g, {name!r}: g[{name!r}].T}}\n"
    )
    (tmp_path / "mine.py").write_text(f"{text}\n\ndef gradient(params, inputs, labels):\n{turned}")
    for sizes in ("49-16-10", "10-10-10"):
        done = backprop("check", "mine.py:gradient", "--network", sizes, "--batch", "8", cwd=tmp_path)
        assert "mine.py:gradient is wrong" in done.out
        assert f"transposed in {name} (certain)" in done.out
        rows = re.findall(r"(?m)^([Wb]\d) .* (right|wrong|undecided) ", done.out)
        verdicts = dict(rows)
        assert {tensor for tensor, verdict in verdicts.items() if verdict == "wrong"} == {name}


def test_the_seed_chooses_the_point(here, without_costs, without_lines, tmp_path):
    def entries(seed):
        found = check("forgotten_mean", *SMALL, "--seed", seed, "--json", cwd=tmp_path).json
        return [tensor["worst"] for tensor in found["tensors"]]

    assert entries("1") == entries("1") != entries("2")


def test_a_weight_decay_of_the_loss_is_told(here, without_costs, without_lines, tmp_path):
    done = check("right", *SMALL, "--weight-decay", "0.01", "--json", cwd=tmp_path)
    assert done.code == 1
    assert {finding["kind"] for finding in done.json["findings"]} == {"weight-decay-missing"}


def test_the_kinds_are_listed_and_explained(tmp_path):
    from backprop.check import KINDS

    done = backprop("check", "--kinds", cwd=tmp_path)
    assert done.code == 0
    for kind in KINDS.values():
        assert f"{kind.name}\n" in done.out
        assert " ".join(kind.fix.split()) in " ".join(done.out.split())
    listed = backprop("check", "--kinds", "--json", cwd=tmp_path).json
    assert [kind["name"] for kind in listed] == list(KINDS)


USER = """
import os
import sys
import numpy as np

{body}
"""
BODIES = {
    "returns None": ("def gradient(params, inputs, labels):\n    pass", "returns None"),
    "returns a list": ("def gradient(params, inputs, labels):\n    return [inputs]", "a list"),
    "returns complex numbers": (
        "def gradient(params, inputs, labels):\n    return {k: v + 0j for k, v in params.items()}",
        "The gradient of W1 is complex",
    ),
    "returns other names": (
        "def gradient(params, inputs, labels):\n    return {f'tensor {k}': v for k, v in params.items()}",
        "there is no W1",
    ),
    "returns a generator": ("def gradient(params, inputs, labels):\n    yield params", "generator"),
    "takes two arguments": ("def gradient(params, inputs):\n    return params", "takes (params, inputs)"),
    "takes none": ("def gradient():\n    return 1", "takes ()"),
    "is no function": ("gradient = 3", "is a int; expected a function"),
    "never returns": ("def gradient(params, inputs, labels):\n    while True: pass", "no answer within 1 s"),
    "ends its process": ("def gradient(params, inputs, labels):\n    os._exit(7)", "with code 7"),
    "kills its process": ("def gradient(params, inputs, labels):\n    os.kill(os.getpid(), 9)", "SIGKILL"),
}


ITS_PROCESS = ("never returns", "ends its process", "kills its process")


@pytest.mark.parametrize("name", BODIES)
def test_what_cannot_be_checked_is_one_sentence_and_exit_code_2(name, tmp_path, request):
    body, said = BODIES[name]
    if name not in ITS_PROCESS:
        request.getfixturevalue("here")
    (tmp_path / "mine.py").write_text(USER.format(body=body), encoding="utf-8")
    timeout = ("--timeout", "1s") if name == "never returns" else ()
    done = backprop("check", "mine.py:gradient", *SMALL, *timeout, cwd=tmp_path)
    assert said in done.error_sentence
    assert "expected" in done.error_sentence
    assert done.code == 2


RAISING = {
    "in a call": (
        "def gradient(params, inputs, labels):\n    return helper(1)\n\ndef helper(x):\n    return x / 0",
        "ZeroDivisionError",
        "in helper",
    ),
    "a wrong key": (
        "def gradient(params, inputs, labels):\n    return params['w1']",
        "did you mean 'W1'",
        "in gradient",
    ),
    "exit": ("def gradient(params, inputs, labels):\n    sys.exit(4)", "called exit(4)", "in gradient"),
    "exit at import": ("sys.exit()", "could not be run: it called exit()", "<module>"),
    "at import": ("import nothing_of_that_name", "ModuleNotFoundError", "<module>"),
    "a syntax error": ("def gradient(:", "SyntaxError", "def gradient(:"),
    "in NumPy": (
        "def gradient(params, inputs, labels):\n    return inputs @ np.ones(3)",
        "ValueError",
        "in gradient",
    ),
}


@pytest.mark.parametrize("name", RAISING)
def test_what_raises_is_shown_with_the_users_lines_alone(here, name, tmp_path):
    body, said, where = RAISING[name]
    (tmp_path / "mine.py").write_text(USER.format(body=body), encoding="utf-8")
    done = backprop("check", "mine.py:gradient", *SMALL, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    *lines, sentence = done.err.strip().splitlines()
    assert sentence.startswith("Error: ")
    assert said in sentence
    assert "expected" in sentence
    assert where in "\n".join(lines)
    assert 'File "mine.py"' in "\n".join(lines)
    for foreign in ("bench/", "backprop/check", "site-packages", "importlib"):
        assert foreign not in done.err.replace(str(tmp_path), "")


MISSING = {
    "no target": ([], "The target is missing"),
    "no file": (["nowhere.py:gradient"], "There is no file 'nowhere.py'"),
    "no function": (["mine.py:gradent"], "did you mean 'gradient'"),
    "no module": (["no.such.module:gradient"], "There is no module 'no.such.module'"),
    "no colon": (["mine.py"], "such as mine.py:gradient"),
    "no network": (["mine.py:gradient", "--network", "784"], "The network has one size, 784"),
    "no activation": (["mine.py:gradient", "--activation", "rellu"], "did you mean 'relu'"),
    "no dtype": (["mine.py:gradient", "--dtype", "float16"], "The dtype is 'float16'"),
    "no sample": (["mine.py:gradient", "--batch", "0"], "The batch is 0"),
    "no memory": (["mine.py:gradient", "--memory-limit", "much"], "The memory limit is 'much'"),
    "no thread": (["mine.py:gradient", "--threads", "0"], "The thread count is 0"),
    "a decay that is no number": (
        ["mine.py:gradient", *SMALL, "--weight-decay", "nan"],
        "The weight decay is nan; expected a finite number of at least 0.",
    ),
    "a notebook that is none": (["junk.ipynb"], "The file 'junk.ipynb' is no notebook"),
    "a script without a loss": (["mine.py"], "There is no variable loss"),
    "no time": (["mine.py:gradient", "--timeout", "soon"], "The timeout is 'soon'"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_mistake_on_the_command_line_is_one_sentence(here, name, tmp_path):
    arguments, said = MISSING[name]
    (tmp_path / "mine.py").write_text("def gradient(params, inputs, labels):\n    return params\n")
    (tmp_path / "junk.ipynb").write_text("{}")
    done = backprop("check", *arguments, cwd=tmp_path)
    assert said in done.error_sentence
    assert done.code == 2


def test_a_module_beside_the_user_is_found_and_may_import_its_neighbour(tmp_path):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text(RIGHT, encoding="utf-8")
    (package / "one.py").write_text("from mine.other import gradient\n")
    assert backprop("check", "mine.one:gradient", *SMALL, cwd=tmp_path).code == 0


def test_what_the_users_code_prints_is_shown_once_and_apart(tmp_path):
    text = RIGHT
    chatty = text.replace(
        "    n = len(inputs)",
        '    n = len(inputs)\n    print("{}", n)\n    import os; os.write(1, b"raw\\n")',
    )
    (tmp_path / "mine.py").write_text(f'print("loading")\n{chatty}', encoding="utf-8")
    done = backprop("check", "mine.py:gradient", *SMALL, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    shown = done.out.partition("Your code printed:\n")[2]
    assert shown.splitlines() == ["  | loading", "  | {} 8", "  | raw"]
    found = backprop("check", "mine.py:gradient", *SMALL, "--json", cwd=tmp_path).json
    assert found["printed"] == "loading\n{} 8\nraw\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_the_memory_of_the_users_code_is_limited(tmp_path):
    body = "def gradient(params, inputs, labels):\n    return np.ones(10**9)"
    (tmp_path / "mine.py").write_text(USER.format(body=body), encoding="utf-8")
    done = backprop("check", "mine.py:gradient", *SMALL, "--memory-limit", "1GB", cwd=tmp_path)
    assert done.code == 2
    sentence = done.err.splitlines()[-1]
    assert "MemoryError" in sentence
    assert sentence.endswith("expected to get along with 1 GB, or a larger --memory-limit.")


def test_what_reads_from_the_terminal_gets_nothing(tmp_path):
    (tmp_path / "mine.py").write_text("def gradient(params, inputs, labels):\n    return input()\n")
    done = backprop("check", "mine.py:gradient", *SMALL, cwd=tmp_path)
    assert done.code == 2
    assert "EOFError" in done.err


@pytest.mark.processes
def test_a_slow_gradient_gets_its_verdict_where_only_its_cost_is_too_late(tmp_path, monkeypatch):
    costs = UserProcess.costs

    def with_little_time_left(user, *arguments):
        user._deadline = time.monotonic() + 0.2
        return costs(user, *arguments)

    monkeypatch.setattr(UserProcess, "costs", with_little_time_left)
    text = RIGHT
    slow = text.replace(
        "    n = len(inputs)",
        "    n = len(inputs)\n    CALLS.append(1)\n    if len(CALLS) > 4:\n        time.sleep(60)",
    )
    (tmp_path / "mine.py").write_text(f"import time\nCALLS = []\n{slow}", encoding="utf-8")
    done = backprop("check", "mine.py:gradient", *SMALL, cwd=tmp_path)
    assert done.code == 0
    assert "The time was up before the cost was measured." in done.out


def test_a_gradient_that_fails_after_the_check_keeps_its_verdict(here, tmp_path):
    text = RIGHT
    failing = text.replace(
        "    n = len(inputs)", "    n = len(inputs)\n    CALLS.append(1)\n    assert len(CALLS) < 6"
    )
    (tmp_path / "mine.py").write_text(f"CALLS = []\n{failing}", encoding="utf-8")
    done = backprop("check", "mine.py:gradient", *SMALL, "--json", cwd=tmp_path)
    found = done.json
    assert (done.code, found["verdict"], found["costs"]) == (0, "right", [])
    assert "AssertionError" in found["without_costs"]


@pytest.mark.processes
def test_an_interrupt_ends_the_child_and_the_command(tmp_path):
    marker = tmp_path / "started"
    waits = f"    pathlib.Path({str(marker)!r}).touch()\n    time.sleep(60)\n"
    (tmp_path / "mine.py").write_text(f"import pathlib, time\ndef gradient(p, x, y):\n{waits}")
    process = start([BACKPROP, "check", "mine.py:gradient", *SMALL], tmp_path)
    deadline = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert (done.code, done.err) == (130, "Interrupted.\n")
    assert sys.platform != "win32"
