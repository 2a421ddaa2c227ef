"""A network with layers from outside: a right gradient is right, a planted slip is wrong, no name is guessed."""

import numpy as np
import pytest
from outside.layers import LEAK, VJPOnly
from outside.networks import NETWORKS, sample
from over import part
from tables import sentence

import backprop
from backprop import Network, Parameters
from backprop.check.network import check_network_gradient
from backprop.errors import CheckError
from backprop.layers import Linear, Softmax
from backprop.losses import CrossEntropy

pytestmark = pytest.mark.usefixtures("without_lines")

DTYPES = ("float64", "float32")


def by_hand(hidden, slip=None, scale="g2", shift="b2"):
    """The gradient of linear, `hidden`, linear and softmax layers as a person writes it, perhaps with a slip."""
    last = {"outside-leaky-relu": "2", "swish": "2"}.get(hidden, "3")

    def gradient(params, inputs, labels):
        n, rows = len(labels), np.arange(len(labels))
        z = inputs @ params["W1"] + params["b1"]
        if hidden == "outside-leaky-relu":
            a = np.maximum(z, LEAK * z)
        elif hidden == "swish":
            s = 1 / (1 + np.exp(-z))
            a = z * s
        else:
            h = z - z.mean(axis=1, keepdims=True)
            sigma = np.sqrt((h**2).mean(axis=1, keepdims=True) + z.dtype.type(1e-5))
            h = h / sigma
            a = params[scale] * h + params[shift]
        logits = a @ params["W" + last] + params["b" + last]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        delta = p.copy()
        delta[rows, labels] -= 1
        delta /= n
        g = {"W" + last: a.T @ delta, "b" + last: delta.sum(axis=0)}
        da = delta @ params["W" + last].T
        if hidden == "outside-leaky-relu":
            dz = da * np.where(z > 0, 1, 0 if slip == "leak" else LEAK).astype(z.dtype)
        elif hidden == "swish":
            dz = da * (s if slip == "half of the slope" else s * (1 + z * (1 - s)))
        else:
            g[scale] = (da * (a if slip == "scale times y" else h)).sum(axis=0)
            g[shift] = da.sum(axis=0) / (n if slip == "mean of the shift" else 1)
            dh = da if slip == "forgotten scale" else da * params[scale]
            mean = 0 if slip == "forgotten mean" else dh.mean(axis=1, keepdims=True)
            dz = dh - mean - h * (dh * h).mean(axis=1, keepdims=True)
            dz = dz / (sigma**2 if slip == "sigma squared" else sigma)
        return -np.log(p[rows, labels]).mean(), {**g, "W1": inputs.T @ dz, "b1": dz.sum(axis=0)}

    return gradient


