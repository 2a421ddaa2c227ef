"""Whatever a file, an option or an argument says: an answer, or one sentence and exit code 2; never a traceback.

BACKPROP_FUZZ=2000 pytest tests/bench/test_fuzz.py     # as many examples of each, others at every run
"""

import contextlib
import copy
import io
import json
import os
import sys

import pytest
import typer
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from rows import ANY_AGREEMENT, ANY_RECORD, RUN, record
from tables import PROPERTY, sentence

from backprop import Network
from backprop.arrays import check_dtype
from backprop.bench.budget import Budget
from backprop.bench.comparison import compare_runs
from backprop.bench.estimates import read_run
from backprop.bench.journal import NAME, finished_groups, read_journal
from backprop.bench.machine import Limits
from backprop.bench.record import to_json
from backprop.bench.report import html, markdown, pictures
from backprop.bench.report.frame import to_csv, to_frame
from backprop.bench.report.markdown import summary
from backprop.bench.selftest import SHARES, resumed
from backprop.bench.selftest import markdown as page_of
from backprop.bench.suites import find_scenarios, find_suite, read_suite
from backprop.bench.suites.reader import SuiteFile
from backprop.bench.suites.suite import parse_share
from backprop.data import load
from backprop.errors import BackpropError
from backprop.registry import find_strategy
from backprop.training import load_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")  # of statistics on what nobody has measured

MANY = os.environ.get("BACKPROP_FUZZ")
LIMITS = Limits(1e11, 1e10)
PHASES = (Phase.explicit, Phase.generate)  # to make a failing row of forty fields small takes minutes
FUZZ = settings(PROPERTY, max_examples=int(MANY or 10), derandomize=MANY is None, phases=PHASES)

