"""Suites: the built-in ones hold what they promise, and a mistake in a file is named with its line."""

import pytest
from command import backprop
from planted import wrong
from tables import sentence

from backprop import BackpropError, installed_strategies
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM
from backprop.bench.suites import (
    SuiteError,
    built_in_suites,
    find_suite,
    known_scenarios,
    read_suite,
    restrict,
)
from backprop.bench.turns import FEWEST_STARTS, Schedule
from backprop.errors import UnknownNameError


def written(folder, text):
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", built_in_suites())
def test_built_in_suites_have_unique_scenarios_and_the_short_form(name):
    suite = find_suite(name)
    ids = [scenario.id for scenario in suite.scenarios]
    assert len(set(ids)) == len(ids) > 0
    assert "short-form" in suite.strategies
    assert suite.schedule.starts >= FEWEST_STARTS


def test_the_scaling_suite_sweeps_width_batch_and_depth():
    scenarios = find_suite("scaling").scenarios
    for batch in (1, 4, 16, 64, 128):
        assert any((s.network.sizes, s.batch_size) == ("784-64-10", batch) for s in scenarios)
    sizes = {s.network.sizes for s in scenarios if s.batch_size == 32}
    assert sizes >= {"784-16-10", "784-256-10", "196-64-10", "196-" + "64-" * 8 + "10"}


def test_a_file_is_the_product_of_its_lists(tmp_path):
    suite = read_suite(
        written(
            tmp_path,
            """
            networks = ["49-32-10", "4-3-2"]
            batches = [1, 8]
            dtypes = ["float32", "float64"]
            threads = [1, 2]
            strategies = ["short-form", "layerwise-vjp"]
            activation = "tanh"
            loss = "mean-squared-error"
            starts = 4
            turns = 2
            """,
        )
    )
    assert suite.name == "mine"
    assert suite.strategies == ("short-form", "layerwise-vjp")
    assert suite.schedule == Schedule(starts=4, turns=2)
    assert len({scenario.id for scenario in suite.scenarios}) == len(suite.scenarios) == 16
    assert {(s.network.sizes, s.batch_size, s.dtype_name, s.threads) for s in suite.scenarios} == {
        (network, batch, dtype, threads)
        for network in ("49-32-10", "4-3-2")
        for batch in (1, 8)
        for dtype in ("float32", "float64")
        for threads in (1, 2)
    }
    assert all("tanh" in str(s.network) and "mean-squared-error" in str(s.network) for s in suite.scenarios)


def test_what_a_file_leaves_out_has_a_default(tmp_path):
    suite = read_suite(written(tmp_path, 'networks = ["49-32-10"]'))
    (scenario,) = suite.scenarios
    assert (scenario.batch_size, scenario.dtype_name, scenario.threads) == (32, "float64", None)
    assert {"short-form", "full-jacobian"} <= set(suite.strategies)
    assert suite.schedule == Schedule()


def test_what_is_named_twice_is_measured_once(tmp_path):
    text = 'networks = ["4-3-2", "4-3-2"]\nbatches = [1, 1]\nstrategies = ["short-form", "short-form"]'
    suite = read_suite(written(tmp_path, text))
    assert len(suite.scenarios) == len(suite.strategies) == 1


def test_a_file_may_name_a_strategy_of_a_file(tmp_path):
    suite = read_suite(
        written(tmp_path, f"networks = ['4-3-2']\nstrategies = ['{wrong.__file__}:MissingMean']")
    )
    assert suite.strategies == (f"{wrong.__file__}:MissingMean",)


PARTS = """
strategies = ["*"]
leave_out = ["finite-*", "complex-step"]
dtypes = ["float32"]
slow = "500ms"

[[parts]]
name = "tiny-{batch}"
networks = ["4-3-2"]
batches = [1, 2]
learning_steps = 7

[[parts]]
scenarios = ["toy", "mnist-32/float64"]
strategies = ["short-form"]
"""


def test_parts_are_products_of_their_own_over_what_the_file_says(tmp_path):
    suite = read_suite(written(tmp_path, PARTS))
    first, second = suite.parts
    left_out = {name for name in installed_strategies() if name.startswith(("finite-", "complex-"))}
    assert set(first.strategies) == set(installed_strategies()) - left_out
    assert [(one.id, one.learning_steps) for one in first.scenarios] == [
        ("tiny-1/float32", 7),
        ("tiny-2/float32", 7),
    ]
    assert second.strategies == ("short-form",)
    assert [one.id for one in second.scenarios] == ["toy/float64", "mnist-32/float64"]
    assert suite.schedule.slow_s == 0.5


