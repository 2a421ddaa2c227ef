"""Every number in a sentence of README, the change log, results/README and docs/ is held against what it tells of."""

import json
import re
import tomllib

import numpy as np
import page_tables
import pandas as pd
import pytest
from pages import PAGES, ROOT
from planted.functions import comparison, families
from planted.functions.cases import CASES

import backprop
from backprop import small_products
from backprop.bench import budget, estimates, machine, selftest, statistics, turns
from backprop.bench.cluster import coordinator
from backprop.bench.commands import verify
from backprop.bench.report import html
from backprop.bench.suites import built_in_suites
from backprop.bench.suites.keys import DEFAULTS
from backprop.bench.suites.reader import read_suite
from backprop.check import evidence
from backprop.check.numeric import noise, review
from backprop.errors import OverflowedError
from backprop.training import Settings

REFERENCE = ROOT / "results" / "reference"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXTS = PAGES | {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "results/README.md")
}


def words(text):
    """The text on one line."""
    return " ".join(text.split())


def sample():
    return backprop.data.load("sample")


def slips_of_layers():
    rows = pd.read_csv(REFERENCE / "check" / "layers.csv").query("tool == 'check_vjp' and slip != 'none'")
    return rows.groupby("layer").size()


def planted_pairs():
    """The pairs of the self-test: of twins, and of each slow-down."""
    counts = re.findall(r"(?m)^\| (?:nothing: twins|\d+%) \| (\d+) \|", read("selftest/selftest.md"))
    (twins, *slowed) = map(int, counts)
    assert len(set(slowed)) == 1
    return twins, slowed[0]


def seen_of_the_largest_slow_down():
    """By how many per cent the calls of the largest slow-down of the self-test were slower."""
    ratio = re.findall(r"(?m)^\| 10% .* (1\.\d+) \|$", read("selftest/selftest.md"))[0]
    return f"{float(ratio) - 1:.1%}"


def claims_of_version_0_1():
    return page_tables.campaign_row("0.1", REFERENCE / "check" / "campaign-0.1.txt")["claims"]


def changes_tried():
    """The mutations, with those that were planted by hand."""
    rows = re.findall(r"(?m)^\| (?:all|planted by hand) \| (\d+) \|", read("check/mutations.md"))
    return sum(map(int, rows))


def read(name):
    return (REFERENCE / name).read_text(encoding="utf-8")


def starts(folder):
    """The most starts of a cell in that run."""
    return int(pd.read_csv(REFERENCE / folder / "results.csv").starts.max())


def steps_of_the_exercise():
    """The assignments of the forward pass, in the notebook's cell that ends in the loss."""
    notebook = json.loads((ROOT / "docs" / "tutorial" / "exercise.ipynb").read_text(encoding="utf-8"))
    (forward,) = [
        cell["source"] for cell in notebook["cells"] if "logprobs = np.log(probs)\n" in cell["source"]
    ]
    return sum(bool(re.match(r"\w+ = ", line)) for line in forward)


def gradients_of_the_exercise():
    return re.findall(r"of (\d+) gradients, by 3 lines", PAGES["docs/tutorial/exercise.md"])[0]


def exponent(strategy):
    """The strategy's power of eps, as the page writes it."""
    power = backprop.find_strategy(strategy).accuracy.exponent
    return {1 / 2: "eps^(1/2)", 2 / 3: "eps^(2/3)", 4 / 5: "eps^(4/5)"}[power]


def suite_takes(name):
    """What the first line of a suite of the package says of its time."""
    first = built_in_suites()[name].read_text(encoding="utf-8").partition("\n")[0]
    return re.findall(r"about (\d+ minutes)", first)[0]


