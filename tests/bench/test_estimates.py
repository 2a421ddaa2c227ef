"""What follows from the turns of a run: figures by who took the same turns, and claims among all pairs at once."""

import numpy as np
import pytest
from rows import RUN, left_out, record, write_journal, wrong

from backprop.bench.baselines import LOSS, PRODUCTS, TWIN
from backprop.bench.estimates import claims, figures, read_run
from backprop.bench.record import SHORT_FORM
from backprop.bench.statistics import SAME


def turns(median, spread=0.003, starts=6, each=4, seed=0):
    rng = np.random.default_rng(seed)
    return (median * np.exp(spread * rng.standard_normal((starts, each)))).tolist()


def timed(strategy, median, group=0, seed=None, starts=6, **changes):
    samples = turns(median, starts=starts, seed=sum(map(ord, strategy)) if seed is None else seed)
    values = {"samples_s": samples, "turns_group": group, "starts": starts, "noise_floor": None}
    return record(strategy, median, **values | changes)


def group(*cells, number=0, floor=1.0, **beside):
    """Cells that took turns together, the first with the samples of what has no row."""
    cells[0].baselines_s = {
        TWIN: turns(1e-3 * floor, seed=99),
        LOSS: turns(5e-4),
        PRODUCTS: turns(2e-4),
    } | beside
    for cell in cells:
        cell.turns_group = number
    return cells


def estimated(*cells):
    figures(cells)
    compared = claims(cells)
    return {cell.strategy: cell for cell in cells}, compared


def test_every_figure_follows_from_the_turns():
    cells, _ = estimated(
        *group(timed(SHORT_FORM, 1e-3, seed=1), timed("vjp", 2e-3, seed=2, limit_flops_per_s=1e9))
    )
    short, vjp = cells[SHORT_FORM], cells["vjp"]
    assert vjp.time_low_s < 2e-3 < vjp.time_high_s
    assert vjp.ratio_to_short_form == pytest.approx(2, rel=0.01)
    assert vjp.ratio_low < vjp.ratio_to_short_form < vjp.ratio_high
    assert vjp.ratio_to_loss == pytest.approx(4, rel=0.01)
    assert vjp.ratio_to_products == pytest.approx(10, rel=0.01)
    assert vjp.flops_share == pytest.approx(1000 / vjp.time_median_s / 1e9)
    assert (short.ratio_to_short_form, short.ratio_low, short.ratio_high) == (1, 1, 1)
    assert vjp.p_value < 0.002
    assert 1 < vjp.detectable < 1.05
    assert (vjp.verdict, short.verdict) == ("slower", None)


def test_one_pair_of_twins_has_one_noise_floor():
    first = group(timed(SHORT_FORM, 1e-3), timed("a", 2e-3), timed("b", 3e-3))
    second = group(timed("c", 4e-3), timed("d", 5e-3), number=1, floor=1.3, **{SHORT_FORM: turns(1e-3)})
    cells, _ = estimated(*first, *second)
    assert len({cells[name].noise_floor for name in (SHORT_FORM, "a", "b")}) == 1
    assert cells["c"].noise_floor == cells["d"].noise_floor > 1.25 > cells["a"].noise_floor


def test_several_noise_floors_of_an_old_journal_become_the_largest():
    cells, _ = estimated(timed(SHORT_FORM, 1e-3, noise_floor=1.01), timed("a", 2e-3, noise_floor=1.04))
    assert {cell.noise_floor for cell in cells.values()} == {1.04}


def test_cells_that_never_took_a_turn_together_are_not_compared_turn_by_turn():
    """The second group ran when the machine was half as fast: its own short form says so, the first one cannot."""
    first = group(timed(SHORT_FORM, 1e-3), timed("a", 1.5e-3))
    second = group(timed("b", 3e-3), number=1, **{SHORT_FORM: turns(2e-3, seed=5), TWIN: turns(2e-3, seed=6)})
    cells, _ = estimated(*first, *second)
    assert cells["b"].ratio_to_short_form == pytest.approx(1.5, rel=0.01)
    assert cells["b"].verdict == "slower"


def test_where_nobody_knows_who_took_turns_together_nothing_is_said_of_the_short_form():
    cells, _ = estimated(timed(SHORT_FORM, 1e-3, group=None), timed("a", 2e-3, group=None, noise_floor=1.01))
    assert cells["a"].verdict is None
    assert cells["a"].p_value is None


def ranks(cells):
    return {name: (cell.rank_best, cell.rank_worst) for name, cell in cells.items()}


