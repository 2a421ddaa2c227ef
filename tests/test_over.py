"""A test over many cases meets every one of them and names the one that fails."""

import pytest
from over import over

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


def test_what_is_parametrized_beside_it_stays():
    assert list(note.__signature__.parameters) == ["wrong"]
