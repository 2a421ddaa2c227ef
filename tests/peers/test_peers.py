"""Outside libraries give the same gradient, in their own words, and say what brings them where they are missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tables import DTYPES, as_read_by

import backprop
from backprop.peers.base import Peer
from backprop.registry import known_peers
from backprop.verify import gradient_error, reference_gradient

NETWORKS = {
    "deep-relu": backprop.Network.mlp(9, 8, 6, 4),
    "gelu": backprop.Network.mlp(6, 5, 3, activation="gelu"),
    "tanh-mse": backprop.Network.mlp(6, 5, 4, 3, activation="tanh", loss="mean-squared-error"),
    "sigmoid-softmax-mse": backprop.Network.mlp(
        6, 5, 3, activation="sigmoid", loss="mean-squared-error", output="softmax"
    ),
    "sequence": backprop.Network.parse(
        "4x4 patches2 tokenwise2 rnn2,sequence attention,heads=2,causal lstm2 2"
    ),
    "words": backprop.Network.parse("2 embedding3x2 mean-tokens 2"),
}


@pytest.fixture(params=list(known_peers()))
def peer(request) -> Peer:
    peer = known_peers()[request.param]
    if peer.unavailable() is not None:
        pytest.skip(str(peer.unavailable()))
    return peer


CASES = [
    (name, n, dtype)
    for k, name in enumerate(NETWORKS)
    for n, dtype in zip((1, 5), DTYPES if k % 2 else reversed(DTYPES), strict=True)
    if n > 1 or name not in ("sequence", "words")
]
"""Every network and every batch size meet both dtypes; the whole product would compile twice as long.

Layers over tokens, which take JAX seconds to compile, meet one of each.
"""


@pytest.mark.parametrize(("name", "n", "dtype"), CASES)
def test_every_peer_agrees_with_the_reference(peer, name, n, dtype):
    network = NETWORKS[name]
    rng = np.random.default_rng(0)
    params = network.init(rng, dtype)
    inputs = as_read_by(network.layers[0], rng.standard_normal((n, network.inputs)).astype(dtype))
    batch = network.batch(inputs, rng.integers(0, network.classes, n), np.dtype(dtype))
    if peer.unsupported(network, np.dtype(dtype)) is not None:
        assert dtype == "float32"  # the difference methods of these libraries are made for float64
        return
    plan = peer.prepare(network, n, np.dtype(dtype))
    loss, gradient = peer.value_and_gradient(plan, params, batch)
    tolerance = peer.accuracy.tolerance(network, np.dtype(dtype))
    assert gradient_error(gradient, reference_gradient(network, params, batch)).relative <= tolerance
    assert loss == pytest.approx(float(network.loss(params, batch.inputs, batch.labels)), rel=1e-5)
    assert gradient.dtype == np.dtype(dtype)


def test_what_a_peer_does_under_the_clock_converts_nothing_and_can_be_repeated(peer):
    network = NETWORKS["tanh-mse"]
    rng = np.random.default_rng(1)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((3, 6)), np.array([0, 1, 2]), params.dtype)
    plan = peer.prepare(network, 3, params.dtype)
    call = peer.bind(plan, params, batch)
    first = peer.collect(plan, call()).gradient.copy()
    second = peer.collect(plan, call()).gradient
    assert np.array_equal(first.vector, second.vector)


def test_a_peer_whose_library_is_missing_names_the_line_that_brings_it(monkeypatch):
    peer = known_peers()["jax-grad"]
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reason = peer.unavailable()
    assert reason is not None
    assert "pip install 'jax>=" in reason


def test_a_version_that_lacks_the_function_is_named_with_the_one_that_has_it(monkeypatch):
    monkeypatch.setattr("backprop.peers.base.version", lambda package: "1.12.1")
    assert known_peers()["scipy-approx-fprime"].unavailable() is None
    reason = known_peers()["scipy-differentiate"].unavailable()
    assert reason is not None
    assert reason.startswith("scipy 1.12.1 lacks scipy.differentiate.jacobian, which came with 1.15; ")
    assert reason.endswith("pip install 'scipy>=1.15'")


def test_peers_are_found_by_name_like_strategies_and_join_no_run_unasked():
    assert backprop.find_strategy("torch-grad").name == "torch-grad"
    assert not set(known_peers()) & set(backprop.installed_strategies())