CLAIM = f"{statistics.STARTS_TO_CLAIM} starts"
SLOWED = "{:.0f}, {:.0f}, {:.0f} and {:.0f}%".format(*(100 * one for one in selftest.PLANTED))
SURE = f"{1 - statistics.FAMILY_SIGNIFICANCE:.0%}"
TWINS, PAIRS = planted_pairs()
BIT = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}
PYTHON = PROJECT["project"]["requires-python"].removeprefix(">=")
DIGITS = f"{len(sample().train_images):,} to train and {len(sample().test_images):,} to test"

HELD = {
    "README.md": [
        f"Python {PYTHON} or newer",
        f"Real MNIST digits, {DIGITS}",
        "784-512-10, the batch 32 MNIST digits, in float64 on one thread",
    ],
    "CHANGELOG.md": [
        f"exercise with {gradients_of_the_exercise()} gradients",
        f"from {CLAIM} on, and with a probability of {SURE} a run",
    ],
    "results/README.md": [
        f"{TWINS} pairs of twins, and {PAIRS} slow-downs each of {SLOWED}",
        f"at least {CLAIM}, p < {statistics.SIGNIFICANCE}, and the factor exceeds {statistics.SMALLEST_CLAIM} and",
        f"with a probability of {SURE} a run",
        f"`reference/peers/` was measured with {starts('peers')} starts, the other runs with {starts('')}",
        f"the first {claims_of_version_0_1()} claims for version 0.1",
        f"which of {changes_tried()} changes of the code",
        f"more than {html.MOST_ROWS:,} rows the first {html.MOST_ROWS:,}",
        f"a noise floor above {estimates.BUSY}",
        f"a copy of {machine._COPIED_BYTES / 2**20:.0f} MiB",
        f"(p < {statistics.SIGNIFICANCE}) in nine of ten",
        f"fewer than {CLAIM}",
    ],
    "docs/index.md": ["784-512-10, the batch 32 MNIST digits, in float64 on one thread"],
    "docs/figures.md": [
        "784-512-10, the batch 32 MNIST digits, in float64 on one thread",
        f"on {len(CASES)} functions, each",
        f"after {comparison.MOST_CALLS:,} calls or {comparison.SECONDS:g} s",
        f"`left open` is {max(np.size(case.point) for case in CASES):,} parameters",
        f"{slips_of_layers().size} layers, each right and with {slips_of_layers().min()} to "
        f"{slips_of_layers().max()} slips",
        f"batch {verify.BATCH}, in float64",
        "version 0.1 saw the first of these claims",
    ],
    "docs/concepts/ladder.md": [
        *(
            f"| {exponent(name)} |"
            for name in (
                "finite-differences",
                "finite-differences-forward",
                "finite-differences-richardson",
                "local-finite-differences",
            )
        ),
        f"up to {small_products._LARGEST_BATCH}, or {small_products._LARGEST_TILED_BATCH} where",
    ],
    "docs/concepts/accuracy.md": [
        f"at about {exponent('finite-differences-forward')}",
        f"at about {exponent('finite-differences')}",
        f"it is {exponent('finite-differences-richardson')}",
    ],
    "docs/concepts/measuring.md": [
        f"there are at least {CLAIM}",
        f"p < {statistics.SIGNIFICANCE};",
        f"the factor is beyond {statistics.SMALLEST_CLAIM} and",
        f"With a probability of {SURE} a run",
        f"fewer than {CLAIM}",
        f"turns of {1e3 * turns.Schedule(6).turn_s:g} ms",
        f"{budget.Budget.parse(None, None).time_s:g} s a cell",
        f"slow-downs of {SLOWED}",
        f"the factor exceeds {statistics.SMALLEST_CLAIM} as well",
        f"The planted 10% came out as {seen_of_the_largest_slow_down()}",
    ],
    "docs/concepts/verdicts.md": [
        f"along {review._DIRECTIONS} random directions",
        f"more than {review._FAR:g} roundings of the format ({review._FAR * 2**-7:.0%} in bfloat16, "
        f"{review._FAR * 2**-10:.0%} in float16)",
        f"off by {noise.relative_tolerance(BIT['float64']):.0e} of an entry".replace("e-0", "e-"),
        f"1 to {max(family.largest for family in families.FAMILIES)} parameters",
        # tests/check/test_large_gradients.py holds this.
        "400,000 parameters takes at most 200 calls",
    ],
    "docs/how-to/compare.md": [f"fewer than {CLAIM}"],
    "docs/how-to/data.md": [
        f"the first {len(sample().train_images) // 10} training and {len(sample().test_images) // 10} test images",
        # tests/data/test_mnist.py holds this.
        "60,000 images to train and 10,000 to test",
    ],
    "docs/how-to/gradient.md": [
        f"at least {evidence.FEWEST_CALLS} |",
        # tests/check/test_large_gradients.py holds this.
        "this takes at most 200 calls",
    ],
    "docs/how-to/suite.md": [f"samples of a batch | {DEFAULTS['batches'][0]} |"],
    "docs/tutorial/index.md": [
        f"a backward pass of {gradients_of_the_exercise()} gradients",
        f"Python {PYTHON} or newer",
        f"Real MNIST digits, {DIGITS}",
    ],
    "docs/tutorial/check.md": ["The network is 784-512-10 with", "the batch is 32 real digits"],
    "docs/tutorial/exercise.md": [
        f"{gradients_of_the_exercise()} gradients by hand",
        f"in {steps_of_the_exercise()} atomic steps",
        f"there are {gradients_of_the_exercise()} variables",
    ],
    "docs/tutorial/explain.md": [f"more than {512 * 784 * 512 // 10**8}00 million numbers"],
    "docs/tutorial/glossary.md": [
        f"{BIT['float64']:.1e} for float64, {BIT['float32']:.1e} for float32".replace("e-0", "e-"),
        f"{np.finfo('float64').precision + 1} digits (float64) or {np.finfo('float32').precision + 1} (float32)",
    ],
    "docs/tutorial/run.md": [f"at least {CLAIM}"],
}
"""By page, what its sentences say of numbers, as the code or a file of results/reference has it."""

