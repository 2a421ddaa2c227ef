"""The files that `backprop init` writes: every key of a suite is explained, and each file runs as it is."""

import re
import tomllib
from unittest.mock import patch

import pytest
from command import backprop
from tables import sentence

from backprop import find_strategy
from backprop.bench.machine import Limits
from backprop.bench.starting_files import STARTING_FILES, suite_text
from backprop.bench.suites import SuiteError, find_scenarios, read_suite
from backprop.bench.suites.keys import DEFAULTS, KEYS, Product, SuiteFile

LINE = re.compile(r"^(# )?(\w+) = (.*)$", re.MULTILINE)
"""A key with its value, behind # or not."""
HEAD = suite_text().partition("# [[parts]]")[0]


def values_of(text):
    """The values of all keys of the text, those behind # as well."""
    return tomllib.loads("\n".join(f"{name} = {value}" for _, name, value in LINE.findall(text)))


def test_every_key_that_the_reader_knows_stands_in_the_file_with_its_meaning():
    assert [name for _, name, _ in LINE.findall(HEAD)] == [
        name for name in SuiteFile.__struct_fields__ if name != "parts"
    ]
    for name, meta in KEYS.items():
        words = " ".join(suite_text().replace("\n# ", " ").split())
        assert meta.description in words, name
    assert "[[parts]]" in suite_text()


def test_the_default_that_a_key_behind_a_hash_shows_is_what_leaving_it_out_gives(tmp_path):
    plain = tmp_path / "plain.toml"
    plain.write_text('networks = ["49-16-10"]\nstrategies = ["short-form"]\n', encoding="utf-8")
    left_out = read_suite(plain)
    values = values_of(HEAD)
    shown = {name: values[name] for name in DEFAULTS if DEFAULTS[name] is not None and f"# {name} = " in HEAD}
    assert shown
    for name, value in shown.items():
        assert value == (list(DEFAULTS[name]) if isinstance(DEFAULTS[name], tuple) else DEFAULTS[name])
        line = re.search(rf"^# ({name} = .*)$", HEAD, re.MULTILINE)[1]
        plain.write_text(f'networks = ["49-16-10"]\nstrategies = ["short-form"]\n{line}\n', encoding="utf-8")
        assert read_suite(plain) == left_out, name


def test_the_default_in_words_is_the_one_in_the_schema():
    for name, default in DEFAULTS.items():
        if default is not None:
            block = HEAD.partition(f"{name} = ")[0].rpartition("\n\n")[2].replace("\n# ", " ")
            assert "Default: " in block, name


@pytest.mark.parametrize("name", [name for hashed, name, _ in LINE.findall(HEAD) if hashed])
def test_every_key_behind_a_hash_can_be_used(name, tmp_path):
    path = tmp_path / "suite.toml"
    text = suite_text().replace(f"\n# {name} = ", f"\n{name} = ", 1)
    if name == "scenarios":
        text = text.replace("\nnetworks", "\n# networks", 1)
    path.write_text(text, encoding="utf-8")
    assert read_suite(path).scenarios


def test_the_part_that_is_shown_can_be_used(tmp_path):
    head, _, part = suite_text().partition("# [[parts]]")
    path = tmp_path / "suite.toml"
    path.write_text(head + "[[parts]]" + part.replace("\n# ", "\n"), encoding="utf-8")
    (only,) = read_suite(path).parts
    assert {one.network.sizes for one in only.scenarios} == {"49-32-10"}
    assert not any(name.startswith("finite-") for name in only.strategies)
    assert set(values_of(part)) <= set(Product.__struct_fields__)


def test_a_key_that_the_file_does_not_explain_is_refused_by_the_reader(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text(suite_text() + "colour = 3\n", encoding="utf-8")
    with pytest.raises(SuiteError) as error:
        read_suite(path)
    assert "'colour' is unknown" in sentence(error.value)


def test_the_suite_runs_as_it_is(tmp_path):
    done = backprop("init", "suite", "mine.toml", cwd=tmp_path)
    assert (done.code, done.out) == (0, "mine.toml\nUse it: backprop run --suite mine.toml\n")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == suite_text()
    with patch("backprop.bench.places.measure_limits", lambda dtype: Limits(1e11, 1e10)):
        done = backprop("run", "--suite", "mine.toml", "--predict", "--out", "out", cwd=tmp_path)
    assert done.code == 0


def test_the_strategy_runs_as_it_is_and_is_right(tmp_path):
    done = backprop("init", "strategy", "mine.py", cwd=tmp_path)
    assert done.code == 0
    use = done.out.splitlines()[1].removeprefix("Use it: ").split()
    assert use == ["backprop", "run", "--scenario", "toy", "--strategy", "mine.py:Mine,short-form"]
    assert backprop("verify", *use[2:], cwd=tmp_path).code == 0
    mine = find_strategy(f"{tmp_path / 'mine.py'}:Mine")
    toy, deep = (find_scenarios([name])[0] for name in ("toy", "deep"))
    assert mine.unsupported(toy.network, toy.dtype) is None
    assert "one hidden layer of relu" in mine.unsupported(deep.network, deep.dtype)


@pytest.mark.parametrize("kind", STARTING_FILES)
def test_a_starting_file_is_printed_or_written_and_replaces_nothing_unasked(kind, tmp_path):
    printed = backprop("init", kind, cwd=tmp_path)
    assert (printed.code, printed.out) == (0, STARTING_FILES[kind].text())
    name = f"mine{STARTING_FILES[kind].ending}"
    (tmp_path / name).write_text("mine", encoding="utf-8")
    assert "is there" in backprop("init", kind, name, cwd=tmp_path).error_sentence
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert backprop("init", kind, name, "--fresh", cwd=tmp_path).code == 0
    assert (tmp_path / name).read_text(encoding="utf-8") == printed.out