_NASTY_NUMBERS = (
    "9" * 400,
    "9" * 6000,
    "-0",
    "1e999",
    "-1e999",
    "1e-400",
    "NaN",
    "Infinity",
    "0.0",
    "true",
    "null",
)
_NASTY_JSON = st.sampled_from(
    [
        "[" * 3000,
        "[" * 100_000,
        '{"a":' * 3000,
        "[" * 500 + "]" * 500,
        '"\\ud800"',
        '"\\u0000"',
        *_NASTY_NUMBERS,
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NASTY_TEXTS = st.sampled_from(
    [
        "x" * 300,
        "x" * 5000,
        "9" * 400,
        "9" * 6000,
        "9" * 400 + "-10",
        "4-3-2",
        "-1",
        "0",
        "nan",
        "inf",
        "1e999",
        "",
        " ",
        ".",
        "/",
        "..",
        "a:b",
        ":",
        "x" * 300 + ".py:f",
        "x" * 300 + ".toml",
        "1-" * 2000 + "1",
        "\u0660-\u0661",
        "float16",
        ">f8",
        "(2,3)f8",
        "{'names': 3}",
        "i4," * 300,
    ]
)
ANY_TEXT = NASTY_TEXTS | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40
)


def refused_or_done(call, *arguments):
    """What the call returns, or None where it refuses in one sentence; whatever else it raises is a fault."""
    try:
        return call(*arguments)
    except BackpropError as error:
        sentence(error)
    return None


@st.composite
def damaged(draw, values):
    """JSON text of `values` in which something, anywhere, is another thing."""
    values = copy.deepcopy(values)
    spot, key, here = values, None, values
    while isinstance(here, dict | list) and here and (key is None or draw(st.booleans())):
        spot, key = here, draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        here = spot[key]
    mark = "damage"
    how = draw(st.sampled_from(["remove", "replace", "nasty"]))
    if key is None or how == "nasty":
        if key is None:
            return draw(_NASTY_JSON)
        spot[key] = mark
        return json.dumps(values).replace(f'"{mark}"', draw(_NASTY_JSON), 1)
    if how == "remove":
        del spot[key]
    else:
        spot[key] = draw(_JSON)
    return json.dumps(values)


FULL_RUN = {
    **RUN,
    "started": "2026-11-25T15:52:08Z",
    "memory_budget_bytes": 1e9,
    "time_budget_s": 60.0,
    "machine": {
        "cpu": "a processor",
        "cores": 2,
        "pinned_to": [1],
        "blas": [{"internal_api": "openblas", "version": "0.3", "num_threads": 1}],
        "versions": {"numpy": "2.4.6"},
        "libraries": {"torch": {"version": "2", "build": {}, "pools": []}},
        "packages": {"numpy": "2.4.6"},
    },
    "conditions": {"pinned": True, "memory_tracker": "memray"},
    "notes": ["a note"],
    "settings": {"suite": "quick", "strategies": ["short-form"]},
}


def everything_of(folder):
    """All that is made from a journal without a picture being drawn."""
    loaded = read_run(folder)
    finished_groups(folder)
    to_csv(to_frame(loaded.records))
    markdown.render(loaded, [])
    summary(loaded)
    if pictures.available():
        html._content(loaded, folder)


def write_lines(folder, lines):
    (folder / NAME).write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Written anew by every example."""
    return tmp_path_factory.mktemp("fuzz")


PYTEST_BENCHMARK = {
    "machine_info": {"cpu": {"brand_raw": "a processor", "count": 2}},
    "benchmarks": [
        {
            "fullname": "test_a",
            "group": None,
            "stats": {"median": 1.0, "q1": 0.9, "q3": 1.1, "data": [0.9, 1.0, 1.1]},
        }
    ],
}


@FUZZ
@given(st.binary(max_size=200) | st.binary(max_size=200).map(json.dumps(RUN).encode().__add__))
@example(b"[" * 100_000)
@example(b'"\x97X"')
def test_any_bytes_in_the_place_of_a_journal(folder, content):
    (folder / NAME).write_bytes(content)
    refused_or_done(read_journal, folder)


@FUZZ
@given(damaged(FULL_RUN))
@example(json.dumps(RUN | {"machine": []}))
def test_a_damaged_description_of_a_run(folder, line):
    write_lines(folder, [line, json.dumps(to_json(record())), json.dumps({"kind": "end"})])
    refused_or_done(everything_of, folder)


@FUZZ
@given(st.lists(damaged(to_json(record(time_low_s=1e-3, time_high_s=2e-3, noise_floor=1.01))), max_size=2))
@example([json.dumps(to_json(record()) | {"time_median_s": 0, "samples_s": [[0]]})])
def test_damaged_records(folder, lines):
    write_lines(folder, [json.dumps(RUN), json.dumps(to_json(record())), *lines])
    refused_or_done(everything_of, folder)
    refused_or_done(compare_runs, folder, folder, False)


@FUZZ
@given(st.lists(ANY_RECORD, max_size=3), st.lists(ANY_AGREEMENT, max_size=2))
def test_any_rows_that_the_schema_allows_make_all_reports(folder, records, agreements):
    lines = [json.dumps(to_json(row)) for row in (*records, *agreements)]
    write_lines(folder, [json.dumps(RUN), *lines])
    refused_or_done(everything_of, folder)


@FUZZ
@given(damaged(PYTEST_BENCHMARK))
@example(json.dumps(PYTEST_BENCHMARK).replace("[0.9, 1.0, 1.1]", "[null]"))
def test_damaged_json_of_pytest_benchmark(folder, text):
    path = folder / "benchmark.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_or_done(compare_runs, path, path, True)


_TOML_VALUES = st.one_of(
    NASTY_TEXTS.map(json.dumps),
    st.sampled_from(
        ["[" * 3000 + "]" * 3000, "9" * 6000, "[9]", "0", "true", "nan", "[[]]", "{}", "1979-05-27"]
    ),
    _JSON.map(json.dumps),
)


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(sorted(SuiteFile.__struct_fields__)),
        _TOML_VALUES | _TOML_VALUES.map(lambda text: f"[{text}]"),
        max_size=3,
    ),
    st.text(max_size=30),
)
@example({"networks": '["4-3-2"]', "dtypes": json.dumps(["9" * 400 + "-10"])}, "")
@example({"networks": "[" * 3000 + "]" * 3000}, "")
def test_any_suite_of_toml(folder, values, more):
    path = folder / "suite.toml"
    text = "".join(f"{key} = {value}\n" for key, value in ({"networks": '["4-3-2"]'} | values).items()) + more
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_or_done(read_suite, path)


SELFTEST = {
    "settings": {"scenario": "toy/float64", "starts": 2, "turns": 1, "threads": 1, "cpu": "a processor"},
    "trials": [
        {
            "turns": {label: [[1.0], [1.1]] for label in SHARES},
            "apart": {"first": [[1.0], [1.1]], "second": [[1.1], [1.0]]},
            "stopped": True,
        }
    ],
}


def goes_on(folder):
    """A self-test read from its folder, and all that is said of it."""
    found = resumed(SELFTEST["settings"], folder, resume=True)
    return page_of(found) if found.trials else ""


@FUZZ
@given(damaged(SELFTEST))
@example(json.dumps(SELFTEST))
def test_a_damaged_self_test(folder, text):
    (folder / "selftest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_or_done(goes_on, folder)


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_in_the_place_of_weights(folder, content):
    path = folder / "weights.npz"
    path.write_bytes(content)
    refused_or_done(load_checkpoint, path)


@FUZZ
@given(ANY_TEXT)
def test_any_text_in_the_place_of_a_name(folder, text):
    for call in (
        Network.parse,
        check_dtype,
        find_strategy,
        find_suite,
        load,
        lambda name: find_scenarios([name]),
        lambda budget: Budget.parse(budget, None),
        lambda budget: Budget.parse(None, budget),
        lambda share: parse_share("precision", share),
        lambda name: Network.mlp(4, 3, 2, activation=name),
        lambda name: Network.mlp(4, 3, 2, loss=name),
    ):
        refused_or_done(call, text)


# The command line


class ReachedError(Exception):
    """Everything that was said has been accepted, and the work would begin."""


WORK = {
    "backprop.bench.instrument.Instrument.run",
    "backprop.bench.commands.run.chosen_place",
    "backprop.bench.quick_look.QuickLook.measure",
    "backprop.bench.accuracy.experiments",
    "backprop.bench.training.command.run_training",
    "backprop.bench.training.command.compare",
    "backprop.bench.selftest.run_selftest",
    "backprop.bench.conditions.Conditions.of",
    "backprop.bench.check.judge.check_target",
    "backprop.bench.commands.derive._derived",
}


@pytest.fixture(scope="module")
def options():
    """Every option and argument of every command, by the names that Typer knows."""
    from backprop.bench.commands.app import app

    commands = typer.main.get_command(app).commands
    return {name: [one for one in command.params if one.name != "help"] for name, command in commands.items()}


@pytest.fixture(scope="module")
def idle(folder):
    """Commands that check all that was said, and do nothing."""

    def reach(*_, **__):
        raise ReachedError

    with pytest.MonkeyPatch.context() as patch:
        for name in WORK:
            patch.setattr(name, reach)
        patch.setattr("backprop.bench.threads.fix_threads", lambda threads: [0])
        patch.setattr("backprop.bench.places.measure_limits", lambda dtype: LIMITS)
        patch.setattr("backprop.bench.prediction.measure_limits", lambda dtype: LIMITS)
        patch.chdir(folder)
        yield


def run_main(arguments):
    """Exit code and standard error of the command in this process."""
    from backprop.bench.cli import main

    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["backprop", *arguments])
        patch.setattr(os, "environ", dict(os.environ))
        try:
            main()
        except SystemExit as error:
            return error.code or 0, err.getvalue()
        except ReachedError:
            return 0, err.getvalue()
    raise AssertionError("main() returned")


@FUZZ
@given(data=st.data())
def test_any_value_of_any_option(options, idle, data):
    command = data.draw(st.sampled_from(sorted(options)))
    params = options[command]
    chosen = (
        data.draw(st.lists(st.sampled_from(params), max_size=3, unique_by=lambda one: one.name))
        if params
        else []
    )
    arguments = [command]
    for one in chosen:
        value = data.draw(ANY_TEXT)
        if one.param_type_name == "argument":
            arguments.append(value)
        elif getattr(one, "is_flag", False):
            arguments.append(one.opts[0])
        else:
            arguments.append(f"{one.opts[0]}={value}")
    code, err = run_main(arguments)
    assert code in (0, 1, 2), arguments
    if code == 2:
        errors = [line for line in err.splitlines() if not line.startswith("Note: ")]
        assert len(errors) == 1, (arguments, err)
        assert errors[0].startswith("Error: "), (arguments, err)


EXAMPLES = [
    ["predict", "--network", "4-3-2", "--dtype", "4-3-2"],
    ["predict", "--network", "9" * 400 + "-10"],
    ["predict", "--network", "9" * 6000 + "-10"],
    ["run", "--strategy", "x" * 300],
    ["run", "--suite", "x" * 300 + ".toml"],
    ["run", "--data", "x" * 300],
    ["run", "--out", "x" * 300],
    ["report", "x" * 300],
    ["compare", "x" * 300, "y" * 300 + ".json"],
    ["train", "--resume", "x" * 300],
    ["explain", "--out", "x" * 300],
    ["check", "x" * 300 + ".py:f"],
]


@pytest.mark.parametrize("arguments", EXAMPLES, ids=lambda arguments: " ".join(arguments)[:40])
def test_what_once_was_a_traceback_is_one_sentence(idle, arguments):
    code, err = run_main(arguments)
    if arguments[:2] not in (["run", "--out"], ["check", EXAMPLES[-1][1]]):  # refused only by the work itself
        assert code == 2
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert len(err) < 1000