PLAIN = {
    "CONTRIBUTING.md": ["with pip 25.1 or newer"],
    "CHANGELOG.md": [
        "## 0.2.0, 2026-11-28",
        "## 0.1.0",
        "with pip 25.1 or newer",
        "exit code 2",
        "biases (o, 1)",
        "for (1, o)",
    ],
    "results/README.md": [
        "starts - 1 degrees of freedom",
        "2**63",
        "| 1/s |",
        "come to more than 1",
        "version 0.1",
        "95% interval",
    ],
    "docs/figures.md": [
        "come to more than 1",
        "budget of 10 s a cell",
        "what that saves at batch 128",
        "batch 128, one thread",
        "below 1 the short form",
    ],
    "docs/concepts/accuracy.md": ["arithmetic with 50 digits"],
    "docs/concepts/ladder.md": ["logits of 100 in float32"],
    "docs/concepts/measuring.md": ["Jones 2013", "et al. 2017", "the 95% intervals"],
    "docs/concepts/verdicts.md": [
        "(1, 512) for (512,)",
        "that stops at 1e-7",
        "that is 1 in every entry, a gradient that is 0",
        "A claim of 0 outside",
        "relu'(0) = 0",
    ],
    "docs/how-to/compare.md": [
        "below 1 is faster",
        "A difference of 2% needs more starts than one of 20%",
        "exit code is 1",
    ],
    "docs/how-to/data.md": ["labels that begin at 1", "CC BY-SA 3.0", "SHA-256"],
    "docs/how-to/gradient.md": ["that stops at 1e-7", "If it were 1 in every entry"],
    "docs/how-to/publish.md": ["95% intervals"],
    "docs/how-to/suite.md": ["until intervals reach 2%", "a difference of 5% would"],
    "docs/reference/commands.md": ["0 is done; 1 a gradient", "2 a mistake", "130 interrupted"],
    "docs/tutorial/check.md": [
        "λ/2 Σ W²",
        "λ = 0.001",
        "(o, 1) or (1, o)",
        "the shape (n, 784)",
        "shape (784, 512)",
        "0 for right, 1 for wrong, 2 where",
    ],
    "docs/tutorial/explain.md": [
        "3 inputs, 4 hidden units with relu, 2 classes, a batch of 2 samples",
        "a 1 at the right class, 0 elsewhere",
        "to 1e-12",
        "exit code is 1",
    ],
    "docs/tutorial/glossary.md": ["/ 2h", "i² = -1", "such as relu at 0", "between 1 and the next"],
    "docs/tutorial/run.md": [
        "with a batch of 1 and of 32 digits",
        "a batch of 32 digits in float64",
        "95% interval",
        "in 95 of 100",
        "1e-16 is rounding in float64, 1e-7 in float32",
    ],
    "README.md": ["below 1 is faster"],
}
"""What needs no file: definitions, versions, and what a sentence takes for its example."""


