"""A function that changes its arguments, keeps state or is random is found out, and a clean one is not."""

import numpy as np
import pytest

from backprop.check.behaviour import observe

HERE, THERE = [np.array([1.0, 2.0])], [np.array([3.0, 5.0])]


def kinds(function, arguments=HERE, elsewhere=THERE, **options):
    return [finding.kind for finding in observe(function, arguments, elsewhere, **options).findings]


def test_a_clean_function_is_called_at_most_four_times_and_nothing_is_found():
    seen = observe(lambda x: 2 * x, HERE, THERE)
    assert seen.findings == ()
    assert seen.calls == 4
    assert np.array_equal(seen.answer, [2, 4])


def test_arguments_that_are_changed_in_place_are_named():
    def gradient(params, inputs):
        params["W"] -= 1
        return inputs

    seen = observe(gradient, [{"W": np.ones(2), "b": np.ones(2)}, np.ones(2)], names=("params", "inputs"))
    (finding,) = seen.findings
    assert finding.kind == "modifies-arguments"
    assert "params W" in finding.evidence
    assert seen.repeatable


def test_the_caller_s_arguments_are_never_touched():
    mine = np.ones(2)

    def gradient(x):
        x[:] = 0
        return x

    observe(gradient, [mine])
    assert np.array_equal(mine, [1, 1])


def test_random_answers_are_not_repeatable():
    rng = np.random.default_rng(0)
    assert kinds(lambda x: x + rng.random(2)) == ["not-repeatable"]


def test_a_sum_that_is_never_reset_is_state():
    total = np.zeros(2)

    def gradient(x):
        total[:] += x
        return total

    assert kinds(gradient) == ["state-from-last-call"]


def test_an_answer_that_belongs_to_the_call_before_is_state():
    last = []

    def gradient(x):
        last.append(x.copy())
        return last[-2] if len(last) > 1 else x

    assert kinds(gradient) == ["state-from-last-call"]


def test_a_buffer_that_is_filled_again_is_no_state():
    buffer = np.empty(2)

    def gradient(x):
        np.multiply(x, 2, out=buffer)
        return buffer

    assert kinds(gradient) == []


def test_differences_of_the_size_of_rounding_are_none():
    calls = []

    def gradient(x):
        calls.append(1)
        return x * (1 + len(calls) * 1e-15)

    assert kinds(gradient) == []


def test_nan_is_equal_to_itself():
    assert kinds(lambda x: x * np.nan) == []


def test_another_point_may_be_out_of_reach():
    def gradient(x):
        if x[0] != 1:
            raise ValueError
        return x

    assert kinds(gradient) == []


def test_what_the_function_raises_at_the_point_is_passed_on():
    def gradient(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        observe(gradient, HERE)