def checked(network, function, dtype="float64", n=6, seed=1, **options):
    params, batch = sample(network, dtype, n, seed)
    return check_network_gradient(network, function, params, batch, np.random.default_rng(0), **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "hidden", ["outside-leaky-relu", "unaware-outside-leaky-relu", "swish", "layer-norm"]
)
def test_a_right_gradient_through_a_layer_from_outside_is_right(hidden, dtype):
    for seed in range(3):
        found = checked(NETWORKS[hidden], by_hand(hidden.removeprefix("unaware-")), dtype, seed=seed)
        assert found.ok, str(found)
        assert all(tensor.error <= tensor.tolerance for tensor in found.tensors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rounding_of_a_layer_with_own_parameters_is_small_and_not_zero(dtype):
    for tensor in checked(NETWORKS["layer-norm"], by_hand("layer-norm"), dtype).tensors:
        assert 0 < tensor.tolerance < 1e4 * np.finfo(dtype).eps


@pytest.mark.parametrize("seed", part(range(3), 3))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_of_every_network_is_right_and_one_that_is_a_little_too_large_is_wrong(
    name, dtype, seed
):
    network = NETWORKS[name]

    def gradient(spoilt=None):
        def function(params, inputs, labels):
            own = Parameters.from_mapping(network.layout, params, inputs.dtype)
            g = dict(backprop.gradient(network, own, inputs, labels).gradient)
            return {key: array * array.dtype.type(1.003 if key == spoilt else 1) for key, array in g.items()}

        return function

    assert checked(network, gradient(), dtype, seed=seed).ok
    for spoilt in network.layout.names:
        found = checked(network, gradient(spoilt), dtype, seed=seed)
        assert [each.name for each in found.tensors if each.verdict == "wrong"] == [spoilt]


SLIPS = {
    "leak": ("outside-leaky-relu", {"activation-derivative-formula", "activation-boundary"}),
    "half of the slope": ("swish", {"activation-derivative-formula"}),
    "scale times y": ("layer-norm", set()),
    "mean of the shift": ("layer-norm", {"mean-instead-of-sum"}),
    "forgotten scale": ("layer-norm", set()),
    "forgotten mean": ("layer-norm", set()),
    "sigma squared": ("layer-norm", set()),
}


@pytest.mark.parametrize("seed", part(range(2), 2))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_through_a_layer_from_outside_is_wrong_and_named_only_by_its_name(slip, dtype, seed):
    hidden, kinds = SLIPS[slip]
    found = checked(NETWORKS[hidden], by_hand(hidden, slip), dtype, seed=seed)
    assert found.verdict == "wrong"
    certain = {finding.kind for finding in found.findings if finding.confidence == "certain"}
    assert certain <= kinds, str(found)


def test_names_such_as_gamma_and_beta_are_taken():
    network = NETWORKS["named-layer-norm"]

    def gradient(params, inputs, labels):
        own = Parameters.from_mapping(network.layout, params, inputs.dtype)
        return dict(backprop.gradient(network, own, inputs, labels).gradient)

    assert [tensor.name for tensor in checked(network, gradient).tensors][2:4] == ["gamma2", "beta2"]
    assert checked(network, gradient).ok
    wrong = checked(network, lambda *given: {**gradient(*given), "gamma2": 2 * gradient(*given)["gamma2"]})
    assert [tensor.name for tensor in wrong.tensors if tensor.verdict == "wrong"] == ["gamma2"]


def kinked(hidden):
    """Leaky ReLUs of which two pre-activations are exactly zero, whose slope is taken for `hidden`."""
    network = NETWORKS["outside-leaky-relu"]
    params, batch = sample(network, n=6)
    params["b1"][...] = 0
    batch.inputs[2] = 0

    def gradient(tensors, inputs, labels):
        z = inputs @ tensors["W1"] + tensors["b1"]
        a = np.where(z > 0, z, LEAK * z)
        logits = a @ tensors["W2"] + tensors["b2"]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        delta = (p - np.eye(3)[labels]) / len(labels)
        dz = delta @ tensors["W2"].T * np.where(z > 0, 1, np.where(z < 0, LEAK, hidden))
        return {"W1": inputs.T @ dz, "b1": dz.sum(axis=0), "W2": a.T @ delta, "b2": delta.sum(axis=0)}

    return check_network_gradient(network, gradient, params, batch, np.random.default_rng(0))


@pytest.mark.parametrize("slope", [1.0, LEAK, (1 + LEAK) / 2])
def test_at_a_kink_each_convention_between_both_slopes_is_right(slope):
    assert kinked(slope).ok


@pytest.mark.parametrize("slope", [0.0, -1.0, 1.5])
def test_at_a_kink_a_slope_beyond_both_sides_is_not_right(slope):
    assert not kinked(slope).ok


def test_a_layer_that_gives_no_numbers_beside_its_input_leaves_the_tensors_below_it_undecided():
    class OnlyHere(VJPOnly):
        name = "only-here"
        allowed = None

        def forward(self, params, x, *, out=None):
            if self.allowed is not None and not np.allclose(
                x.astype(float), self.allowed, rtol=0, atol=1e-15
            ):
                raise ValueError("not here")
            return super().forward(params, x, out=out)

        def vjp(self, params, x, *more, **options):
            self.forward(params, x)
            return super().vjp(params, x, *more, **options)

    layer = OnlyHere(4)
    network = Network((Linear(5, 4), layer, Linear(4, 3), Softmax()), CrossEntropy())
    params, batch = sample(network)

    def gradient(tensors, inputs, labels):
        own = Parameters.from_mapping(network.layout, tensors, inputs.dtype)
        layer.allowed = None
        answer = dict(backprop.gradient(network, own, inputs, labels).gradient)
        layer.allowed = (inputs @ tensors["W1"] + tensors["b1"]).astype(float)
        return answer

    found = check_network_gradient(network, gradient, params, batch, np.random.default_rng(0))
    assert found.verdict == "undecided"
    assert {tensor.verdict for tensor in found.tensors} <= {"right", "undecided"}
    assert any("could not be found out" in note for note in found.notes)


def test_weight_decay_is_that_of_the_linear_layers_weights():
    def decayed(names):
        def gradient(params, inputs, labels):
            _, g = by_hand("layer-norm")(params, inputs, labels)
            return {name: g[name] + (0.01 * params[name] if name in names else 0) for name in g}

        return gradient

    network = NETWORKS["layer-norm"]
    assert checked(network, decayed(("W1", "W3")), weight_decay=0.01).ok
    assert not checked(network, decayed(("W1", "W3", "g2")), weight_decay=0.01).ok


def test_a_layer_whose_vjp_is_not_the_derivative_of_its_forward_is_refused():
    class Halved(VJPOnly):
        name = "halved"

        def vjp(self, params, x, y, dy, **options):
            return super().vjp(params, x, y, dy / 2, **options)

    network = Network((Linear(5, 4), Halved(4), Linear(4, 3), Softmax()), CrossEntropy())
    with pytest.raises(CheckError, match="VJP of the layer halved") as error:
        checked(network, lambda params, inputs, labels: dict(params))
    sentence(error.value)
