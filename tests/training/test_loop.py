"""The loop learns, continues exactly, stops where it should, and leaves finite weights behind."""

import math
import os
import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backprop.data import as_inputs, load
from backprop.errors import DataError, NetworkError, UnknownNameError
from backprop.training import (
    OPTIMIZERS,
    DivergenceError,
    Settings,
    SettingsError,
    Trainer,
    evaluate,
    load_checkpoint,
    save_checkpoint,
)


def run(trainer, steps):
    for _ in range(steps):
        trainer.take_step()
    return trainer


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [1, 15, 20])
def test_a_resumed_training_is_the_undisturbed_one_bit_for_bit(make_trainer, tmp_path, optimizer, stop):
    settings = {"optimizer": optimizer, "epochs": 3, "schedule": "cosine", "learning_rate": 0.02}
    whole = run(make_trainer(**settings), 40)
    first = run(make_trainer(**settings), stop)  # 15 steps are an epoch
    save_checkpoint(tmp_path / "w.npz", first.checkpoint())
    second = make_trainer(**settings)
    second.resume(load_checkpoint(tmp_path / "w.npz"))
    run(second, 40 - stop)
    np.testing.assert_array_equal(whole.params.vector, second.params.vector)
    assert whole.batches.position == second.batches.position
    assert whole.mean_loss == pytest.approx(second.mean_loss, rel=1e-15)


def test_float32_images_are_continued_bit_for_bit_too(sample, tmp_path):
    settings = Settings(network="784-16-10", epochs=1)
    images, labels = sample.train_images, sample.train_labels
    whole, first, second = (Trainer(settings, images, labels) for _ in range(3))
    save_checkpoint(tmp_path / "w.npz", run(first, 17).checkpoint())
    second.resume(load_checkpoint(tmp_path / "w.npz"))
    np.testing.assert_array_equal(run(whole, 39).params.vector, run(second, 22).params.vector)
    assert whole.finished
    assert second.finished


def test_it_learns_the_sample(sample):
    trainer = Trainer(
        Settings(network="784-32-10", epochs=3, learning_rate=0.1, shift=0),
        sample.train_images,
        sample.train_labels,
    )
    while not trainer.finished:
        trainer.take_step()
    evaluation = evaluate(trainer.network, trainer.params, sample.test_images, sample.test_labels)
    assert evaluation.accuracy > 0.88
    assert trainer.step == trainer.planned_steps == 3 * 39


def test_evaluation_in_pieces_is_that_of_the_whole(sample):
    trainer = Trainer(Settings(network="784-16-10"), sample.train_images, sample.train_labels)
    images, labels = sample.train_images[:2345], sample.train_labels[:2345]
    got = evaluate(trainer.network, trainer.params, images, labels)
    inputs = as_inputs(images, np.float32)
    # pieces are other shapes of the same products: the last digits may differ
    np.testing.assert_allclose(got.outputs, trainer.network.forward(trainer.params, inputs), rtol=1e-4)
    assert got.loss == pytest.approx(float(trainer.network.loss(trainer.params, inputs, labels)), rel=1e-5)


def test_a_network_without_probabilities_is_evaluated_too(make_trainer, small):
    trainer = make_trainer(loss="mean-squared-error")
    run(trainer, 5)
    metrics = trainer.evaluate(*small).metrics()
    assert metrics.calibration is None
    assert math.isfinite(metrics.loss)


def test_a_point_of_the_history_has_the_mean_loss_of_the_batches_since_the_last(make_trainer, small):
    trainer = make_trainer()
    assert trainer.mean_loss == 0
    losses = [trainer.take_step() for _ in range(3)]
    assert trainer.mean_loss == pytest.approx(sum(losses) / 3)
    trainer.mark(*small)
    assert trainer.history[-1].train_loss == pytest.approx(sum(losses) / 3)
    assert trainer.mean_loss == 0


