"""Budgets are read from what people write, and nothing that is no budget passes for one."""

import pytest
from tables import sentence

from backprop.bench import budget
from backprop.bench.budget import Budget
from backprop.errors import BudgetError

MEMORY = {
    "2GB": 2e9,
    "2gb": 2e9,
    "2 GB": 2e9,
    " 1.5 GB ": 1.5e9,
    "512MiB": 512 * 2**20,
    "1GiB": 2**30,
    "100kB": 1e5,
    "1TB": 1e12,
    "1000": 1000,
    "64B": 64,
    "1e9": 1e9,
    "1e-3GB": 1e6,
    "+1MB": 1e6,
}
TIME = {"60": 60, "60s": 60, "90 s": 90, "2min": 120, "1.5h": 5400, "250ms": 0.25, "1e1s": 10}

UNREADABLE = ["", " ", "much", "2GBs", "2 G B", "GB", "1.2.3GB", ".", "0x10", "nan", "NaN GB", "1,5GB", "٣GB"]
UNREADABLE += ["1_000", "2GB 3GB", "--1", "1e", "inf", "infinity"]
NOT_POSITIVE = ["0", "-1", "-2e3", "-0.0", "1e999", "-1e999", "1e-999"]


@pytest.mark.parametrize("text", MEMORY)
def test_memory_is_read_in_bytes(text):
    assert Budget.parse(text, None).memory_bytes == MEMORY[text]


@pytest.mark.parametrize("text", TIME)
def test_time_is_read_in_seconds(text):
    assert Budget.parse(None, text).time_s == TIME[text]


@pytest.mark.parametrize("text", UNREADABLE + NOT_POSITIVE)
@pytest.mark.parametrize("which", ["memory", "time"])
def test_what_is_no_budget_is_refused_in_one_sentence(which, text):
    arguments = (text, None) if which == "memory" else (None, text)
    with pytest.raises(BudgetError) as caught:
        Budget.parse(*arguments)
    message = sentence(caught.value)
    assert repr(text) in message
    assert message.startswith(f"The {which} budget is")
    assert ("above zero" in message) == (text in NOT_POSITIVE)


@pytest.mark.parametrize(
    ("memory", "time"), [("1e308GB", None), (None, "1e308h"), ("60s", None), (None, "2GB")]
)
def test_a_number_that_overflows_and_a_unit_of_another_kind_are_refused(memory, time):
    with pytest.raises(BudgetError):
        Budget.parse(memory, time)


def test_by_default_half_of_the_free_memory_and_a_minute(monkeypatch):
    monkeypatch.setattr(budget, "default_memory_bytes", lambda: 123.0)
    assert Budget.parse(None, None) == Budget(123.0, 60.0)


def test_half_of_the_memory_that_is_available(monkeypatch):
    import psutil

    available = type("Memory", (), {"available": 10**9})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    assert budget.default_memory_bytes() == 5e8
