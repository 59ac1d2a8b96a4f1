import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from mainstay.kernel.http.parameters import (
    COMMA_SEPARATED,
    STRICT,
    WHITE_SPACE,
    Int64,
    PlainDate,
    PlainDateTime,
    PlainDecimal,
    PlainUuid,
    RowId,
    StrictModel,
)
from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

INT64: TypeAdapter[int] = TypeAdapter(Int64)
ROW_ID: TypeAdapter[int] = TypeAdapter(RowId)
DATE: TypeAdapter[date] = TypeAdapter(PlainDate)
STRICT_DATE: TypeAdapter[date] = TypeAdapter(PlainDate, config=STRICT)
TIME: TypeAdapter[datetime] = TypeAdapter(PlainDateTime)
STRICT_TIME: TypeAdapter[datetime] = TypeAdapter(PlainDateTime, config=STRICT)
DECIMAL: TypeAdapter[Decimal] = TypeAdapter(PlainDecimal, config=STRICT)
UUIDS: TypeAdapter[UUID] = TypeAdapter(PlainUuid)
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


# Times

A_DAY = 24 * 60
ZONES = st.integers(1 - A_DAY, A_DAY - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SECOND_DAY, LAST_DAY_BUT_ONE = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - hypothesis adds the zone
BOTH_TIMES = pytest.mark.parametrize("times", [TIME, STRICT_TIME], ids=["query", "body"])


@given(st.datetimes(SECOND_DAY, LAST_DAY_BUT_ONE, timezones=ZONES))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
def test_reads_every_time_with_its_offset(time: datetime) -> None:
    for times in (TIME, STRICT_TIME):
        read = times.validate_python(time.isoformat())
        assert (read, read.tzinfo) == (time, UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00+00:00"),
        ("2026-11-21t09:30:00z", "2026-11-21T09:30:00+00:00"),
        ("2026-11-21T09:30:00.1Z", "2026-11-21T09:30:00.100000+00:00"),
        ("2026-11-21T09:30:00.123456Z", "2026-11-21T09:30:00.123456+00:00"),
        ("2026-11-21T09:30:00+05:45", "2026-11-21T03:45:00+00:00"),
        ("2026-11-21T00:30:00+01:00", "2026-11-20T23:30:00+00:00"),
        ("2026-11-21T09:30:00-00:00", "2026-11-21T09:30:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
@BOTH_TIMES
def test_a_time_is_read_in_utc(times: TypeAdapter[datetime], text: str, utc: str) -> None:
    assert times.validate_python(text).isoformat() == utc


@given(
    st.text()
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}", fullmatch=True)
)
@example("2026-11-21T09:30:00+01:60")
def test_any_text_gives_a_time_as_it_was_written_or_a_validation_error(text: str) -> None:
    try:
        time = TIME.validate_python(text)
    except ValidationError:
        return
    offset = timedelta(hours=int(text[-5:-3]), minutes=int(text[-2:])) * (-1 if text[-6] == "-" else 1)
    assert time.astimezone(timezone(offset)).isoformat()[:19] == text[:19]
    assert int(text[-2:]) < 60


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "2026-11-21", "2026-11-21T09:30", "2026-11-21T09:30Z", "2026-11-21T09:30:00", "09:30:00Z"),
        *("2026-11-21 09:30:00Z", "2026-11-21T09:30:00 01:00", "2026-11-21T09:30:00+0100", "2026-11-21T09:30:00+01"),
        *("2026-11-21T09:30:00+24:00", "2026-11-21T09:30:00+01:60", "2026-11-21T09:30:00-99:99", "20261121T093000Z"),
        *("2026-11-21T09:30:00.Z", "2026-11-21T09:30:00,5Z", "2026-11-21T09:30:00.1234567Z", "2026-W47-6T09:30:00Z"),
        *("2026-11-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("2026-11-21T24:00:00Z", "2026-11-21T09:60:00Z", "2026-11-21T23:59:60Z", "10000-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "-0001-01-01T00:00:00Z", "1795253400", "null"),
        *(" 2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z ", "2026-11-21T09:30:00Z\n", "2026-11-21T09:30:00ZZ"),
        *("\N{FULLWIDTH DIGIT TWO}026-11-21T09:30:00Z", "2026-11-21T09:30:00\N{MINUS SIGN}01:00", "9" * 5000),
    ],
)
@BOTH_TIMES
def test_a_time_without_doubt_or_refused(times: TypeAdapter[datetime], text: str) -> None:
    with pytest.raises(ValidationError, match=r"such as 2026-11-21T09:30:00Z.* \+ .* %2B"):
        times.validate_python(text)


