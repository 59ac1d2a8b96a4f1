"""What is in a configuration comes back as it was sent, or is refused. Nothing is changed in silence."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import httpx

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIGURATIONS = "/api/v1/configurations"
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LARGEST, SMALLEST = "1.7976931348623157e308", "5e-324"

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda members: st.lists(members) | st.dictionaries(TEXTS, members),
    max_leaves=20,
)


@pytest_asyncio.fixture(loop_scope="session")
async def path(caller: "Caller") -> str:
    """A configuration."""
    made = await caller.configuration(await caller.application())
    return f"{CONFIGURATIONS}/{made['id']}"


async def put(caller: "Caller", path: str, config: str) -> "httpx.Response":
    """The answer to PUT of a config that is JSON text."""
    return await caller.call("PUT", path, content=f'{{"name": "x", "config": {config}}}'.encode())


async def kept(caller: "Caller", path: str, config: str) -> str:
    """The text of a config, as it is read after it was written."""
    written = await put(caller, path, config)
    assert written.status_code == 200, written.text
    read = await caller.get(path)
    assert read.content == written.content
    return read.text.partition('"config":')[2][:-1]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("0.1", "0.1"),
        ("1.0", "1.0"),
        ("1.10", "1.10"),
        ("-0.0", "0.0"),  # equal; PostgreSQL's numbers have one zero
        ("-0", "0"),
        ("1e3", "1000.0"),
        ("1E-7", "0.0000001"),
        ("-1.50e+1", "-15.0"),
        ("1e20", "1" + 20 * "0" + ".0"),
        ("0e999999", "0.0"),
        ("0.1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890"),
        ("9007199254740993.0", "9007199254740993.0"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        (str(INT64_MAX), str(INT64_MAX)),
        (str(INT64_MIN), str(INT64_MIN)),
        ("0." + "1" * 998, "0." + "1" * 998),
        ("9" * 300 + ".0", "9" * 300 + ".0"),
    ],
)
async def test_a_number_comes_back_with_all_of_its_digits(caller: "Caller", path: str, sent: str, read: str) -> None:
    assert await kept(caller, path, f'{{"number": {sent}}}') == f'{{"number": {read}}}'


@pytest.mark.parametrize("sent", [LARGEST, SMALLEST, "-2.2250738585072014E-308", "1e23", "1e300"])
async def test_every_float_comes_back_as_the_same_float(caller: "Caller", path: str, sent: str) -> None:
    text = await kept(caller, path, f'{{"number": {sent}}}')
    number = json.loads(text)["number"]
    assert isinstance(number, float)
    assert number == float(sent)
    assert json.loads(text, parse_float=Decimal)["number"] == Decimal(sent)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        ("1e400", "json_number"),
        ("-1e309", "json_number"),
        ("1e-400", "json_number"),
        ("12345678901234567890", "json_integer"),
        (str(INT64_MAX + 1), "json_integer"),
        (str(INT64_MIN - 1), "json_integer"),
        ("NaN", "json_constant"),
        ("-Infinity", "json_constant"),
        ("01", "json_invalid"),
        ("0." + "1" * 999, "decimal_too_long"),
        ("0." + "1" * 20_000, "decimal_too_long"),
        ("1." + "1" * 1000 + "e-1", "decimal_too_long"),
    ],
)
async def test_a_number_that_would_not_come_back_is_400(caller: "Caller", path: str, number: str, error: str) -> None:
    before = await caller.get(path)
    response = await put(caller, path, f'{{"number": [{number}]}}')
    told = response.json()["error"]
    assert (response.status_code, told["code"]) == (400, "validation_error")
    assert [found["type"] for found in told["details"]["errors"]] == [error]
    assert error == "json_constant" or number not in told["message"] + str(told["details"])
    assert (await caller.get(path)).content == before.content


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (r'{"a": "\u0000"}', "json_nul"),
        (r'{"a\u0000": 1}', "json_nul"),
        (r'{"a": ["\ud800"]}', "json_surrogate"),
        (r'{"\udfff": 1}', "json_surrogate"),
        ('{"a": 1, "a": 1}', "json_duplicate_key"),
        ('{"a": {"b": 1, "b": 2}}', "json_duplicate_key"),
        ('{"a": ' + "[" * 63 + "]" * 63 + "}", "json_depth"),
        ('{"a": 1,}', "json_invalid"),
    ],
)
async def test_json_that_would_lose_something_is_400(caller: "Caller", path: str, config: str, error: str) -> None:
    before = await caller.get(path)
    response = await put(caller, path, config)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "validation_error")
    assert [found["type"] for found in response.json()["error"]["details"]["errors"]] == [error]
    assert (await caller.get(path)).content == before.content


@pytest.mark.parametrize(
    "config",
    [
        "{}",
        '{"": ""}',
        '{"b": 1, "a": {"d": [], "c": [null, true, false]}}',
        '{"config": {"config": 1}}',
        '{"a": "\\u0001 \\u2028 \\ufffe \\ud83d\\ude00 \\" \\\\ %s %(id)s"}',
        '{"a": ' + "[" * 62 + "]" * 62 + "}",
        '{"1e3": "1e3", "1E400": "[1e400"}',
    ],
)
async def test_any_other_object_comes_back_equal(caller: "Caller", path: str, config: str) -> None:
    assert json.loads(await kept(caller, path, config)) == json.loads(config)


@given(config=st.dictionaries(TEXTS, VALUES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_json_writes_comes_back_equal(caller: "Caller", path: str, config: dict[str, Any]) -> None:
    assert json.loads(await kept(caller, path, json.dumps(config))) == config


async def test_what_was_read_can_be_written_again_and_changes_nothing(caller: "Caller", path: str) -> None:
    text = await kept(caller, path, f'{{"b": {LARGEST}, "a": {SMALLEST}, "c": 1e23, "d": 1.10}}')
    tag = await caller.tag(path)
    again = await put(caller, path, text)
    assert (again.status_code, again.headers["etag"]) == (200, tag)


async def test_the_order_of_keys_does_not_count(caller: "Caller", path: str) -> None:
    answers = [await put(caller, path, config) for config in ('{"a": 1, "b": 2}', '{ "b":2,"a":1 }')]
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


async def test_what_is_not_equal_has_another_tag(caller: "Caller", path: str) -> None:
    configs = ["{}", '{"a": 1}', '{"a": 1.0}', '{"a": 1.00}', '{"a": "1"}', '{"a": [1]}', '{"a": null}']
    tags = [(await put(caller, path, config)).headers["etag"] for config in configs]
    assert len(set(tags)) == len(configs)


async def test_numbers_that_grow_too_large_when_written_out_are_413(caller: "Caller", path: str) -> None:
    before = await caller.get(path)
    response = await put(caller, path, '{"numbers": [' + ",".join(["1e308"] * 4000) + "]}")
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")
    assert (await caller.get(path)).content == before.content
