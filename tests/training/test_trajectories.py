"""Exact derivations are one training: 100 steps apart by rounding and by nothing else."""

import numpy as np
import pytest

from backprop import find_strategy

EXACT = ("short-form", "layerwise-vjp", "batched-jacobian", "batched-jacobian-einsum", "full-jacobian")
STEPS = 100
RATE = 0.05


def train(trainer):
    """The weights after all steps, and the sum of the gradients' norms on the way."""
    norms, before = 0.0, 0.0
    for step in range(STEPS):
        trainer.take_step()
        velocity = trainer.optimizer.state["velocity"] * trainer.optimizer.powers(step)[0]
        gradient, before = (velocity - 0.9 * before) / RATE, velocity
        norms += float(np.linalg.norm(gradient))
    return trainer.params.vector.copy(), norms


def settings(strategy):
    return {
        "strategy": strategy,
        "optimizer": "momentum",
        "learning_rate": RATE,
        "schedule": "constant",
        "epochs": 10,
    }


@pytest.fixture(scope="module")
def trained(small):
    """Weights by strategy after 100 steps, the gradients' norms, and the growth of a disturbance."""
    from backprop.training import Settings, Trainer

    def make(strategy):
        own = settings(strategy)
        return Trainer(Settings(network="49-32-10", batch_size=32, dtype="float64", shift=0, **own), *small)

    weights, norms = {}, 0.0
    for strategy in EXACT:
        weights[strategy], norms = train(make(strategy))
    disturbed = make("short-form")
    nudge = np.random.default_rng(0).standard_normal(disturbed.params.vector.size)
    nudge *= 1e-7 / np.linalg.norm(nudge)
    disturbed.params.vector[...] += nudge
    moved, _ = train(disturbed)
    growth = float(np.linalg.norm(moved - weights["short-form"])) / 1e-7
    return weights, norms, growth


@pytest.mark.parametrize("strategy", EXACT[1:])
def test_100_steps_are_those_of_the_short_form_up_to_rounding(trained, strategy):
    """‖θ - θ'‖ ≤ Σₜ η/(1-μ) · (tol + tol') · ‖gₜ‖ · G   with G the growth of a disturbance to the end.

    In step t two exact derivations differ by at most (tol + tol')·‖gₜ‖, the sum of their error models. A change d
    of one gradient moves the weights by η d at once and by η d/(1-μ) in all, momentum summed. The later steps
    stretch that by G, which is measured with a disturbance of 1e-7 from the start, 10 taken for directions that
    it missed. The steps themselves round like the gradients or less: a factor of 2.
    """
    weights, norms, growth = trained
    network_free = [find_strategy(name).accuracy for name in (strategy, "short-form")]
    eps = np.finfo(np.float64).eps
    tolerance = sum(model.factor * eps**model.exponent for model in network_free)
    bound = 2 * RATE / (1 - 0.9) * tolerance * norms * max(1.0, growth) * 10
    distance = float(np.linalg.norm(weights[strategy] - weights["short-form"]))
    assert distance <= bound
    assert bound < 1e-9 * np.linalg.norm(weights["short-form"])  # and the bound says something


def test_a_gradient_that_is_wrong_by_a_millionth_is_far_outside(trained, small):
    """The bound is no blanket: it would catch one derivation that is a little wrong."""
    from backprop.training import Settings, Trainer

    weights, norms, growth = trained
    wrong = Trainer(
        Settings(network="49-32-10", batch_size=32, dtype="float64", shift=0, **settings("short-form")),
        *small,
    )
    update = wrong.optimizer.update
    wrong.optimizer.update = lambda g, rate, step: update(g * (1 + 1e-6), rate, step)
    moved, _ = train(wrong)
    tolerance = 2 * 32 * np.finfo(np.float64).eps
    bound = 2 * RATE / (1 - 0.9) * tolerance * norms * max(1.0, growth) * 10
    assert np.linalg.norm(moved - weights["short-form"]) > bound
