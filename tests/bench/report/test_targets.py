"""Targets: ratios turn by turn, against the fastest of the others, and what may be said of them."""

import pytest
from rows import left_out, record
from targets import beside_libraries, summary_rows, target_rows, targets

NETWORK = {"network": "784-512-10 relu cross-entropy", "parameters": 407_050, "batch_size": 32}


def cell(strategy, time, **changes):
    spread = (0.98, 1.0, 1.02, 1.01)
    values = {
        "samples_s": [[time * a for a in spread], [time * a * 1.01 for a in spread]],
        "time_low_s": time * 0.98,
        "time_high_s": time * 1.02,
        "noise_floor": 1.03,
        "turns_group": 0,
    }
    return record(strategy, time, **NETWORK | values | changes)


def found(*cells):
    return targets(cells)


def only(work, *cells):
    (target,) = [target for target in found(*cells) if work in target.work]
    return target


def test_the_short_form_is_held_against_the_fastest_library():
    target = only(
        "PyTorch",
        cell("short-form", 0.7e-3),
        cell("torch-grad", 1.0e-3),
        cell("jax-grad", 2.0e-3),
        cell("autograd-grad", 3.0e-3),
    )
    assert target.figure.value == pytest.approx(0.7)
    assert target.figure.low <= 0.7 <= target.figure.high
    assert (target.must, target.aim, target.verdict) == (0.95, 0.80, "aim")


@pytest.mark.parametrize(("time", "verdict"), [(0.79e-3, "aim"), (0.9e-3, "reached"), (0.96e-3, "missed")])
def test_a_figure_is_at_its_aim_reached_or_missed(time, verdict):
    assert only("PyTorch", cell("short-form", time), cell("torch-grad", 1e-3)).verdict == verdict


def test_a_wrong_or_missing_library_is_not_compared_with():
    slow = cell("jax-grad", 2e-3)
    wrong = cell("torch-grad", 1e-6, status="disagrees", agrees=False)
    gone = left_out("autograd-grad", "unavailable", "not installed", **NETWORK)
    assert only("PyTorch", cell("short-form", 1e-3), wrong, slow, gone).figure.value == pytest.approx(0.5)
    assert not [t for t in found(cell("short-form", 1e-3), wrong, gone) if "PyTorch" in t.work]


@pytest.mark.parametrize(("threads", "bounds"), [(2, (1.05, 0.90, "reached")), (4, (None, None, ""))])
def test_two_threads_have_bounds_of_their_own_and_more_have_none(threads, bounds):
    many = {"threads": threads}
    target = only("two threads", cell("short-form", 1e-3, **many), cell("torch-compile", 1e-3, **many))
    assert (target.must, target.aim, target.verdict) == bounds
    assert f"{threads} threads" in target.cell


@pytest.mark.parametrize(
    ("scenario", "bounds"),
    [("lenet-32", [2.0]), ("resmlp-ln-128", [2.0, 1.0]), ("rows-lstm-32", [1.0]), ("mnist-32", [])],
)
def test_known_networks_of_layers_have_bounds_against_libraries_and_against_the_graph(scenario, bounds):
    where = {"scenario": scenario, "network": "1x28x28 conv5x6 relu 10, cross-entropy"}
    names = ("short-form", "layerwise-vjp", "torch-grad", "jax-grad")
    of_layers = [t for t in found(*(cell(name, 1e-3, **where) for name in names)) if "layers" in t.work]
    assert [target.must for target in of_layers] == bounds
    assert all(scenario.rpartition("-")[0] in target.cell for target in of_layers)


def test_the_form_by_hand_is_no_automatic_library_and_stands_beside_them():
    cells = (cell("short-form", 1e-3), cell("torch-short-form", 0.9e-3), cell("torch-compile", 2e-3))
    assert only("the fastest", *cells).verdict == "aim"
    by_hand = only("by hand", *cells)
    assert (by_hand.must, by_hand.aim, by_hand.verdict) == (1.0, None, "missed")


def test_the_dense_form_stands_beside_the_other_and_only_its_mean_has_a_bound():
    cells = []
    for scenario in ("a", "b"):
        cells += [
            cell(name, time, scenario=scenario)
            for name, time in (
                ("short-form", 0.5e-3),
                ("short-form-dense", 0.9e-3),
                ("torch-grad", 1e-3),
                ("torch-short-form", 1e-3),
            )
        ]
    works = list(dict.fromkeys(target.work for target in found(*cells)))
    assert [work.split()[0] for work in works[:4]] == ["short-form", "short-form-dense"] * 2
    dense = [target for target in found(*cells) if target.work == works[1]]
    assert [(target.must, target.verdict) for target in dense] == [(None, ""), (None, ""), (0.95, "reached")]
    assert dense[-1].figure.value == pytest.approx(0.9)
    *_, mean = rows = beside_libraries(found(*cells, cell("short-form", 2e-3, threads=2)))
    assert [row["÷ the fastest library"] for row in rows][-1] == "geometric mean of 2 cells"
    assert (mean["`short-form`"], mean["`short-form-dense`"]) == ("0.5", "0.9")