@pytest.mark.parametrize("value", [0, 1795253400, 7.5, True, None, b"2026-11-21T09:30:00Z", [], {}])
def test_in_a_body_a_time_is_text(value: object) -> None:
    with pytest.raises(ValidationError):
        STRICT_TIME.validate_python(value)


# UUIDs


@given(st.uuids(allow_nil=True))
@example(UUID(int=2**128 - 1))
def test_reads_every_uuid_in_either_case(value: UUID) -> None:
    assert UUIDS.validate_python(str(value)) == UUIDS.validate_python(str(value).upper()) == value


@given(st.text() | st.from_regex("[0-9a-f-]{36}", fullmatch=True))
def test_any_text_gives_a_uuid_or_a_validation_error(text: str) -> None:
    try:
        value = UUIDS.validate_python(text)
    except ValidationError:
        return
    assert str(value) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "null", "019a9f2e7c1b7cc2a5b01f2e3d4c5b6a", "{019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a}"),
        *("urn:uuid:019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a", "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6", "0" * 36),
        *(
            "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a0",
            "g19a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a",
            "019a9f2e-7c1b-7cc2a5b0-1f2e3d4c5b6a",
        ),
        *(
            " 019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a",
            "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a\n",
            "019a9f2e_7c1b_7cc2_a5b0_1f2e3d4c5b6a",
        ),
        *("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6\N{FULLWIDTH DIGIT ONE}", "0" * 5000),
    ],
)
def test_no_other_spelling_of_a_uuid_is_read(text: str) -> None:
    with pytest.raises(ValidationError, match="UUID in its usual form"):
        UUIDS.validate_python(text)


def test_a_uuid_is_read_in_a_strict_body_too() -> None:
    text = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
    assert TypeAdapter(PlainUuid, config=STRICT).validate_python(text) == UUID(text)


# Decimals


@pytest.mark.parametrize(
    "text", ["0", "1", "-1", "12.50", "0.000001", "-0.5", "99999999999999.999999", "-99999999999999.999999", "0.00"]
)
def test_a_decimal_is_kept_as_it_is_written(text: str) -> None:
    assert format(DECIMAL.validate_python(text), "f") == text


@pytest.mark.parametrize(("text", "kept"), [("-0", "0"), ("-0.00", "0.00")])
def test_there_is_no_negative_zero(text: str, kept: str) -> None:
    assert format(DECIMAL.validate_python(text), "f") == kept


@pytest.mark.parametrize(
    "value",
    [
        *("", " 1", "1 ", "+1", "01", "-01", "1.", ".5", "1,5", "1e3", "NaN", "Infinity", "1_0", "0x1", "1\n"),
        *("100000000000000", "0.0000001", "9" * 5000, "\N{FULLWIDTH DIGIT ONE}", 1, 1.5, True, None, [], {}),
    ],
)
def test_nothing_else_is_a_decimal(value: object) -> None:
    with pytest.raises(ValidationError):
        DECIMAL.validate_python(value)


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


def test_white_space_is_what_python_strips() -> None:
    white = re.compile(f"[{WHITE_SPACE}]")
    every = map(chr, range(sys.maxunicode + 1))
    assert [character for character in every if bool(white.fullmatch(character)) != character.isspace()] == []
