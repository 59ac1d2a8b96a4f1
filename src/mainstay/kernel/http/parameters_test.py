from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from mainstay.kernel.http.parameters import COMMA_SEPARATED, STRICT, Int64, PlainDate, RowId, StrictModel
from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

INT64: TypeAdapter[int] = TypeAdapter(Int64)
ROW_ID: TypeAdapter[int] = TypeAdapter(RowId)
DATE: TypeAdapter[date] = TypeAdapter(PlainDate)
STRICT_DATE: TypeAdapter[date] = TypeAdapter(PlainDate, config=STRICT)
LIST: TypeAdapter[Sequence[str]] = TypeAdapter(Annotated[Sequence[Literal["a", "b", "c"]], COMMA_SEPARATED])


class Body(StrictModel):
    number: int = 0
    text: str = ""
    flag: bool = False


@given(st.integers(INT64_MIN, INT64_MAX))
@example(INT64_MIN)
@example(INT64_MAX)
def test_reads_every_integer_of_64_bits(number: int) -> None:
    assert INT64.validate_python(str(number)) == number


@given(st.text())
@example("9" * 5000)
@example("1\n")
def test_any_text_gives_an_integer_or_a_validation_error(text: str) -> None:
    try:
        number = INT64.validate_python(text)
    except ValidationError:
        return
    assert text == str(number) or (text, number) == ("-0", 0)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "+7",
            " 7",
            "7 ",
            "7\n",
            "7.0",
            "7.",
            "7e0",
            "0x7",
            "0b1",
            "1_000",
            "1,000",
            "007",
            "00",
            "-",
            "--7",
            "-07",
        ),
        *(
            "true",
            "null",
            "NaN",
            "inf",
            "\N{ARABIC-INDIC DIGIT SEVEN}",
            "\N{FULLWIDTH DIGIT SEVEN}",
            "\N{SUPERSCRIPT TWO}",
            "\N{MINUS SIGN}7",
        ),
        *("9223372036854775808", "-9223372036854775809", "99999999999999999999", "1" * 5000),
    ],
)
def test_refuses_every_other_text(text: str) -> None:
    with pytest.raises(ValidationError):
        INT64.validate_python(text)


@pytest.mark.parametrize("text", ["0", "-0", "-1", "9223372036854775808", "001", "a"])
def test_a_row_has_a_number_from_one_up(text: str) -> None:
    with pytest.raises(ValidationError):
        ROW_ID.validate_python(text)
    assert ROW_ID.validate_python("1") == 1
    assert ROW_ID.validate_python(str(INT64_MAX)) == INT64_MAX


@pytest.mark.parametrize(
    "body",
    [
        {"number": "7"},
        {"number": True},
        {"number": 7.0},
        {"number": None},
        {"text": 7},
        {"text": b"a"},
        {"text": None},
        {"flag": 1},
        {"flag": "true"},
        {"unknown": 1},
        {"Number": 1},
        [],
        "{}",
        None,
    ],
)
def test_a_body_is_taken_as_it_is_or_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate(body)


def test_a_body_of_the_right_types_is_taken() -> None:
    body = Body.model_validate({"number": 7, "text": " a ", "flag": True})
    assert dict(body) == {"number": 7, "text": " a ", "flag": True}
    assert isinstance(body, BaseModel)


# Dates


@given(st.dates())
@example(date.min)
@example(date.max)
@example(date(2024, 2, 29))
def test_reads_every_date(day: date) -> None:
    assert DATE.validate_python(day.isoformat()) == day
    assert STRICT_DATE.validate_python(day.isoformat()) == day


@given(st.text() | st.from_regex(r"[0-9]{1,5}-?[0-9]{1,2}-?[0-9]{1,3}", fullmatch=True))
@example("2026-02-29")
@example("2026-12-01\n")
@example("\N{ARABIC-INDIC DIGIT TWO}026-12-01")
def test_any_text_gives_a_date_or_a_validation_error(text: str) -> None:
    try:
        day = DATE.validate_python(text)
    except ValidationError:
        return
    assert text == day.isoformat()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "2026", "2026-12", "2026-12-1", "2026-1-01", "26-12-01", "02026-12-01", "+2026-12-01"),
        *("20261201", "2026/12/01", "01.12.2026", "2026-W49-2", "2026-335", "2026-12-01T00:00:00", "2026-12-01Z"),
        *(" 2026-12-01", "2026-12-01 ", "2026-12-01\n", "2026-00-01", "2026-13-01", "2026-12-00", "2026-12-32"),
        *("2025-02-29", "1900-02-29", "0000-01-01", "-0001-01-01", "10000-01-01", "today", "null", "1764547200"),
        *("\N{FULLWIDTH DIGIT TWO}026-12-01", "2026\N{MINUS SIGN}12\N{MINUS SIGN}01", "9" * 5000),
    ],
)
@pytest.mark.parametrize("dates", [DATE, STRICT_DATE], ids=["query", "body"])
def test_a_date_is_a_day_that_exists_in_full_or_refused(dates: TypeAdapter[date], text: str) -> None:
    with pytest.raises(ValidationError, match="YYYY-MM-DD"):
        dates.validate_python(text)


@pytest.mark.parametrize("value", [0, 1764547200, 7.5, True, None, b"2026-12-01", [], {}])
def test_in_a_body_a_date_is_text(value: object) -> None:
    with pytest.raises(ValidationError):
        STRICT_DATE.validate_python(value)


# Lists between commas


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["a"], ["a"]),
        (["a,b"], ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        (["a,b", "c"], ["a", "b", "c"]),
        (["a", "a,a"], ["a", "a", "a"]),
        ([], []),
    ],
)
def test_several_values_may_stand_in_one_parameter(given: list[str], taken: list[str]) -> None:
    assert LIST.validate_python(given) == taken


@pytest.mark.parametrize("given", ["", ",", "a,", ",a", "a,,b", "a, b", "a;b", "A", "d", "a b"])
def test_each_of_the_values_is_one_or_the_list_is_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        LIST.validate_python([given])
    with pytest.raises(ValidationError):
        LIST.validate_python(["a", given])
