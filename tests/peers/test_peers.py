"""Outside libraries give the same gradient, in their own words, and say what brings them where they are missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from over import part
from tables import DTYPES, PEERS, as_read_by

import backprop
from backprop.errors import UnavailableError
from backprop.layers import Linear, ReLU, Tanh
from backprop.losses import LOSSES, MeanSquaredError
from backprop.peers.base import Peer
from backprop.peers.torch_compile import TorchCompile
from backprop.registry import known_peers
from backprop.verify import gradient_error, reference_gradient

NETWORKS = {
    "deep-relu": backprop.Network.mlp(9, 8, 6, 4),
    "gelu": backprop.Network.mlp(6, 5, 3, activation="gelu"),
    "tanh-mse": backprop.Network.mlp(6, 5, 4, 3, activation="tanh", loss="mean-squared-error"),
    "sigmoid-softmax-mse": backprop.Network.mlp(
        6, 5, 3, activation="sigmoid", loss="mean-squared-error", output="softmax"
    ),
}


@pytest.fixture(params=list(PEERS))
def peer(request) -> Peer:
    peer = PEERS[request.param]
    if peer.unavailable() is not None:
        pytest.skip(str(peer.unavailable()))
    return peer


CASES = [
    (name, n, dtype)
    for k, name in enumerate(NETWORKS)
    for n, dtype in zip((1, 5), DTYPES if k % 2 else reversed(DTYPES), strict=True)
]
"""Every network and every batch size meet both dtypes; the whole product would compile twice as long."""


DECLINED = (
    "the layer 2 is gelu, and the form by hand has relu, sigmoid or tanh there",
    "the layer 4 is softmax, and the form by hand has relu, sigmoid or tanh there",
)
"""What the form by hand in PyTorch says of some of the networks."""


@pytest.mark.parametrize(("name", "n", "dtype"), part(CASES, 5))
def test_every_peer_agrees_with_the_reference(peer, name, n, dtype):
    network = NETWORKS[name]
    rng = np.random.default_rng(0)
    params = network.init(rng, dtype)
    inputs = rng.standard_normal((n, network.inputs)).astype(dtype)
    batch = network.batch(inputs, rng.integers(0, network.classes, n), np.dtype(dtype))
    if (reason := peer.unsupported(network, np.dtype(dtype))) is not None:
        assert (reason in DECLINED) or (dtype == "float32" and reason == "its steps are made for float64")
        return
    plan = peer.prepare(network, n, np.dtype(dtype))
    loss, gradient = peer.value_and_gradient(plan, params, batch)
    tolerance = peer.accuracy.tolerance(network, np.dtype(dtype))
    assert gradient_error(gradient, reference_gradient(network, params, batch)).relative <= tolerance
    assert loss == pytest.approx(float(network.loss(params, batch.inputs, batch.labels)), rel=1e-5)
    assert gradient.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", PEERS)
def test_no_error_model_of_a_library_lets_an_error_of_a_hundred_thousandth_pass(name):
    assert PEERS[name].accuracy.tolerance(NETWORKS["deep-relu"], np.dtype("float64")) < 1e-5


TOKENS = (
    "4x4 patches2 tokenwise2 positions rnn2,sequence attention,heads=2,causal lstm2 2",
    "2 embedding3x2 mean-tokens 2",
)


@pytest.mark.parametrize("text", TOKENS)
@pytest.mark.parametrize("name", ["torch-grad", "torch-jacrev", "autograd-grad"])
def test_libraries_take_layers_over_tokens(name, text):
    if (peer := known_peers()[name]).unavailable() is not None:
        pytest.skip(str(peer.unavailable()))
    network, rng = backprop.Network.parse(text), np.random.default_rng(0)
    params, inputs = network.init(rng), rng.standard_normal((2, network.inputs))
    batch = network.batch(as_read_by(network.layers[0], inputs), np.array([0, 1]), params.dtype)
    _, gradient = peer.value_and_gradient(peer.prepare(network, 2, params.dtype), params, batch)
    assert gradient_error(gradient, reference_gradient(network, params, batch)).relative <= 1e-14


@pytest.mark.parametrize("text", part(TOKENS[::-1], 2))
def test_jax_has_every_layer_over_tokens(text):
    """Forward alone, and not compiled: what JAX makes of these loops takes it seconds."""
    jax = pytest.importorskip("jax")
    network, rng = backprop.Network.parse(text), np.random.default_rng(0)
    params, inputs = network.init(rng, "float32"), rng.standard_normal((2, network.inputs))
    x = as_read_by(network.layers[0], inputs).astype("float32")
    with jax.disable_jit():
        for step in network.evaluate(network.local(params), x):
            made = step.layer.peers["jax"](jax, step.own, jax.numpy.array(step.x))
            np.testing.assert_allclose(np.asarray(made), step.y, rtol=1e-5, atol=1e-6)


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


@pytest.mark.parametrize("name", NETWORKS)
def test_numdifftools_evaluates_the_loss_as_often_as_predicted(name, monkeypatch):
    peer, network, evaluated = known_peers()["numdifftools-gradient"], NETWORKS[name], []
    if peer.unavailable() is not None:
        pytest.skip(str(peer.unavailable()))
    loss = backprop.Network.loss
    monkeypatch.setattr(
        backprop.Network, "loss", lambda self, *arguments: (evaluated.append(1), loss(self, *arguments))[1]
    )
    params = network.init(np.random.default_rng(1))
    batch = network.batch(np.ones((1, network.inputs)), np.array([0]), params.dtype)
    peer.value_and_gradient(peer.prepare(network, 1, params.dtype), params, batch)
    assert len(evaluated) == peer.evaluations(network)


def test_a_peer_whose_library_is_missing_names_the_line_that_brings_it(monkeypatch):
    peer = known_peers()["jax-grad"]
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reason = peer.unavailable()
    assert reason is not None
    assert "pip install 'jax>=" in reason


def test_a_version_that_lacks_the_function_is_named_with_the_one_that_has_it(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda package: "1.12.1")
    assert known_peers()["scipy-approx-fprime"].unavailable() is None
    reason = known_peers()["scipy-differentiate"].unavailable()
    assert reason is not None
    assert reason.startswith("scipy 1.12.1 lacks scipy.differentiate.jacobian, which came with 1.15; ")
    assert reason.endswith("pip install 'scipy>=1.15'")


def test_peers_are_found_by_name_like_strategies_and_join_no_run_unasked():
    assert backprop.find_strategy("torch-grad").name == "torch-grad"
    assert not set(known_peers()) & set(backprop.installed_strategies())


BEYOND = {
    "linear with a bias there": ((Linear(4, 3, bias=False),), MeanSquaredError()),
    "the layer 1 is relu": ((ReLU(), Linear(4, 3)), MeanSquaredError()),
    "the layer 3 is tanh": ((Linear(4, 3), ReLU(), Tanh(), Linear(3, 2)), MeanSquaredError()),
    "the last layer is an activation": ((Linear(4, 3), ReLU()), MeanSquaredError()),
    "the loss half-squared-error has no form": ((Linear(4, 3),), LOSSES["half-squared-error"]()),
}


@pytest.mark.parametrize("reason", BEYOND)
def test_what_the_form_by_hand_does_not_know_is_declined(reason):
    network = backprop.Network(*BEYOND[reason])
    assert reason in str(known_peers()["torch-short-form"].unsupported(network, np.dtype("float64")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # PyTorch's own, of its own functions
@pytest.mark.parametrize(
    ("peer", "plans"),
    [
        pytest.param(known_peers()["torch-compile"], 1, marks=pytest.mark.processes, id="C++"),
        # PyTorch keeps 8 forms of one function.
        pytest.param(PEERS["torch-compile"], 10, id="the graph alone", marks=pytest.mark.sweep),
    ],
)
def test_torch_compile_compiles_with_the_compiler_of_this_machine_as_often_as_plans_are_made(peer, plans):
    if peer.unavailable() is not None:
        pytest.skip(str(peer.unavailable()))
    from torch._inductor import config

    network = backprop.Network.mlp(3, 2)  # every loop of a graph is compiled by itself, for seconds
    params = network.init(np.random.default_rng(0))
    batch = network.batch(np.ones((2, 3)), np.array([0, 1]), params.dtype)
    # What the processor says it can do: PyTorch would compile programs to see whether it can.
    with config.patch({"cpp.vec_isa_ok": True}):
        for _ in range(plans):
            plan = peer.prepare(network, 2, params.dtype)
    loss, gradient = peer.value_and_gradient(plan, params, batch)
    assert gradient_error(gradient, reference_gradient(network, params, batch)).relative < 1e-14
    assert loss == pytest.approx(float(network.loss(params, *batch)))


def test_a_compiler_that_fails_or_is_missing_makes_the_peer_unavailable(monkeypatch):
    pytest.importorskip("torch")

    def broken(graph, inputs):
        raise RuntimeError("Python.h was not found")

    with pytest.raises(UnavailableError, match=r"cannot compile here: .*Python\.h was not found"):
        TorchCompile(backend=broken).prepare(NETWORKS["gelu"], 2, np.dtype("float64"))
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert "which is not installed" in str(TorchCompile().unavailable())