@pytest.mark.parametrize("page", HELD)
def test_a_number_in_a_sentence_is_that_of_the_code_or_of_the_reference(page):
    text = words(TEXTS[page])
    assert [said for said in HELD[page] if said not in text] == []


def unheld(text, held):
    """The numbers of the text that stand in none of these phrases, nor in a block, a command, a link or a size."""
    text = re.sub(
        r"(?s)<!-- (?:results|output|html).*?<!-- end -->|^```.*?^```$|<!--.*?-->", "", text, flags=re.M
    )
    text = words(re.sub(r"(?m)^ {4}.*$|^(?:#+ )?\d+\. ", "", text))
    for phrase in held:
        text = text.replace(phrase, "")
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|\b\d+(?:-\d+)+\b", "", text)
    return re.findall(r"(?:\S+ )?(?<![\w^])\d\S*(?: \S+)?", text)


@pytest.mark.parametrize("page", TEXTS)
def test_no_number_in_a_sentence_is_held_by_nothing(page):
    assert unheld(TEXTS[page], [*HELD.get(page, ()), *PLAIN.get(page, ())]) == []


def test_a_number_that_is_held_by_nothing_is_noticed():
    assert unheld("It takes 3.5 s on 784-512-10 in float32.\n\n    make 7\n", ["in 4 s"]) == ["takes 3.5 s"]
    assert unheld("It takes 4 s.", ["4 s"]) == []


def test_the_pixels_are_as_black_as_the_pages_say():
    for page in ("README.md", "docs/figures.md", "docs/concepts/ladder.md"):
        assert "Four fifths of the digits' pixels are zero" in words(TEXTS[page])
    assert abs(float((sample().train_images == 0).mean()) - 4 / 5) < 0.02


@pytest.mark.parametrize(
    ("page", "said"),
    [("README.md", "nine scenarios, in about {}"), ("docs/tutorial/run.md", "nine scenarios: about {}")],
)
def test_the_whole_ladder_has_nine_scenarios_and_takes_as_long_as_its_suite_says(page, said):
    assert said.format(suite_takes("default")) in words(TEXTS[page])
    assert len(read_suite(built_in_suites()["default"]).scenarios) == 9


def test_training_takes_as_many_epochs_as_the_page_says():
    assert f"# {Settings().epochs} epochs on the digits" in PAGES["docs/how-to/train.md"]


def test_three_losses_are_as_many_as_the_page_of_clusters_says():
    assert coordinator.MOST_LOSSES == 3
    assert "After three losses" in words(PAGES["docs/how-to/cluster.md"])


def test_what_overflows_on_the_page_of_the_ladder_overflows():
    network = backprop.Network.mlp(2, 2)
    params = network.init(np.random.default_rng(0), np.float32)
    params["W1"][...] = [[100, 0], [0, 0]]
    with pytest.raises(OverflowedError):
        backprop.gradient(
            network, params, np.ones((1, 2), np.float32), np.array([1]), strategy="layerwise-vjp"
        )
