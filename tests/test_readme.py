"""What README shows runs as it stands, and its figures are those of the committed reference run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import backprop
import backprop.bench
from backprop.bench.report.headline import headline_table
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.targets import summary_rows, targets
from backprop.verify import gradient_error, reference_gradient

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(marker: str) -> str:
    """The one Python block of README that holds `marker`."""
    (found,) = [code for code in PYTHON if marker in code]
    return found


@pytest.mark.parametrize("n", [1, 8])
def test_the_strategy_that_readme_shows_whole_is_a_right_one(tmp_path, n):
    path = tmp_path / "by_hand.py"
    path.write_text(block("class ByHand"), encoding="utf-8")
    strategy = backprop.find_strategy(f"{path}:ByHand")
    network = backprop.Network.mlp(9, 7, 4)
    rng = np.random.default_rng(0)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((n, 9)), rng.integers(0, 4, n), params.dtype)
    assert strategy.unsupported(network, params.dtype) is None
    assert strategy.unsupported(backprop.Network.mlp(9, 7, 4, activation="tanh"), params.dtype)
    _, gradient = strategy.value_and_gradient(strategy.prepare(network, n, params.dtype), params, batch)
    error = gradient_error(gradient, reference_gradient(network, params, batch)).relative
    assert error <= strategy.accuracy.tolerance(network, params.dtype)


def test_the_door_that_readme_shows_opens():
    inputs = np.random.default_rng(0).random((4, 784), dtype=np.float32)
    names = {"inputs": inputs, "labels": np.array([3, 1, 4, 1])}
    exec(block("backprop.gradient("), names)
    assert names["gradient"]["W1"].shape == (784, 512)


def test_the_tables_of_readme_are_those_of_the_reference_runs():
    assert headline_table(backprop.bench.load(ROOT / "results/reference")) in README
    rows = summary_rows(targets(backprop.bench.load(ROOT / "results/reference/peers")))
    assert markdown_table(rows) in README


def test_the_step_that_readme_shows_is_the_one_that_explain_prints():
    from backprop.explain import example, explain, render_text

    network = backprop.Network.mlp(3, 4, 2)
    params, batch = example(network, 2, np.random.default_rng(10))
    printed = render_text(explain(network, params, batch, ["full-jacobian"]))
    (shown,) = re.findall(r"```text\n(8\. .*?)```", README, re.DOTALL)
    assert shown in printed


def test_every_file_that_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