def test_the_same_seed_gives_the_same_training_and_another_another(make_trainer):
    a, b, c = (run(make_trainer(seed=seed), 3).params.vector for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_the_schedule_follows_steps_or_seconds_whichever_is_further(make_trainer):
    trainer = make_trainer(epochs=2, seconds=1000.0)
    run(trainer, 15)
    assert trainer.progress == 0.5
    assert trainer.learning_rate == pytest.approx(0.5 * 0.05)
    trainer.seconds = 900.0
    assert trainer.progress == 0.9
    trainer.seconds = 1001.0
    assert trainer.finished


def test_a_rate_that_diverges_stops_at_the_first_loss_that_is_not_finite(make_trainer):
    trainer = make_trainer(learning_rate=1e200, optimizer="sgd", schedule="constant")
    with pytest.raises(DivergenceError, match="smaller learning rate") as caught:
        run(trainer, 50)
    assert 0 < caught.value.step < 10
    assert caught.value.learning_rate == 1e200
    assert np.isfinite(trainer.params.vector).all()


def test_after_divergence_the_trainer_is_at_a_good_step_and_can_go_on(make_trainer, monkeypatch):
    monkeypatch.setattr("backprop.training.loop.KEEP_EVERY", 4)
    whole, broken = run(make_trainer(), 10), run(make_trainer(), 10)
    broken.params.vector[0] = np.nan  # as an overflow would leave it
    with pytest.raises(DivergenceError, match="step 10") as caught:
        run(broken, 1)
    assert broken.step == caught.value.good_step == 8
    np.testing.assert_array_equal(run(whole, 5).params.vector, run(broken, 7).params.vector)


def test_weights_that_overflow_in_the_last_step_are_seen(make_trainer, small):
    trainer = run(make_trainer(), 3)
    trainer.params.vector[0] = np.inf
    with pytest.raises(DivergenceError, match="weight is not finite"):
        trainer.mark(*small)
    assert np.isfinite(trainer.params.vector).all()


def test_images_of_another_size_name_the_network_that_fits(sample):
    with pytest.raises(DataError, match=r"28 x 28 pixels, 784 inputs; expected 49 .* --network 784-8-10"):
        Trainer(Settings(network="49-8-10"), sample.train_images, sample.train_labels)


def test_too_many_classes_name_the_network_that_fits(sample):
    with pytest.raises(DataError, match=r"labels go up to 9; expected at most 4 .* --network 784-8-10"):
        Trainer(Settings(network="784-8-5"), sample.train_images, sample.train_labels)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"optimizer": "adamm"}, UnknownNameError),
        ({"schedule": "cosin"}, UnknownNameError),
        ({"network": "784"}, NetworkError),
        ({"learning_rate": 0.0}, SettingsError),
        ({"learning_rate": math.nan}, SettingsError),
        ({"batch_size": 0}, SettingsError),
        ({"epochs": 0}, SettingsError),
        ({"seconds": -1.0}, SettingsError),
        ({"epochs": None}, SettingsError),
        ({"seed": -1}, SettingsError),
        ({"shift": -1}, SettingsError),
    ],
)
def test_settings_that_make_no_training_are_refused(change, error):
    with pytest.raises(error, match=r"expected|did you mean"):
        Settings(**change)


def test_settings_survive_json():
    settings = Settings(epochs=None, seconds=3, seed=7)
    assert msgspec.convert(settings.to_json(), Settings) == settings


def test_training_needs_little_memory_above_the_data(sample):
    """784-512-10 with momentum: weights, gradient, velocity, the last good copy of two, and buffers."""
    Trainer(Settings(epochs=1), sample.train_images, sample.train_labels).take_step()  # imports, caches
    tracemalloc.start()
    trainer = Trainer(Settings(epochs=1), sample.train_images, sample.train_labels)
    run(trainer, 3).mark(sample.test_images, sample.test_labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


ORIGINALS = Path(os.environ.get("BACKPROP_DATA") or Path(__file__).parents[2] / ".." / "shared" / "mnist")


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the original MNIST is not here")
def test_two_epochs_of_the_whole_mnist_reach_97_per_cent():
    dataset = load(ORIGINALS)
    settings = Settings(network="784-128-10", epochs=2, learning_rate=0.2)
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
    while not trainer.finished:
        trainer.take_step()
    assert trainer.evaluate(dataset.test_images, dataset.test_labels).accuracy >= 0.97


def test_a_strategy_that_cannot_hold_the_loss_is_told_from_a_rate_that_diverges(make_trainer):
    trainer = make_trainer(strategy="layerwise-vjp")
    trainer.params["W2"][...] *= 1e5
    with pytest.raises(DivergenceError, match="layerwise-vjp is inf where the strategy short-form gives"):
        run(trainer, 5)


def test_a_network_of_one_output_learns_two_classes_with_and_without_biases():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.uint8)
    images = rng.integers(0, 100, (200, 3, 3)).astype(np.uint8)
    images[np.arange(200), 2 * labels] += 120  # the first row of pixels, or the last
    for loss, output, bias in (
        ("binary-cross-entropy", None, True),
        ("mean-squared-error", "sigmoid", False),
        ("mean-squared-error", "sigmoid", True),
    ):
        settings = Settings(
            network="9-6-1", loss=loss, output=output, bias=bias, shift=0, epochs=20, batch_size=20
        )
        trainer = Trainer(settings, images, labels, "mine")
        for _ in range(200):
            trainer.take_step()
        assert evaluate(trainer.network, trainer.params, images, labels).accuracy > 0.95
        assert ("b1" in trainer.params) == bias


def test_weights_of_before_there_was_an_output_are_those_of_the_default():
    values = Settings().to_json()
    del values["output"], values["bias"]
    assert msgspec.convert(values, Settings) == Settings()
