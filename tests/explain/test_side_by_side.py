"""Two traces are lined up where they compute the same quantity."""

import itertools

import numpy as np
import pytest
from explain.explained import explained
from explain.formula import computed

from backprop.explain import line_up
from backprop.registry import ladder

OPTIONS = {
    "relu": {},
    "squares": {"loss": "mean-squared-error", "activation": "gelu", "output": "tanh"},
    "softmax inside": {"activation": "softmax"},
}


@pytest.mark.parametrize("pair", list(itertools.combinations(ladder(), 2)), ids="-".join)
@pytest.mark.parametrize("options", OPTIONS)
def test_what_stands_side_by_side_is_equal(pair, options):
    explanation = explained(*pair, **OPTIONS[options])
    beside = 0
    for row in explanation.rows:
        first, second = row.steps
        if first is None or second is None or "factor" in (first.kind, second.kind):
            continue
        np.testing.assert_allclose(first.array, second.array, rtol=1e-12, atol=1e-15, err_msg=row.name)
        beside += 1
    assert beside >= 8  # z₁ a₁ z₂ L, four gradients


def test_every_step_has_one_place_and_none_is_lost():
    explanation = explained("full-jacobian", "batched-jacobian")
    for column, trace in enumerate(explanation.traces):
        shown = [row.steps[column] for row in explanation.rows]
        shown = [step for step in shown if step is not None and step.kind != "drawn"]
        assert sorted(map(id, shown)) == sorted(map(id, trace.steps))


@pytest.mark.parametrize("pair", list(itertools.permutations(["full-jacobian", "short-form"])), ids="-".join)
def test_the_mean_over_n_is_a_step_of_its_own_between_the_gradient_of_a_sample_and_that_of_the_mean(pair):
    explanation = explained(*pair)
    full = pair.index("full-jacobian")
    rows = {row.name: row for row in explanation.rows}
    for value in ("z₂", "a₁", "z₁"):
        of_sample, of_mean = rows[f"∂ℓ/∂{value}"], rows[f"∂L/∂{value}"]
        assert of_mean.number == of_sample.number + 1
        assert of_sample.steps[1 - full] is None
        drawn = of_mean.steps[full]
        assert drawn.kind == "drawn"
        np.testing.assert_array_equal(drawn.array, of_sample.steps[full].array / 2)
        shown = computed(
            drawn, {drawn.name[0:1] + "ℓ" + drawn.name[2:]: of_sample.steps[full].array}, None, {"n": 2}
        )
        np.testing.assert_allclose(shown, drawn.array)
        assert drawn not in explanation.traces[full].steps  # and so not in its totals


@pytest.mark.parametrize(
    "strategies", [["full-jacobian"], ["full-jacobian", "full-jacobian-naive"]], ids="-".join
)
def test_nothing_is_drawn_where_nothing_is_compared_with_the_mean(strategies):
    steps = [step for row in explained(*strategies).rows for step in row.steps]
    assert "drawn" not in {step.kind for step in steps if step is not None}


def test_of_one_sample_nothing_is_drawn():
    steps = [step for row in explained(n=1).rows for step in row.steps]
    assert "drawn" not in {step.kind for step in steps if step is not None}


def test_rows_go_forward_first_and_then_back_from_the_loss():
    names = [row.name for row in explained().rows]
    assert names[:6] == ["z₁", "a₁", "z₂", "p", "ℓ", "L"]
    order = [
        "∂ℓ/∂p",
        "∂p/∂z₂",
        "∂ℓ/∂z₂",
        "∂L/∂z₂",
        "∂z₂/∂W₂",
        "∂ℓ/∂W₂",
        "∂L/∂W₂",
        "∂L/∂b₂",
        "∂L/∂a₁",
        "∂L/∂z₁",
        "∂L/∂W₁",
    ]
    assert [name for name in names if name in order] == order


@pytest.mark.parametrize(
    "pair", list(itertools.permutations(["full-jacobian-naive", "layerwise-vjp"])), ids="-".join
)
def test_a_local_derivative_stands_before_the_products_with_it_and_the_gradient_last(pair):
    names = [row.name for row in explained(*pair).rows]
    by_weight = [name for name in names if name.endswith("/∂W₁")]
    assert by_weight[0] == "∂z₁/∂W₁"
    assert set(by_weight[1:-2]) == {"∂a₁/∂W₁", "∂z₂/∂W₁", "∂p/∂W₁"}
    assert by_weight[-2:] == ["∂ℓ/∂W₁", "∂L/∂W₁"]


def test_what_one_strategy_does_not_form_stands_beside_nothing():
    rows = {row.name: row.steps for row in explained().rows}
    assert rows["∂z₁/∂W₁"][1] is None
    assert rows["∂L/∂W₁"][0] is not None
    assert rows["∂L/∂W₁"][1] is not None


def test_a_quantity_that_is_formed_twice_has_two_rows():
    trace = explained("batched-jacobian").traces[0]
    assert [row.name for row in line_up(trace)].count("∂p/∂z₂") == 2  # as an operand, then as a product
