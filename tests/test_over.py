"""A test over many cases meets every one of them and names the one that fails."""

import pytest
from over import over, part

SEEN = []


@over(first="ab", second=(1, 2))
def note(first, second, wrong=None):
    SEEN.append((first, second))
    if first == "a":
        pytest.skip("an a")
    assert (first, second) != wrong


def test_every_combination_is_met_though_some_are_skipped():
    SEEN.clear()
    note()
    assert SEEN == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_a_failure_names_its_case():
    with pytest.raises(AssertionError) as caught:
        note(wrong=("b", 1))
    assert caught.value.__notes__ == ["The case: {'first': 'b', 'second': 1}"]


def test_where_all_cases_are_skipped_the_test_is():
    with pytest.raises(pytest.skip.Exception, match="an a"):
        over(first="a", second=(1, 2))(note.__wrapped__)()


@pytest.mark.parametrize("high", [2, 3])
@over(low=lambda high: range(high))
def test_values_may_depend_on_what_is_parametrized_beside_them(low, high):
    SEEN[:] = [*(SEEN if low else []), low]
    if low == high - 1:
        assert list(range(high)) == SEEN


def test_the_quick_tier_has_a_part_of_a_table_and_the_sweep_the_rest():
    parts = part([("a", 1), ("b", 2), ("c", 3), ("d", 4)], 3)
    assert [one.values for one in parts if not one.marks] == [("a", 1), ("d", 4)]
    assert [one.values for one in parts if one.marks] == [("b", 2), ("c", 3)]
    assert [one.values for one in part("ab", 1)] == [("a",), ("b",)]


def test_what_is_parametrized_beside_it_stays():
    assert list(note.__signature__.parameters) == ["wrong"]
