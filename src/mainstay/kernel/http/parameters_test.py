import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from mainstay.kernel.http.parameters import Int64, RowId, StrictModel
from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

INT64: TypeAdapter[int] = TypeAdapter(Int64)
ROW_ID: TypeAdapter[int] = TypeAdapter(RowId)


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
