"""The table of scenarios: real digits, the same for everybody, chosen by names that mean what they say."""

import dataclasses

import numpy as np
import pytest
from tables import sentence

from backprop import Network
from backprop.bench.scenarios import Scenario
from backprop.bench.suites import find_scenarios, known_scenarios
from backprop.data import Dataset, load
from backprop.errors import DataError, UnknownNameError

every_scenario = pytest.mark.parametrize("scenario", known_scenarios(), ids=lambda scenario: scenario.id)


@pytest.fixture(scope="module")
def sample():
    """The shipped sample of MNIST."""
    return load("sample")


def ids(*names):
    """The ids that these names mean."""
    return [scenario.id for scenario in find_scenarios(names)]


def test_the_table_is_that_of_the_issue():
    table = {(s.id, s.network.sizes, s.batch_size) for s in known_scenarios()}
    mnist = {
        (f"mnist-{n}/{dtype}", "784-512-10", n) for n in (1, 32, 128) for dtype in ("float32", "float64")
    }
    rest = {
        ("toy/float64", "4-3-2", 8),
        ("small/float64", "49-32-10", 32),
        ("deep/float64", "784-128-64-10", 32),
    }
    assert table == mnist | rest
    assert len({scenario.id for scenario in known_scenarios()}) == len(known_scenarios())
    assert {s.network.hidden_activations for s in known_scenarios() if s.name == "deep"} == {("tanh",)}


@every_scenario
def test_inputs_are_real_digits_in_the_scenarios_dtype(scenario, sample):
    train, test = scenario.samples(sample)
    for batch in (train, test):
        assert batch.inputs.dtype == scenario.dtype
        assert batch.inputs.shape == (len(batch.labels), scenario.network.inputs)
        assert 0 <= batch.inputs.min() < batch.inputs.max() <= 1
        assert set(batch.labels) == set(range(scenario.network.classes))
    assert 0.05 < train.inputs.mean() < 0.5
    if scenario.pooled_to is None:
        originals = {image.tobytes() for image in sample.train_images}
        grey = np.rint(train.inputs[:5].astype(float) * 255).astype(np.uint8)
        assert all(image.tobytes() in originals for image in grey)


@every_scenario
def test_a_batch_holds_several_classes(scenario, sample):
    labels = scenario.samples(sample).train.labels[: scenario.batch_size]
    assert len(set(labels)) >= min(scenario.batch_size, scenario.network.classes, 8)


@every_scenario
def test_samples_and_parameters_are_the_same_every_time(scenario, sample):
    first, second = (scenario.samples(sample) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.inputs, other.inputs)
        assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(scenario.init().vector, scenario.init().vector)


@pytest.mark.parametrize("name", ["mnist-1", "mnist-32", "mnist-128"])
def test_both_dtypes_have_the_same_parameters_and_samples_up_to_rounding(name, sample):
    wide, narrow = find_scenarios([f"{name}/float64"])[0], find_scenarios([f"{name}/float32"])[0]
    assert np.array_equal(wide.init().vector.astype(np.float32), narrow.init().vector)
    assert np.array_equal(wide.samples(sample).train.labels, narrow.samples(sample).train.labels)
    pairs = zip(wide.samples(sample), narrow.samples(sample), strict=True)
    assert all(np.array_equal(a.inputs.astype(np.float32), b.inputs) for a, b in pairs)


def test_a_name_means_a_family_both_dtypes_or_one():
    assert ids() == [scenario.id for scenario in known_scenarios()]
    assert ids("toy") == ["toy/float64"]
    assert ids("mnist-32") == ["mnist-32/float64", "mnist-32/float32"]
    assert ids("mnist-32/float32") == ["mnist-32/float32"]
    assert ids("mnist") == [
        scenario.id for scenario in known_scenarios() if scenario.name.startswith("mnist-")
    ]


def test_scenarios_come_in_the_order_of_the_table_and_once():
    assert ids("mnist-1", "toy") == ids("toy", "mnist-1", "mnist-1/float32", "toy/float64")
    assert ids("mnist-1", "toy")[0] == "toy/float64"


@pytest.mark.parametrize(
    "name", ["", "mnist-", "mnist-2", "mnist-32/float16", "TOY!", "float64", "toy/float32"]
)
def test_a_name_that_means_none_is_refused(name):
    with pytest.raises(UnknownNameError) as caught:
        find_scenarios(["toy", name])
    assert f"Unknown scenario {name!r}" in sentence(caught.value)


def test_the_known_names_hold_the_families_too():
    with pytest.raises(UnknownNameError, match="deep, mnist, mnist-1, mnist-128, mnist-32, small, toy"):
        find_scenarios(["nothing of the kind"])


# Data that do not fit


def dataset(height, width, labels=range(10)):
    """A data set of random images of this size."""
    rng, labels = np.random.default_rng(0), np.array(labels, np.uint8)
    images = rng.integers(0, 256, (len(labels), height, width), dtype=np.uint8)
    return Dataset(images, labels, images, labels, classes=10, name="odd")


@every_scenario
def test_data_that_fit_are_accepted(scenario, sample):
    scenario.check(sample)
    scenario.check(dataset(28, 28))


ODD = [
    ("toy", dataset(5, 5), "5 x 5; expected multiples of 2"),
    ("small", dataset(30, 28), "30 x 28; expected multiples of 7"),
    ("mnist-1/float64", dataset(14, 14), "196 pixels; expected 784"),
    ("toy", dataset(28, 28, labels=[5, 6]), "none of the classes"),
]


@pytest.mark.parametrize(("name", "data", "named"), ODD, ids=[named for *_, named in ODD])
def test_data_that_do_not_fit_are_refused_before_a_run(name, data, named):
    with pytest.raises(DataError) as caught:
        find_scenarios([name])[0].check(data)
    assert named in sentence(caught.value)


# Scenarios of one's own


@pytest.mark.parametrize(
    "scenario", [*known_scenarios(), Scenario.of(Network.mlp(10, 4, 3), 5, "float32")], ids=str
)
def test_another_process_can_make_the_same_scenario(scenario):
    assert Scenario.from_json(scenario.to_json()) == scenario


@pytest.mark.parametrize(
    ("sizes", "pooled_to", "synthetic"),
    [
        ((784, 8, 10), None, False),
        ((49, 8, 10), 7, False),
        ((50, 8, 10), None, True),
        ((784, 8, 12), None, True),
    ],
    ids=str,
)
def test_any_network_gets_digits_where_they_fit_and_else_numbers_as_sparse(
    sizes, pooled_to, synthetic, sample
):
    scenario = Scenario.of(Network.mlp(*sizes), 16, "float32")
    assert (scenario.pooled_to, scenario.synthetic) == (pooled_to, synthetic)
    scenario.check(sample)
    train, _ = scenario.samples(sample)
    assert train.inputs.shape[1] == sizes[0]
    assert len(train.labels) >= 16
    assert train.inputs.dtype == np.float32
    if synthetic:
        assert 0.1 < np.count_nonzero(train.inputs) / train.inputs.size < 0.3


def test_a_scenario_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        known_scenarios()[0].batch_size = 1
