"""The sharded gradient is the inner strategy's, to rounding, however the batch is split and whoever dies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import lethal
from tables import PROPERTY, SCENARIOS, relative_error, run, sample

from backprop import BackpropError, Network, find_strategy, gradient
from backprop.errors import OptionError, UnsupportedError
from backprop.sharding import Sharded
from backprop.sharding.cluster import open_client
from backprop.sharding.sharded import Part, ShardError, combine, sizes_of

pytest.importorskip("distributed")

INNER = (
    "short-form",
    "layerwise-vjp",
    "batched-jacobian",
    "full-jacobian",
    "sparse-jacobian",
    "finite-differences",
    "complex-step",
    "forward-mode",
    "forward-gradient",
)
NETWORKS = ("toy-relu", "deep-tanh", "gelu", "softmax-inside", "squares-softmax", "one-layer")
TOY = Network.mlp(4, 3, 2)


@pytest.fixture(scope="module")  # not for longer: its thread allocates, which tests of memory would see
def client():
    """Connected to two worker processes over TCP on loopback, which are restarted where they die."""
    made, opened = open_client(2)
    yield made
    opened.close()


def allowed(strategy, network, dtype):
    """Rounding of an exact formula; of quotients, which divide their rounding by a step, what their model allows."""
    if strategy.accuracy.exponent == 1 or strategy.accuracy.directions:
        return 16 * np.finfo(dtype).eps
    return strategy.accuracy.tolerance(network, np.dtype(dtype))


# equal to the inner strategy


@pytest.mark.processes
@settings(PROPERTY, max_examples=40)
@given(
    shares=st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any),
    inner=st.sampled_from(INNER),
    network=st.sampled_from(NETWORKS),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_split_gives_the_inner_gradient_to_rounding(client, shares, inner, network, dtype):
    strategy, network = find_strategy(inner), SCENARIOS[network].network
    params, batch = sample(network, sum(shares), dtype)
    if strategy.unsupported(network, params.dtype) is not None:
        return
    expected = run(strategy, network, params, batch)
    sharded = Sharded(inner=strategy, client=client, shares=tuple(shares))
    loss, found = run(sharded, network, params, batch)
    assert found.dtype == params.dtype
    assert relative_error(found.vector, expected.gradient.vector) <= allowed(strategy, network, dtype)
    assert loss == pytest.approx(expected.loss, rel=float(16 * np.finfo(dtype).eps))


@pytest.mark.processes
def test_one_shard_is_the_inner_gradient_to_the_bit(client):
    params, batch = sample(TOY, 5)
    expected = run(find_strategy("short-form"), TOY, params, batch)
    found = run(Sharded(client=client, shares=(0, 5, 0)), TOY, params, batch)
    assert found.loss == expected.loss
    assert np.array_equal(found.gradient.vector, expected.gradient.vector)


@pytest.mark.processes
def test_an_estimate_has_other_directions_in_every_call(client):
    params, batch = sample(TOY, 6)
    strategy = Sharded(inner=find_strategy("forward-gradient"), client=client)
    plan = strategy.prepare(TOY, 6, params.dtype)
    first, second = (strategy.value_and_gradient(plan, params, batch).gradient.copy() for _ in range(2))
    expected = run(find_strategy("forward-gradient"), TOY, params, batch).gradient
    assert relative_error(first.vector, expected.vector) < 1e-14
    assert relative_error(second.vector, expected.vector) > 0.01


@pytest.mark.processes
def test_the_same_split_gives_the_same_bits(client):
    params, batch = sample(Network.mlp(49, 32, 10), 37)
    strategy = Sharded(client=client, shares=(5, 1, 1, 3))
    plan = strategy.prepare(Network.mlp(49, 32, 10), 37, params.dtype)
    results = [strategy.value_and_gradient(plan, params, batch).gradient.copy() for _ in range(5)]
    assert all(np.array_equal(result.vector, results[0].vector) for result in results)


# what is lost


@pytest.mark.processes
def test_a_worker_lost_in_the_middle_is_retried_and_the_sum_is_right(client, tmp_path):
    network = Network.mlp(9, 5, 3)
    params, batch = sample(network, 11)
    inner = lethal.KillsItsProcess(folder=str(tmp_path), times=2)
    loss, found = run(Sharded(inner=inner, client=client, shares=(3, 0, 1, 2)), network, params, batch)
    assert len(list(tmp_path.iterdir())) == 2
    expected = run(find_strategy("short-form"), network, params, batch)
    assert relative_error(found.vector, expected.gradient.vector) < 1e-14
    assert loss == pytest.approx(expected.loss, rel=1e-14)


@pytest.mark.processes
def test_a_shard_that_kills_every_worker_is_an_error_and_no_sum(client, tmp_path):
    params, batch = sample(TOY, 4)
    inner = lethal.KillsItsProcess(folder=str(tmp_path), times=100)
    with pytest.raises(ShardError, match="lost with its worker again and again"):
        run(Sharded(inner=inner, client=client, shares=(1,)), TOY, params, batch)


@pytest.mark.processes
def test_a_shard_that_does_not_answer_is_an_error_in_time(client):
    params, batch = sample(TOY, 4)
    with pytest.raises(ShardError, match=r"did not come back within 0.2 s"):
        run(Sharded(inner=lethal.Sleeps(), client=client, timeout_s=0.2), TOY, params, batch)


# the parts


@settings(PROPERTY)
@given(n=st.integers(0, 1000), shares=st.lists(st.integers(0, 50), min_size=1, max_size=9).filter(any))
def test_a_split_has_every_sample_once_in_proportion(n, shares):
    sizes = sizes_of(n, shares)
    assert (sum(sizes), len(sizes)) == (n, len(shares))
    for size, share in zip(sizes, shares, strict=True):
        assert abs(size - n * share / sum(shares)) < 1
    assert sizes_of(sum(shares), shares) == shares


def part(n, p=23, dtype="float64"):
    return Part(n, 1.0, np.ones(p, dtype))


@pytest.mark.parametrize(
    "parts",
    [
        [part(2)],
        [part(3), part(2)],
        [part(2), part(2), part(3)],
        [part(2), part(3, 22)],
        [part(2), part(3, dtype="float32")],
    ],
)
def test_parts_that_are_not_those_asked_for_are_never_added_up(parts):
    with pytest.raises(ShardError, match="expected"):
        combine(parts, [2, 3], TOY.init(np.random.default_rng(0)))


def test_the_parts_count_by_their_samples():
    whole = TOY.init(np.random.default_rng(0))
    loss, _ = combine([Part(1, 8.0, np.full(23, 4.0)), Part(3, 0.0, np.zeros(23))], [1, 3], whole)
    assert loss == 2
    assert np.all(whole.vector == 1)


# the cost


def test_the_cost_counts_the_bytes_that_are_sent():
    inner, n, dtype = find_strategy("short-form"), 10, np.dtype("float32")
    p = TOY.parameter_count
    strategy = Sharded(shares=(3, 0, 7))
    sent = 4 * (2 * 2 * p + n * 4) + 8 * n  # two shards: parameters there, gradients back; inputs and labels
    assert strategy.sent_bytes(TOY, n, dtype) == sent
    cost, parts = strategy.cost(TOY, n, dtype), [inner.cost(TOY, m, dtype) for m in (3, 7)]
    assert cost.bytes_moved == sum(c.bytes_moved for c in parts) + 2 * sent + 4 * 3 * 2 * p
    assert cost.flops == sum(c.flops for c in parts) + 2 * 2 * p
    assert cost.peak_bytes == sum(c.peak_bytes for c in parts) + sent + 4 * 2 * p
    assert cost.forward_calls == 1


@pytest.mark.processes
def test_what_is_predicted_is_what_is_sent(client):
    """The parameters and samples out, the gradients back, as Dask puts them on the wire."""
    from distributed.protocol import serialize
    from distributed.protocol.utils import nbytes

    params, batch = sample(Network.mlp(49, 32, 10), 32)
    arrays = []

    class Listening:
        def nthreads(self):
            return {"a": 1, "b": 1}

        def submit(self, function, inner, network, *sent, pure):
            arrays.extend(sent)
            future = client.submit(function, inner, network, *sent, pure=pure)
            arrays.append(future.result().vector)
            return future

    strategy = Sharded(client=Listening())
    run(strategy, Network.mlp(49, 32, 10), params, batch)
    on_the_wire = sum(nbytes(frame) for array in arrays for frame in serialize(array)[1])
    assert on_the_wire == strategy.sent_bytes(Network.mlp(49, 32, 10), 32, params.dtype)


# options


@pytest.mark.parametrize(
    "options",
    [
        {"shares": ()},
        {"shares": (0, 0)},
        {"shares": (1, -1)},
        {"shares": (1.5,)},
        {"workers": 0},
        {"inner": Sharded()},
    ],
)
def test_options_that_make_no_split_are_refused(options):
    with pytest.raises(OptionError) as caught:
        Sharded(**options)
    assert "expected" in str(caught.value)


def test_the_name_and_the_error_model_are_those_of_the_inner_strategy():
    quotients = find_strategy("finite-differences")
    strategy = Sharded(inner=quotients)
    assert (Sharded().name, strategy.name) == ("sharded", "sharded-finite-differences")
    assert strategy.accuracy == quotients.accuracy
    assert strategy.relative_step == getattr(quotients, "relative_step", None)
    refused = Network.mlp(4, 3, 2)
    richardson = find_strategy("finite-differences-richardson")
    assert Sharded(inner=richardson).unsupported(refused, np.dtype("float64")) == richardson.unsupported(
        refused, np.dtype("float64")
    )


def test_without_dask_the_line_that_brings_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    params, batch = sample(TOY, 4)
    with pytest.raises(UnsupportedError, match=r"pip install 'distributed>="):
        gradient(TOY, params, *batch, strategy="sharded")


def test_shard_errors_are_the_packages_own():
    assert issubclass(ShardError, BackpropError)