def test_ranks_that_chain_are_shown_as_what_they_are():
    """a = b and b = c within the smallest claim, but a < c."""
    cells, _ = estimated(
        *group(timed(SHORT_FORM, 1e-3), timed("b", 1.04e-3), timed("c", 1.08e-3), timed("d", 2e-3))
    )
    assert ranks(cells) == {SHORT_FORM: (1, 2), "b": (1, 3), "c": (2, 3), "d": (4, 4)}
    assert (cells["b"].verdict, cells["c"].verdict) == (SAME, "slower")


def test_a_wrong_gradient_and_an_estimate_have_no_rank():
    cells, compared = estimated(
        *group(
            timed(SHORT_FORM, 1e-3),
            timed("vjp", 2e-3),
            timed("guess", 1e-4, tolerance=2.0),
            wrong("wrong", samples_s=turns(1e-6)),
        ),
        left_out(),
    )
    assert ranks(cells)["guess"] == ranks(cells)["wrong"] == ranks(cells)["dense"] == (None, None)
    assert ranks(cells)["vjp"] == (2, 2)
    assert (cells["guess"].verdict, cells["wrong"].verdict) == ("faster", None)
    assert compared == 3


def test_with_fewer_than_six_starts_there_are_intervals_and_neither_rank_nor_claim():
    slow = timed("slow", 1.0, starts=3)
    cells, compared = estimated(*group(timed(SHORT_FORM, 1e-3), timed("vjp", 2e-3), slow))
    assert slow.ratio_low < slow.ratio_to_short_form < slow.ratio_high
    assert slow.verdict == "no claim: 3 starts, expected at least 6"
    assert ranks(cells) == {SHORT_FORM: (1, 1), "vjp": (2, 2), "slow": (None, None)}
    assert compared == 1


def test_the_more_is_compared_the_surer_a_claim_must_be():
    def run(others):
        noisy = timed("noisy", 1.11e-3, samples_s=turns(1.11e-3, spread=0.05, seed=0))
        cells = group(timed(SHORT_FORM, 1e-3), noisy)
        more = [
            timed(f"s{k}", 1e-3, scenario=f"other-{k // 20}", noise_floor=1.01, seed=k) for k in range(others)
        ]
        return estimated(*cells, *more)

    alone, compared = run(0)
    beside, many = run(60)
    assert (compared, many) == (1, 1 + 3 * 190)
    assert alone["noisy"].p_value == beside["noisy"].p_value < 0.002
    assert (alone["noisy"].verdict, beside["noisy"].verdict) == ("slower", SAME)


def test_a_warm_up_is_said_once():
    samples = [[1.3 * first, *rest] for first, *rest in turns(1e-3)]
    cells, _ = estimated(*group(timed(SHORT_FORM, 1e-3, samples_s=samples, unstable="drift")))
    estimated(*cells.values())
    assert (
        cells[SHORT_FORM].unstable == "drift; warm-up: the first turn of a start took 1.30 times the others"
    )


@pytest.mark.parametrize(("floor", "is_busy"), [(1.1, False), (1.4, False), (1.6, True), (3.0, True)])
def test_a_noise_floor_of_a_busy_machine_makes_every_cell_of_its_turns_unstable_and_is_said_once(
    floor, is_busy
):
    cells, _ = estimated(*group(timed(SHORT_FORM, 1e-3), timed("vjp", 2e-3), floor=floor))
    estimated(*cells.values())
    for cell in cells.values():
        assert cell.unstable.count("busy machine: one strategy under two names differs by") == is_busy


def test_a_quick_look_keeps_what_it_measured():
    quick = record("a", 1e-3, ratio_to_short_form=2.0)
    before = repr(quick)
    estimated(quick)
    assert repr(quick) == before


# Journals


ONE_MACHINE = {"memory_budget_bytes": 20_000.0, "settings": {"place": "one machine"}}


def read(folder, *cells, **run):
    return {cell.strategy: cell for cell in read_run(write_journal(folder, *cells, run=RUN | run))[1]}


def test_a_journal_gives_every_figure_again_to_the_last_digit(tmp_path):
    cells, _ = estimated(*group(timed(SHORT_FORM, 1e-3), timed("vjp", 2e-3)))
    assert read(tmp_path, *cells.values()) == cells


def test_a_journal_without_groups_tells_by_its_budget_who_took_turns_together(tmp_path):
    old = [
        timed(name, time, group=None, noise_floor=1.01) for name, time in ((SHORT_FORM, 1e-3), ("vjp", 2e-3))
    ]
    known = read(tmp_path, *old, left_out("dense"), **ONE_MACHINE)
    assert (known["vjp"].turns_group, known["vjp"].verdict) == (0, "slower")
    for other in (
        {"memory_budget_bytes": 10_000.0},
        {"settings": {"place": "a cluster"}},
        {"settings": None},
    ):
        unknown = read(tmp_path, *old, **ONE_MACHINE | other)
        assert (unknown["vjp"].turns_group, unknown["vjp"].verdict) == (None, None)
