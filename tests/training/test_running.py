"""What training draws and follows: a mask at every step, statistics for the evaluation; checkpoints keep them."""

import numpy as np
import pytest

from backprop import Network
from backprop.errors import NetworkError
from backprop.training import Running, evaluate, load_checkpoint, save_checkpoint

NORMALISED = "49 12 batch-norm,momentum=0.2 tanh residual(12 batch-norm relu 12) 10"
DROPPED = "49 16 dropout0.3 tanh 10"


def run(trainer, steps):
    for _ in range(steps):
        trainer.take_step()
    return trainer


@pytest.mark.parametrize("network", [NORMALISED, DROPPED, "49 12 layer-norm residual(rms-norm 8 gelu 12) 10"])
@pytest.mark.parametrize("strategy", ["short-form", "layerwise-vjp"])
def test_it_learns_by_any_strategy(make_trainer, small, network, strategy):
    trainer = make_trainer(network=network, strategy=strategy, epochs=12, learning_rate=0.1)
    run(trainer, trainer.planned_steps)
    assert trainer.evaluate(*small).accuracy > 0.85


@pytest.mark.parametrize("network", [NORMALISED, DROPPED])
def test_a_resumed_training_is_the_undisturbed_one_bit_for_bit(make_trainer, tmp_path, network):
    settings = {"network": network, "epochs": 3}
    whole, first = run(make_trainer(**settings), 25), run(make_trainer(**settings), 17)
    save_checkpoint(tmp_path / "w.npz", first.checkpoint())
    second = make_trainer(**settings)
    second.resume(load_checkpoint(tmp_path / "w.npz"))
    run(second, 8)
    np.testing.assert_array_equal(whole.params.vector, second.params.vector)
    for name, value in whole.running.values.items():
        np.testing.assert_array_equal(value, second.running.values[name])
        assert not np.array_equal(value, first.running.values[name])


def test_a_mask_is_drawn_anew_at_every_step_and_stays_until_then(make_trainer):
    trainer, masks = make_trainer(network=DROPPED), []
    for _ in range(3):
        trainer.take_step()
        masks += [trainer.network.layers[1].forward({}, np.ones((4, 16))) for _ in range(2)]
    for k in (0, 2, 4):
        np.testing.assert_array_equal(masks[k], masks[k + 1])
        assert set(np.unique(masks[k])) == {0, 1 / 0.7}
    assert not np.array_equal(masks[0], masks[2])
    assert not np.array_equal(masks[2], masks[4])


@pytest.mark.parametrize("network", [NORMALISED, DROPPED])
def test_after_training_the_outputs_of_a_sample_are_its_own(make_trainer, small, network):
    trainer = run(make_trainer(network=network), 10)
    images, labels = small
    whole = trainer.evaluate(images[:20], labels[:20]).outputs
    alone = [trainer.evaluate(images[k : k + 1], labels[k : k + 1]).outputs[0] for k in range(20)]
    np.testing.assert_allclose(whole, alone, rtol=1e-12, atol=1e-14)
    assert not np.allclose(whole, trainer.network.forward(trainer.params, images[:20]))


def test_the_running_statistics_and_the_evaluation_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    rng, dtype = np.random.default_rng(0), np.dtype(float)
    network = Network.parse("8 6 batch-norm,momentum=0.3 3")
    params, running = network.init(rng), Running(network, dtype)
    params["gamma2"][...], params["beta2"][...] = rng.standard_normal((2, 6))
    mean, variance = torch.zeros(6, dtype=torch.float64), torch.ones(6, dtype=torch.float64)
    own = [torch.from_numpy(params[name]) for name in ("gamma2", "beta2")]

    def theirs(x, training):
        z = torch.from_numpy(x @ params["W1"] + params["b1"])
        return torch.nn.functional.batch_norm(z, mean, variance, *own, training, 0.3).numpy()

    for _ in range(4):
        x = rng.standard_normal((5, 8))
        running.follow(params, x)
        theirs(x, True)
    np.testing.assert_allclose(running.values["mean2"], mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(running.values["variance2"], variance.numpy(), rtol=1e-12)
    np.testing.assert_allclose(running.outputs(2, params, x), theirs(x, False), rtol=1e-12)


def test_channels_are_followed_as_channels():
    network = Network.parse("2x3x3 batch-norm 3")
    params, running = network.init(np.random.default_rng(0)), Running(network, np.dtype(float))
    x = np.random.default_rng(1).standard_normal((4, 18))
    running.follow(params, x)
    samples = x.reshape(4, 2, 9)
    np.testing.assert_allclose(running.values["mean1"], 0.1 * samples.mean(axis=(0, 2)))
    np.testing.assert_allclose(
        running.values["variance1"], 0.9 + 0.1 * samples.var(axis=(0, 2), ddof=1), rtol=1e-12
    )


def test_an_evaluation_without_the_statistics_that_it_needs_is_refused(make_trainer, small):
    trainer = make_trainer(network=NORMALISED)
    with pytest.raises(
        NetworkError, match="without the running statistics mean2, variance2, meanb3, varianceb3"
    ):
        evaluate(trainer.network, trainer.params, *small)


def test_a_divergence_takes_the_statistics_back_too(make_trainer):
    trainer = run(make_trainer(network=NORMALISED), 3)
    before = {name: value.copy() for name, value in trainer._good.running.items()}
    run(trainer, 2)
    trainer.diverged("The loss is nan")
    for name, value in trainer.running.values.items():
        np.testing.assert_array_equal(value, before[name])