def test_the_geometric_mean_covers_every_cell_with_a_bound():
    cells = []
    for scenario, ratio in (("a", 0.5), ("b", 0.8)):
        cells += [
            cell("short-form", ratio * 1e-3, scenario=scenario),
            cell("torch-grad", 1e-3, scenario=scenario),
        ]
    mean = found(*cells)[2]
    assert mean.cell == "geometric mean of 2 cells"
    assert mean.figure.value == pytest.approx(0.4**0.5)
    assert (mean.must, mean.verdict) == (0.68, "reached")


def test_own_products_bind_from_a_batch_of_32_on():
    assert only("products", cell("short-form", 1e-3, ratio_to_products=0.9)).verdict == "reached"
    small = only("products", cell("short-form", 1e-3, ratio_to_products=0.9, batch_size=8))
    assert (small.must, small.verdict) == (None, "")


def test_jacobians_are_held_against_the_faster_jacrev_and_the_bandwidth():
    cells = (
        cell("batched-jacobian", 3e-2, bandwidth_share=0.6),
        cell("torch-jacrev", 6e-2),
        cell("jax-jacrev", 9e-2),
        cell("full-jacobian", 1.0, bandwidth_share=0.4),
    )
    assert only("jacrev", *cells).figure.value == pytest.approx(0.5)
    verdicts = {t.work.partition(":")[0]: t.verdict for t in found(*cells) if "bandwidth" in t.work}
    assert verdicts == {"full-jacobian": "missed", "batched-jacobian": "reached"}


def test_local_differences_are_held_against_a_black_box_that_did_not_run():
    black_box = left_out("finite-differences", "over-time-budget", predicted_time_s=600.0, **NETWORK)
    target = only("black box", cell("local-finite-differences", 0.3), black_box)
    assert target.figure.value == pytest.approx(1 / 2000)
    assert target.verdict == "aim"
    (row,) = target_rows([target])
    assert (row["seen"], row["must"], row["aim"]) == ("1/2,000", "≤ 1/500", "≤ 1/1,500")


def test_sparse_memory_and_forward_mode():
    sparse = only(
        "peak memory",
        cell("sparse-jacobian", 1e-3, peak_bytes=10),
        cell("full-jacobian", 1.0, peak_bytes=999),
    )
    assert sparse.verdict == "missed"
    assert only("jacfwd", cell("forward-mode", 1e-3), cell("jax-jacfwd", 4e-3)).verdict == "aim"


def test_what_was_set_for_one_network_is_only_reported_of_others():
    other = {"network": "784-128-64-10 relu cross-entropy"}
    cells = (
        cell("full-jacobian", 1.0, bandwidth_share=0.4, peak_bytes=999, **other),
        cell("sparse-jacobian", 1e-3, peak_bytes=10, **other),
        cell("local-finite-differences", 0.3, **other),
        left_out("finite-differences", "over-time-budget", predicted_time_s=600.0, **NETWORK | other),
    )
    reported = found(*cells)
    assert len(reported) == 3
    assert {(target.must, target.verdict) for target in reported} == {(None, "")}


def test_local_differences_bind_in_float64_at_batch_32():
    for changes in ({"dtype": "float32"}, {"batch_size": 128}):
        black_box = left_out("finite-differences", predicted_time_s=600.0, **NETWORK | changes)
        assert only("black box", cell("local-finite-differences", 0.3, **changes), black_box).must is None


def test_a_run_without_such_cells_has_no_targets():
    assert found(record("layerwise-vjp")) == []
    assert target_rows([]) == []


def test_the_summary_counts_what_is_reached_and_gives_the_mean_a_row_of_its_own():
    cells = []
    for scenario, ratio in (("a", 0.4), ("b", 0.97)):
        cells += [
            cell("short-form", ratio * 1e-3, scenario=scenario, ratio_to_products=0.9),
            cell("torch-grad", 1e-3, scenario=scenario),
        ]
    libraries, mean, products = summary_rows(found(*cells))
    assert (libraries["seen"], libraries["reached"]) == ("0.4 to 0.97", "1 of 2")
    assert (mean["must"], mean["reached"]) == ("≤ 0.68", "1 of 1")
    assert (products["seen"], products["reached"]) == ("0.9", "2 of 2")
