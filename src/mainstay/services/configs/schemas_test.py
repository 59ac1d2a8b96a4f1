import json
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from ulid import ULID

from mainstay.services.configs.domain import Application, Configuration, InvalidRequest, Representation
from mainstay.services.configs.schemas import (
    DIGITS_MAX,
    ApplicationIn,
    ApplicationOut,
    ConfigurationIn,
    ConfigurationOut,
    ConfigurationPut,
    Ulid,
    config_text,
)

AN_ID, ANOTHER = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "01JCZ5Y7Q2GDB5E0H8F3W6PXTC"
ULIDS: TypeAdapter[str] = TypeAdapter(Ulid)
VALID: dict[str, Any] = {"application_id": AN_ID, "name": "production", "comments": "Careful.", "config": {"a": [1.5]}}


@given(st.binary(min_size=16, max_size=16).map(ULID))
def test_every_ulid_is_read_in_either_case_and_becomes_upper_case_text(ulid: ULID) -> None:
    for text in (str(ulid), str(ulid).lower()):
        assert ULIDS.validate_python(text) == str(ulid)
    assert json.loads(ULIDS.dump_json(ULIDS.validate_python(str(ulid)))) == str(ulid)


@pytest.mark.parametrize(
    "value",
    [
        "",
        AN_ID[:-1],
        AN_ID + "0",
        "8" + AN_ID[1:],
        "Z" * 26,
        *(AN_ID[:-1] + letter for letter in "ILOUilou-_ é\N{KELVIN SIGN}\N{ARABIC-INDIC DIGIT ONE}\0"),
        f" {AN_ID[2:]} ",
        AN_ID.encode(),
        ULID.from_str(AN_ID),
        ULID.from_str(AN_ID).to_uuid(),
        int(ULID.from_str(AN_ID)),
        0,
        True,
        None,
        [AN_ID],
    ],
)
def test_nothing_else_is_one(value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        ULIDS.validate_python(value)
    assert [error["type"] for error in raised.value.errors()] == ["ulid"]


def test_a_ulid_is_published_as_one() -> None:
    schema = ULIDS.json_schema()
    assert (schema["type"], schema["format"]) == ("string", "ulid")
    assert schema["pattern"] == "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"


@pytest.mark.parametrize("left_out", ["comments"])
def test_comments_may_be_left_out(left_out: str) -> None:
    body = {name: value for name, value in VALID.items() if name != left_out}
    assert ConfigurationIn.model_validate(body).comments is None
    assert "comments" not in TypeAdapter(ConfigurationPut).validate_python(body)
    assert ApplicationIn(name="checkout").comments is None


@pytest.mark.parametrize("name", ["x", "x" * 256, "\N{GRINNING FACE}" * 256, " "])
@pytest.mark.parametrize("comments", [None, "", "x" * 1024, "\N{GRINNING FACE}" * 1024])
def test_text_up_to_its_limit_is_kept(name: str, comments: str | None) -> None:
    assert dict(ApplicationIn(name=name, comments=comments)) == {"name": name, "comments": comments}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 257},
        {"name": None},
        {"name": 1},
        {"comments": "x" * 1025},
        {"comments": []},
        {"config": None},
        {"config": []},
        {"config": "{}"},
        {"config": {1: 2}},
        {"application_id": None},
        {"application_id": 7},
        {"unknown": 1},
    ],
)
def test_every_other_body_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConfigurationIn.model_validate({**VALID, **change})
    with pytest.raises(ValidationError):
        TypeAdapter(ConfigurationPut).validate_python({**VALID, **change})


@pytest.mark.parametrize("missing", ["application_id", "name", "config"])
def test_a_new_configuration_has_all_that_is_required(missing: str) -> None:
    with pytest.raises(ValidationError):
        ConfigurationIn.model_validate({name: value for name, value in VALID.items() if name != missing})


def test_what_is_documented_is_what_is_sent() -> None:
    for out, resource in (
        (ApplicationOut, Application(AN_ID, "checkout", None, [ANOTHER])),
        (ConfigurationOut, Configuration(ANOTHER, AN_ID, "production", "x", '{"a": 1}')),
    ):
        body = Representation.of(resource).body
        assert list(json.loads(body)) == list(get_type_hints(out))
        assert TypeAdapter(out).validate_json(body) == json.loads(body)


def body_with(config: str) -> bytes:
    return f'{{"name": "x", "config": {config}}}'.encode()


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("{}", "{}"),
        ('{ "b" : 1 , "a" : [ true, null ] }', '{"b":1,"a":[true,null]}'),
        ('{"a": 1.10}', '{"a":1.10}'),
        ('{"a": 0.12345678901234567890123}', '{"a":0.12345678901234567890123}'),
        ('{"a": 1e2, "b": -1.5E+1, "c": 25e-3}', '{"a":100.0,"b":-15.0,"c":0.025}'),
        ('{"a": 0e99999, "b": -0.0E-99999}', '{"a":0.0,"b":0.0}'),
        ('{"config": {"config": 1e1}}', '{"config":{"config":10.0}}'),
        ('{"1e2": "1e2"}', '{"1e2":"1e2"}'),
        (r'{"a": "\u00e9\ud83d\ude00"}', '{"a":"é\N{GRINNING FACE}"}'),
    ],
)
def test_the_config_is_taken_out_of_the_body_with_all_of_its_digits(config: str, text: str) -> None:
    assert config_text(body_with(config)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_stays_the_same_decimal_and_a_float(number: float) -> None:
    text = config_text(body_with(json.dumps({"a": number})))
    assert json.loads(text, parse_float=Decimal)["a"] == Decimal(repr(number))
    assert isinstance(json.loads(text)["a"], float)
    assert "e" not in text.lower()


@pytest.mark.parametrize(
    "number",
    [
        "0." + "1" * (DIGITS_MAX - 1),
        "1." + "0" * DIGITS_MAX,
        *("-1e-" + str(DIGITS_MAX), "1e-999999999", "1E-99999999999999999999", "1e" + str(DIGITS_MAX)),
    ],
)
def test_a_decimal_that_is_too_long_is_refused(number: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        config_text(body_with(f'{{"a": [{number}]}}'))
    assert raised.value.details["errors"][0]["loc"] == ["body", "config"]  # type: ignore[index]


def test_a_decimal_of_the_greatest_length_is_taken() -> None:
    number = "0." + "1" * (DIGITS_MAX - 2)
    assert config_text(body_with(f'{{"a": {number}}}')) == f'{{"a":{number}}}'
