"""The comparison with other libraries: every one that is installed does an epoch when it is its turn."""

import os

import pytest
from training_epochs import installed
from training_peers import measure_peers, summary
from training_targets import row_of_seed, train_to_the_end

from backprop.bench.turns import Schedule
from backprop.data import load
from backprop.training import Settings


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot stop a process")
def test_every_installed_library_takes_its_turns():
    schedule = Schedule(starts=1, turns=1, slow_s=1e6)
    samples = measure_peers("sample", "momentum", 128, 1, schedule, installed())
    assert next(iter(samples)) == "short-form"
    assert all(len(start) == 1 and start[0] > 0 for (start,) in samples.values())


def test_ratios_are_formed_turn_by_turn():
    rows = summary({"short-form": [[1.0, 4.0], [4.0, 16.0]], "other": [[2.0, 8.0], [8.0, 32.0]]})
    assert rows[0]["ratio_short_form"] == 1
    assert rows[1]["ratio_short_form"] == rows[1]["ratio_low"] == rows[1]["ratio_high"] == 0.5
    assert rows[1]["seconds_per_epoch"] == pytest.approx(10.0)  # the geometric mean of the starts' medians


def test_a_row_of_targets_has_when_the_accuracy_was_first_seen(monkeypatch):
    sample = load("sample")
    monkeypatch.setattr("training_targets.WANTED", 0.5)
    monkeypatch.setattr("training_targets.SECONDS", 0.05)
    settings = Settings(network="784-8-10", epochs=1, learning_rate=0.05, shift=0)
    row = row_of_seed(settings, sample)
    trainer = train_to_the_end(settings, sample)
    assert row["test_accuracy"] == trainer.history[-1].test_accuracy > 0.5
    assert row["steps_to_98"] == next(p.step for p in trainer.history if p.test_accuracy >= 0.5)
    assert row["steps_in_6_s"] > 0