def test_peers_are_all_outside_libraries(tmp_path):
    suite = read_suite(written(tmp_path, 'networks = ["4-3-2"]\nstrategies = ["peers"]'))
    assert {"torch-grad", "jax-grad", "autograd-grad"} <= set(suite.strategies)


GOOD = 'networks = ["4-3-2"]\n'
MISTAKES = {
    "an unknown key": (GOOD + "batchs = [1]", 2, "did you mean 'batches'?"),
    "an unknown table": (GOOD + "\n[machine]\ncores = 2", 3, "the key 'machine' is unknown"),
    "a key in quotes": (GOOD + '"colour" = 2', 2, "the key 'colour' is unknown"),
    "an unknown strategy": (
        GOOD + 'batches = [1]\nstrategies = [\n  "layerwise-vjp",\n  "shortform",\n]',
        5,
        "did you mean 'short-form'?",
    ),
    "a text for a list": ('networks = "4-3-2"', 1, "expected a list of one or more texts"),
    "a number for a text": (GOOD + "activation = 3", 2, "expected a text"),
    "an unknown activation": (GOOD + 'activation = "rellu"', 1, "did you mean 'relu'?"),
    "an unknown loss": (GOOD + 'loss = "cross"', 1, "cross-entropy"),
    "no sizes": ('networks = ["4-3-2",\n "4x3"]', 2, "4x3"),
    "an unknown dtype": (GOOD + 'dtypes = ["float64", "float16"]', 2, "float16"),
    "a batch of nothing": (GOOD + "batches = [0]", 2, "whole numbers above zero"),
    "a batch that is true": (GOOD + "batches = [true]", 2, "whole numbers above zero"),
    "a fraction": (GOOD + "starts = 3.5", 2, "expected a whole number above zero"),
    "turns of another type": (GOOD + 'turns = "8"', 2, "expected a whole number above zero"),
    "a precision that is a number": (GOOD + "precision = 2", 2, "expected a text"),
    "a claim of everything": (GOOD + 'claim = "100%"', 2, "expected a share between 0% and 100%"),
    "an unknown key of a part": (
        "[[parts]]\n" + GOOD + "\n[[parts]]\nturns = 3",
        5,
        "the key 'turns' is unknown",
    ),
    "a mistake in a part": (
        "batches = [1]\n[[parts]]\n" + GOOD + "[[parts]]\nbatches = [0]",
        5,
        "batches is [0]",
    ),
    "a strategy of the first part": (
        '[[parts]]\nnetworks = ["4-3-2"]\nstrategies = ["shortform"]\n'
        '[[parts]]\nnetworks = ["4-3-2"]\nstrategies = ["short-form"]',
        3,
        "did you mean 'short-form'?",
    ),
    "a strategy of the second part": (
        '[[parts]]\nnetworks = ["4-3-2"]\nstrategies = ["short-form"]\n'
        '[[parts]]\nnetworks = ["4-3-2"]\nstrategies = ["shortform"]',
        6,
        "did you mean 'short-form'?",
    ),
    "a part in one line": ('parts = [{ networks = ["4x3"] }]', 1, "4x3"),
    "parts that are none": ("parts = 3", 1, "expected tables [[parts]]"),
    "a name with other fields": (GOOD + 'name = "{colour}"', 2, "{batch} and {threads} may stand"),
    "a name that is no format": (GOOD + 'name = "{"', 2, "{batch} and {threads} may stand"),
    "curves that are a text": (GOOD + 'curves = "yes"', 2, "expected true or false"),
    "an unknown scenario": ('scenarios = ["toyy"]', 1, "did you mean 'toy'?"),
    "slow ones without a unit of time": (GOOD + 'slow = "2 apples"', 2, "expected a number and a unit"),
    "no batches": (GOOD + "batches = []", 2, "batches is []"),
    "no strategies": (GOOD + "strategies = []", 2, "strategies is []"),
    "no threads": (GOOD + "threads = []", 2, "threads is []"),
    "no networks": ("networks = []", 1, "networks is []"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(tmp_path, name):
    text, line, words = MISTAKES[name]
    path = written(tmp_path, text)
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    message = str(caught.value)
    assert message.startswith(f"Line {line} of the suite {str(path)!r}: "), message
    assert words in message
    assert "\n" not in message
    assert message.endswith(".")


def test_a_file_without_networks_is_told_what_to_say(tmp_path):
    with pytest.raises(SuiteError, match="names no networks") as caught:
        read_suite(written(tmp_path, "batches = [1]"))
    sentence(caught.value)


@pytest.mark.parametrize("text", ["networks = [", "= 3", 'a = "x" b'])
def test_what_is_no_toml_is_refused_with_the_line(tmp_path, text):
    with pytest.raises(SuiteError, match=r"is no TOML: .*(line 1|end of document)") as caught:
        read_suite(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, said in (("missing.toml", "cannot be read: No such file"), ("binary.toml", "is no TOML")):
        with pytest.raises(SuiteError, match=said):
            read_suite(tmp_path / name)


def test_an_unknown_suite_has_a_near_match():
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        find_suite("quik")


def test_a_suite_can_be_restricted():
    suite = restrict(find_suite("default"), ["short-form"], ["toy"], 3, 1)
    assert suite.strategies == ("short-form",)
    assert [scenario.name for scenario in suite.scenarios] == ["toy"]
    assert (suite.schedule.starts, suite.schedule.turns) == (3, 1)
    assert restrict(find_suite("default"), [], [], None, None) == find_suite("default")
    assert find_suite("default").curves
    assert not suite.curves  # which take longer than such a part of it


@pytest.mark.parametrize(("starts", "turns"), [(2, None), (0, None), (-1, None), (None, 0), (None, -3)])
def test_too_few_starts_or_turns_are_refused(starts, turns):
    with pytest.raises(SuiteError, match="expected at least") as caught:
        restrict(find_suite("quick"), [], [], starts, turns)
    sentence(caught.value)


def test_a_precision_and_a_claim_are_shares_of_a_suite_and_of_a_file(tmp_path):
    suite = restrict(find_suite("quick"), precision="2%", claim="0.05")
    assert (suite.schedule.precision, suite.schedule.claim) == (0.02, 0.05)
    text = 'networks = ["4-3-2"]\nprecision = "1%"\nclaim = "10%"'
    assert read_suite(written(tmp_path, text)).schedule == Schedule(precision=0.01, claim=0.1)


@pytest.mark.parametrize("text", ["2", "0%", "100%", "-1%", "two", "", "nan%", "1e999"])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(SuiteError, match="expected a share between 0% and 100%, such as 2%") as caught:
        restrict(find_suite("quick"), precision=text)
    sentence(caught.value)


def test_a_claim_needs_six_starts():
    with pytest.raises(SuiteError, match="The starts are 4; expected at least 6") as caught:
        restrict(find_suite("quick"), starts=4, claim="5%")
    sentence(caught.value)


def test_a_claim_that_is_asked_for_has_six_starts_by_itself():
    assert restrict(find_suite("quick"), claim="5%").schedule.starts == STARTS_TO_CLAIM


def test_the_quick_suite_has_every_derivation_of_the_card_on_real_digits():
    quick = find_suite("quick")
    card = {"full-jacobian", "batched-jacobian", "short-form", "finite-differences"}
    assert card <= set(quick.strategies)
    measured = {(str(one.network.sizes), one.batch_size) for one in quick.scenarios}
    assert measured == {("784-512-10", 1), ("784-512-10", 32), ("49-32-10", 32)}
    assert not any(one.synthetic for one in quick.scenarios)


@pytest.mark.parametrize("name", sorted(set(built_in_suites()) - {"quick"}))
def test_built_in_suites_have_the_starts_that_a_claim_needs_but_for_the_quick_one(name):
    assert find_suite(name).schedule.starts >= STARTS_TO_CLAIM


def test_a_strategy_that_is_unknown_is_refused_before_anything_runs():
    with pytest.raises(BackpropError, match="did you mean 'short-form'"):
        restrict(find_suite("quick"), ["shortform"], [], None, None)


def test_a_scenario_survives_its_way_to_a_worker():
    from backprop import Network

    made = [Scenario.of(Network.mlp(12, 5, 3, activation="gelu"), 2, "float32", 2), *known_scenarios()]
    for scenario in made:
        assert Scenario.from_json(scenario.to_json()) == scenario


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("broken.toml", "Line 2 of the suite 'broken.toml': the key 'batchs' is unknown; did you mean"),
        ("missing.toml", "The suite 'missing.toml' cannot be read"),
        ("many.toml", "The thread count is 999; expected 1 to"),
        ("quik", "Unknown suite 'quik'; did you mean 'quick'?"),
    ],
)
def test_the_command_says_so_and_exits_with_2(tmp_path, suite, said):
    (tmp_path / "broken.toml").write_text(GOOD + "batchs = [1]", encoding="utf-8")
    (tmp_path / "many.toml").write_text(GOOD + "threads = [1, 999]", encoding="utf-8")
    done = backprop("run", "--suite", suite, "--out", "run", cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence
    assert not (tmp_path / "run" / "records.jsonl").exists()


def test_more_threads_than_cores_are_refused(tmp_path):
    done = backprop("run", "--threads", "999", cwd=tmp_path)
    assert done.code == 2
    assert "The thread count is 999; expected 1 to" in done.error_sentence
