"""A chart against size holds cells that differ in that size and in nothing else."""

from rows import left_out, record, wrong

from backprop.bench.report.frame import to_frame
from backprop.bench.report.page.sweeps import sweeps
from backprop.bench.report.scaling import exponents


def found(*rows):
    frame = to_frame(list(rows))
    return {sweep.label: sweep for sweep in sweeps(frame, exponents(frame))}


def batches(strategy="short-form", **changes):
    return [
        record(strategy, 1e-3 * n, batch_size=n, predicted_time_s=1e-3 * n, scenario=f"b{n}", **changes)
        for n in (1, 4, 16)
    ]


def test_batches_of_one_network_are_a_sweep_with_its_exponents():
    sweep = found(*batches(), *batches("vjp"))["batch, 4-3-2, float64"]
    assert sweep.sizes == (1, 4, 16, 1, 4, 16)
    assert sweep.cells == (0, 1, 2, 3, 4, 5)
    assert sweep.fitted == dict.fromkeys(("short-form", "vjp"), "time ~ size^1.00, memory ~ size^0.00")


def test_an_exponent_is_shown_with_the_cells_that_it_was_fitted_to_alone():
    slow = [
        record(
            "short-form", 1e-3 * n**2, batch_size=n, predicted_time_s=1e-3, scenario=f"b{n}", dtype="float32"
        )
        for n in (1, 4, 16)
    ]
    both = found(*batches(), *slow)
    assert both["batch, 4-3-2, float64"].fitted["short-form"].startswith("time ~ size^1.00,")
    assert both["batch, 4-3-2, float32"].fitted["short-form"].startswith("time ~ size^2.00,")


def test_networks_of_one_batch_are_drawn_against_their_parameters():
    rows = [
        record(),
        record(network="9-9 relu cross-entropy", parameters=90),
        record(batch_size=9, parameters=7),
    ]
    sweep = found(*rows)["all networks, batch 8, float64"]
    assert (sweep.swept, sweep.sizes) == ("parameters", (23, 90))


def test_width_and_depth_are_told_by_the_shape():
    rows = [
        record(network=f"9-{sizes}-2 relu", parameters=k)
        for k, sizes in enumerate(["4", "5", "4-4", "4-4-4"], 1)
    ]
    labels = set(found(*rows))
    assert {"width, 9-h-2, batch 8, float64", "depth, 9-4-…-2, batch 8, float64"} <= labels


def test_dtypes_threads_and_processors_are_kept_apart():
    rows = [
        record(**change, network=network, parameters=p)
        for change in ({}, {"dtype": "float32"}, {"threads": 2}, {"host": "h", "cpu": "another"})
        for network, p in (("4-3-2 relu", 23), ("9-3-2 relu", 90))
    ]
    frame = to_frame(rows)
    for sweep in sweeps(frame, []):
        cells = frame.loc[list(sweep.cells)]
        assert cells.dtype.nunique() == cells.threads.nunique() == cells.cpu.nunique(dropna=False) == 1


def test_predicted_cells_are_in_a_sweep_and_one_size_alone_is_none():
    assert found(record(), record("b")) == {}
    rows = [record(), left_out("short-form", parameters=90, predicted_time_s=1.0)]
    assert found(*rows)["all networks, batch 8, float64"].cells == (0, 1)


def test_a_wrong_gradient_is_in_no_sweep():
    rows = [record(), record(parameters=90), wrong(), wrong(parameters=90)]
    assert found(*rows)["all networks, batch 8, float64"].cells == (0, 1)
