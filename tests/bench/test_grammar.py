"""One grammar for all commands: lists of names, options given once, the network as an option, help, completion."""

import json
import os
import re
import shlex
from unittest.mock import patch

import pytest
import typer
from command import backprop
from planted import wrong

from backprop import installed_strategies
from backprop.bench.commands import completion
from backprop.bench.commands.app import PURPOSES, app
from backprop.bench.commands.options import one_name, split_names
from backprop.bench.machine import Limits
from backprop.bench.suites import built_in_suites
from backprop.errors import OptionError
from backprop.layers import HIDDEN
from backprop.registry import known_peers, select_strategies

OWN = f"{wrong.__file__}:MissingMean"
COMMANDS = typer.main.get_command(app).commands


# Lists of names


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["a,b", "c"], ["a", "b", "c"]),
        (["a, b"], ["a", "b"]),
        ([f"a,{OWN},b"], ["a", OWN, "b"]),
        ([f"{OWN},b"], [OWN, "b"]),
        ([f"{OWN},{OWN}"], [OWN, OWN]),
        (["a,"], ["a", ""]),
    ],
)
def test_names_are_separated_by_commas_and_by_repetition(values, names):
    assert split_names(values) == names


def test_a_comma_in_the_path_of_a_file_does_not_separate(tmp_path):
    path = tmp_path / "x,y.py"
    path.touch()
    assert split_names([f"{path}:Mine"]) == [f"{path}:Mine"]
    assert one_name("--strategy", f"{path}:Mine") == f"{path}:Mine"


def test_an_option_of_one_name_refuses_a_list():
    with pytest.raises(OptionError, match="--strategy is 'a,b'; expected one name"):
        one_name("--strategy", "a,b")


def test_patterns_all_and_peers_mean_many_strategies():
    def names(*chosen):
        return [one.name for one in select_strategies(chosen)]

    assert names("all") == names("*") == names() == list(installed_strategies())
    assert names("peers") == list(known_peers())
    assert set(names("finite-*")) == {name for name in installed_strategies() if name.startswith("finite-")}
    assert set(names("torch-*")) == {name for name in known_peers() if name.startswith("torch-")}
    assert names("short-form", "all", "short-form")[0] == "short-form"
    assert len(names("short-form", "all")) == len(installed_strategies())


SAME = [
    ["--strategy", "short-form", "--strategy", "layerwise-vjp"],
    ["-s", "short-form,layerwise-vjp"],
    ["--strategy=short-form, layerwise-vjp"],
]


@pytest.mark.parametrize("spelling", SAME, ids=" ".join)
def test_every_spelling_of_a_list_chooses_the_same_strategies(tmp_path, spelling):
    done = backprop("predict", "--network", "4-3-2", *spelling, "--json", cwd=tmp_path)
    assert {row["strategy"] for row in json.loads(done.out)} == {"short-form", "layerwise-vjp"}


def test_strategies_and_scenarios_are_lists_in_every_command_that_takes_several():
    params = [(name, one) for name, command in COMMANDS.items() for one in command.params]
    lists = {(name, one.name) for name, one in params if getattr(one, "multiple", False)}
    taken = {(name, one.name) for name, one in params if one.name in ("strategy", "scenario", "compare")}
    assert taken - lists == {("train", "strategy"), ("selftest", "scenario")}


def test_a_file_may_stand_in_the_list(tmp_path):
    done = backprop("predict", "--network", "4-3-2", "-s", f"{OWN},short-form", "--json", cwd=tmp_path)
    assert {row["strategy"] for row in json.loads(done.out)} == {"missing-mean", "short-form"}


def test_scenarios_are_a_list_too(tmp_path):
    asked = [
        "--predict",
        "--suite",
        "default",
        "-c",
        "toy,small",
        "-s",
        "short-form",
        "--out",
        "out",
        "--json",
    ]
    with patch("backprop.bench.places.measure_limits", lambda dtype: Limits(1e11, 1e10)):
        done = backprop("run", *asked, cwd=tmp_path)
    assert {row["scenario"] for row in json.loads(done.out)["records"]} == {"toy", "small"}


