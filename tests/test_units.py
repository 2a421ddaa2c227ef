"""Numbers are printed with three digits and the unit that a person would take."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import PROPERTY

from backprop import units

SECONDS = {
    0: "0 ns",
    1e-12: "0.001 ns",
    3.7e-9: "3.7 ns",
    37.04e-6: "37 µs",
    0.99949e-3: "999 µs",
    0.99951e-3: "1 ms",
    999.4e-6: "999 µs",
    999.6e-6: "1 ms",
    1e-3: "1 ms",
    1.234e-3: "1.23 ms",
    0.9996: "1 s",
    1.0: "1 s",
    60: "60 s",
    735.2: "735 s",
    999.4: "999 s",
    999.6: "16.7 min",
    1000: "16.7 min",
    7190: "120 min",
    12345.6: "3.43 h",
    172_700: "2 days",
    5e6: "57.9 days",
    1.36e9: "43.1 years",
    3.9e11: "12,400 years",
    1e20: "3.17e+12 years",
}
BYTES = {
    0: "0 B",
    1: "1 B",
    912: "912 B",
    999.6: "1 kB",
    1644167168: "1.64 GB",
    3.2e12: "3.2 TB",
    5e15: "5 PB",
    7.2e18: "7,200 PB",
}
RATIOS = {
    0: "0.00x",
    0.9949: "0.99x",
    1: "1.00x",
    9.99: "9.99x",
    9.994: "9.99x",
    9.995: "10x",
    10: "10x",
    12.34: "12x",
    41.4: "41x",
    999.6: "1,000x",
    1080: "1,080x",
    9104: "9,100x",
    814100: "814,000x",
    math.inf: "infx",
}
FORMATS = [units.seconds, units.data_size, units.ratio, units.error, units.percent, units.count]


@pytest.mark.parametrize("value", SECONDS)
def test_seconds(value):
    assert units.seconds(value) == SECONDS[value]


@pytest.mark.parametrize("value", BYTES)
def test_data_sizes(value):
    assert units.data_size(value) == BYTES[value]


@pytest.mark.parametrize("value", RATIOS)
def test_ratios(value):
    assert units.ratio(value) == RATIOS[value]


def test_errors_percentages_and_counts():
    assert units.error(2.13e-16) == "2.1e-16"
    assert units.error(0) == "0.0e+00"
    assert units.error(math.inf) == "inf"
    assert units.percent(0.9784) == "97.8%"
    assert units.percent(1) == "100.0%"
    assert units.percent(0) == "0.0%"
    assert units.count(814101) == "814,101"
    assert units.count(0) == "0"


@pytest.mark.parametrize("missing", [None, math.nan], ids=str)
@pytest.mark.parametrize("form", FORMATS)
def test_what_was_not_measured_is_a_dash(form, missing):
    assert form(missing) == units.MISSING == "-"


@PROPERTY
@given(st.floats(1e-9, 999))
def test_a_time_below_a_thousand_seconds_has_at_most_three_digits_before_the_unit(value):
    text, unit = units.seconds(value).split()
    assert 1 <= float(text) < 1000
    assert float(text) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit] == pytest.approx(value, rel=6e-3)


@PROPERTY
@given(st.floats(1e-2, 1e12))
def test_a_ratio_is_true_to_half_a_per_cent_or_hundredth(value):
    assert float(units.ratio(value).rstrip("x").replace(",", "")) == pytest.approx(value, rel=0.05, abs=0.005)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.431, 0.9371, "0.431 to 0.937"),
        (0.0196, 0.0801, "0.0196 to 0.0801"),
        (1 / 1900, 1 / 1850, "1/1,900 to 1/1,850"),
        (0.7041, 0.7042, "0.704"),
        (1 / 127, 1 / 127, "1/127"),
    ],
)
def test_both_ends_of_a_range_are_written_alike(low, high, text):
    assert units.small_ratios(low, high) == text


def test_differences_ranks_and_ends():
    assert [units.difference(f) for f in (1.031, 1.2, 1.008, 4.5, math.nan)] == [
        "3.1%",
        "20%",
        "0.8%",
        "4.50x",
        "-",
    ]
    assert units.interval(0.934, 1.07, units.exponent) == "0.93 to 1.07"
    assert (units.exponent(-0.001), units.exponent(math.nan)) == ("0.00", "-")
