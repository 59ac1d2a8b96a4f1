import pytest

from bench.sign_in import DIFFERENCE, difference, table


def test_the_difference_is_that_of_the_medians_whichever_is_longer() -> None:
    assert difference([(100.0, 90.0), (100.0, 1.0), (1.0, 90.0)]) == pytest.approx(0.1)
    assert difference([(90.0, 100.0)]) == pytest.approx(0.1)
    assert difference([(100.0, 96.0)]) > DIFFERENCE > difference([(100.0, 98.0)])


def test_known_and_unknown_first_and_later_are_not_mistaken_for_each_other() -> None:
    lines = table([(100.0, 98.0)], {"HS256": (40.0, 3.0)}).splitlines()
    assert lines[2] == "| wrong password | 100.0 | 98.0 | 2.0% |"
    assert lines[0].index("known address") < lines[0].index("unknown")
    assert lines[-1] == "| HS256 | 40.0 | 3.0 |"
    assert lines[4].index("first") < lines[4].index("later")


def test_without_a_measurement_there_is_no_difference() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        difference([])