def test_explain_shows_both_strategies_however_they_are_given(tmp_path):
    pairs = (["-s", "batched-jacobian", "-s", "layerwise-vjp"], ["-s", "batched-jacobian,layerwise-vjp"])
    first, second = (backprop("explain", *pair, cwd=tmp_path) for pair in pairs)
    assert first.out == second.out
    assert "batched-jacobian" in first.out
    assert "layerwise-vjp" in first.out


# One value for an option of one value


MISTAKES = {
    "two strategies of a training": (["train", "-s", "short-form,layerwise-vjp"], "expected one name"),
    "an option twice": (["train", "-s", "short-form", "-s", "layerwise-vjp"], "--strategy is given 2 times"),
    "a dtype twice": (["predict", "--dtype", "float32", "--dtype", "float64"], "--dtype is given 2 times"),
    "two dtypes": (
        ["predict", "--dtype", "float32,float64"],
        "--dtype is 'float32,float64'; expected one name",
    ),
    "two scenarios": (["selftest", "-c", "toy,small"], "--scenario is 'toy,small'; expected one name"),
    "a family of scenarios": (["selftest", "-c", "mnist"], "expected one, such as mnist-1/float64"),
    "the network as an argument": (["predict", "4-3-2"], "expected --network 4-3-2"),
    "a derivation's network as an argument": (["derive", "network", "3-4-2"], "expected --network 3-4-2"),
    "the network as a name": (["derive", "network"], "expected --network"),
    "a network's option for a layer": (["derive", "relu", "--batch", "2"], "--batch was given"),
    "a layer's option for a network": (["derive", "--network", "3-2", "--size", "2"], "--size was given"),
    "an unknown ending of an explanation": (["explain", "--out", "page.docx"], ".html"),
    "no ending of an explanation": (["explain", "--out", "page"], "--format"),
    "an unknown ending of a derivation": (["derive", "relu", "--out", "proof.pdf"], ".tex"),
    "an unknown ending of a comparison": (["compare", "a", "b", "--out", "c.docx"], "ends with .md"),
    "a file for the errors": (["accuracy", "--out", "accuracy.csv"], "expected the name of a folder"),
    "a file for a run": (["run", "--out", "run.json"], "expected the name of a folder"),
    "a file for a training": (["train", "--out", "report.html"], "expected the name of a folder"),
    "a file for a comparison of trainings": (
        ["train", "--compare", "short-form", "--out", "report.html"],
        "expected the name of a folder",
    ),
    "a file for a self-test": (["selftest", "--out", "selftest.md"], "expected the name of a folder"),
    "a kind of starting file": (["init", "suit"], "did you mean 'suite'"),
    "an ending of a suite": (["init", "suite", "mine.yaml"], "ends with .toml"),
    "an ending of a strategy": (["init", "strategy", "mine"], "ends with .py"),
    "no whole number": (["predict", "--batch", "1.5"], "--batch is '1.5'; expected a whole number."),
    "no number": (["train", "--lr", "fast"], "--lr is 'fast'; expected a number."),
    "a seed below 0": (["explain", "--seed", "-1"], "--seed is '-1'; expected a whole number of at least 0."),
    "a self-test of no time": (["selftest", "--seconds", "0"], "The seconds are 0; expected"),
    "a file without its class": (
        ["run", "--strategy", "mine.py"],
        "expected a class in it as well: mine.py:Class",
    ),
    "an activation without its class": (["predict", "--activation", "leaky.py"], "leaky.py:Class"),
    "a known network misspelt": (["predict", "--network", "lenett"], "did you mean 'lenet'? Known: lenet"),
    "an ending of a template": (["check", "--template", "mine.txt"], "ends with .py"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_grammar_is_one_sentence_before_anything_is_done(name, tmp_path):
    arguments, said = MISTAKES[name]
    with patch("backprop.bench.threads.fix_threads", lambda threads: [0]):
        done = backprop(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["there", "there/below"])
@pytest.mark.parametrize(
    "command", [["accuracy"], ["run"], ["train"], ["train", "--compare", "short-form"], ["selftest"]]
)
def test_a_file_in_the_place_of_a_folder_is_said_before_anything_is_measured(tmp_path, command, out):
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    done = backprop(*command, "--out", out, cwd=tmp_path)
    assert (done.code, "is no folder" in done.error_sentence) == (2, True)
    assert (tmp_path / "there").read_text(encoding="utf-8") == "mine"


def test_every_command_takes_the_network_as_an_option():
    for name, command in COMMANDS.items():
        arguments = [one.name for one in command.params if one.param_type_name == "argument"]
        assert "network" not in arguments, name


def test_one_batch_is_the_default_or_its_help_gives_the_reason():
    for name, command in COMMANDS.items():
        for param in command.params:
            if param.name == "batch" and param.default not in (32, None):
                assert re.search("because|more than the 32", param.help), name


# Help


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_examples_within_80_columns_and_no_type_of_a_flag(tmp_path, name, flag):
    with patch.dict(os.environ, TERMINAL_WIDTH="80"):
        done = backprop(name, flag, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    examples = COMMANDS[name].epilog.strip("\n")
    assert f"Examples:\n\n{examples}\n" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "<bool>" not in done.out
    assert "--help" in done.out


def test_every_example_is_of_its_command_and_can_be_parsed():
    for name, command in COMMANDS.items():
        lines = [re.split(r"\s{2,}", line.strip())[0] for line in command.epilog.strip().splitlines()]
        assert any(line.split()[1] == name for line in lines)
        for line in lines:
            _, other, *arguments = shlex.split(line)
            COMMANDS[other].make_context(other, arguments)


def test_every_option_has_a_help_of_a_sentence():
    for name, command in COMMANDS.items():
        for param in (one for one in command.params if one.param_type_name == "option"):
            assert param.help.rstrip("`").endswith("."), f"{name} {param.name}"


def test_the_commands_stand_by_purpose(tmp_path):
    out = backprop("--help", cwd=tmp_path).out
    places = [out.index(purpose) for purpose in PURPOSES]
    assert places == sorted(places)
    for modules in PURPOSES.values():
        for module in modules:
            assert re.search(rf"│ {module.__name__.rpartition('.')[2]} ", out)


def test_the_help_of_check_says_what_the_function_gets_and_returns(tmp_path):
    text = " ".join(re.sub(r"[│\s]+", " ", backprop("check", "--help", cwd=tmp_path).out).split())
    assert "inputs is an array (n, i)" in text
    assert "labels is an array (n,) of class numbers 0, 1, ..., not one-hot" in text
    assert "W1 (i, o), b1 (o,)" in text


def test_the_version_is_printed(tmp_path):
    assert re.fullmatch(r"backprop \d+\.\d+\.\d+\n", backprop("--version", cwd=tmp_path).out)


# Completion


@pytest.mark.parametrize(
    ("begun", "completed"),
    [
        ("short", ["short-form", "short-form-dense"]),
        ("layerwise-vjp,torch-g", ["layerwise-vjp,torch-grad"]),
        ("nothing", []),
    ],
)
def test_the_last_strategy_of_a_list_is_completed(begun, completed):
    assert completion.strategies(begun) == completed


def test_other_names_are_completed():
    assert completion.suites("") == list(built_in_suites())
    assert completion.activations("") == list(HIDDEN)
    assert "mnist-32/float32" in completion.scenarios("mnist-32")
    assert completion.scenarios("toy,smal") == ["toy,small", "toy,small/float64"]
    assert completion.losses("mean") == ["mean-squared-error"]
    assert completion.dtypes("float3") == ["float32"]
    assert "adam" in completion.optimizers("")
    assert completion.starting_files("s") == ["suite", "strategy"]
    assert "softmax-cross-entropy" in completion.subjects("soft")


def test_a_shell_is_given_the_names(tmp_path):
    words = "backprop verify --strategy short-form,spa"
    asked = {"_BACKPROP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
    with patch("command.environment", lambda: {**os.environ, **asked}):
        done = backprop(cwd=tmp_path)
    assert (done.code, done.out.split()) == (0, ["short-form,sparse-jacobian"])
