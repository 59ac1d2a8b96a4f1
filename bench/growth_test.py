import pytest

from bench.growth import FEW, LIMIT, ratio, table


def test_the_ratio_is_taken_from_the_medians() -> None:
    assert ratio([(1.0, 1.5), (2.0, 3.0), (90.0, 2.0), (2.0, 80.0)]) == 1.25


def test_a_cost_that_grows_is_over_the_limit() -> None:
    assert ratio([(1.0, 1.2)]) > LIMIT
    assert ratio([(1.0, 1.1)]) < LIMIT


def test_few_and_many_are_not_mistaken_for_each_other() -> None:
    heading, _, row = table(3_000_000, {"GET one order": [(1.0, 2.0)]}).splitlines()
    assert heading.index(f"{FEW:,} orders") < heading.index("3,000,000 orders")
    assert row == "| GET one order | 1.00 | 2.00 | 2.00 |"


def test_without_a_measurement_there_is_no_ratio() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        ratio([])
