"""The OpenAPI document: valid, whole, and saying something about everything in it."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urljoin, urlsplit

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.app import create_app
from mainstay.kernel.core.errors import InvalidHeader
from mainstay.kernel.http.idempotency import parse_key
from mainstay.settings import load_settings
from tests.conformance.resources import RESOURCES

JSON, PROBLEM = "application/json", "application/problem+json"
METHODS = {"get", "put", "post", "delete", "patch"}
# What of JSON Schema 2020-12 is in use here. Any other word is one that no reader of the document understands.
KEYWORDS = {
    *("$ref", "type", "enum", "const", "anyOf", "items", "properties", "required", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern", "format", "minProperties"),
    *("maxItems", "uniqueItems", "writeOnly"),
    *("title", "description", "default", "examples"),
}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    """The document as a client reads it."""
    found: Json = create_app(load_settings(app_env="test")).openapi()
    return found


def operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def responses(document: Json) -> dict[str, Json]:
    return {
        f"{name} {status}": response
        for name, operation in operations(document).items()
        for status, response in operation["responses"].items()
    }


def parameters(document: Json) -> dict[str, Json]:
    return {
        f"{name} {parameter['name']}": parameter
        for name, operation in operations(document).items()
        for parameter in operation.get("parameters", ())
    }


def fields(document: Json) -> dict[str, Json]:
    return {
        f"{name}.{field}": schema
        for name, model in document["components"]["schemas"].items()
        for field, schema in model["properties"].items()
    }


def subschemas(schema: Json) -> Iterator[Json]:
    yield schema
    nested = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    nested += [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    for part in nested:
        yield from subschemas(part)


def schemas(document: Json) -> dict[str, Json]:
    """Every schema in the document that has a name, or a place."""
    found = {name: parameter["schema"] for name, parameter in parameters(document).items()}
    found |= document["components"]["schemas"]
    for name, response in responses(document).items():
        found |= {f"{name} {header}": described["schema"] for header, described in response.get("headers", {}).items()}
        found |= {f"{name} {kind}": content["schema"] for kind, content in response.get("content", {}).items()}
    return found


def shows_a_value(schema: Json) -> bool:
    """Whether a reader sees what a value may look like, here or where it points to."""
    if {"examples", "default", "enum", "const", "$ref"} & schema.keys():
        return True
    if schema.get("type") == "array":
        return shows_a_value(schema["items"])
    return any(shows_a_value(part) for part in schema.get("anyOf", ()))


def test_the_document_is_valid_openapi(document: Json) -> None:
    """Its addresses are relative, which the specification allows (section 4.4), and its JSON Schema not yet."""
    assert document["openapi"].startswith("3.1.")
    absolute = deepcopy(document)
    flow = absolute["components"]["securitySchemes"]["token"]["flows"]["password"]
    for name in ("tokenUrl", "refreshUrl"):
        flow[name] = urljoin("http://mainstay/docs", flow[name])
        assert urlsplit(flow[name]).path in document["paths"]
    schemathesis.openapi.from_dict(absolute).validate()


@pytest.mark.parametrize(("member", "value"), [("info", None), ("paths", []), ("components", {"schemas": {"Pet": 7}})])
def test_the_validation_finds_a_document_that_is_not(document: Json, member: str, value: object) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        schemathesis.openapi.from_dict({**document, member: value}).validate()


def test_schemas_use_words_of_json_schema_alone(document: Json) -> None:
    unknown = {
        (name, word)
        for name, schema in schemas(document).items()
        for part in subschemas(schema)
        for word in part.keys() - KEYWORDS
    }
    assert unknown == set()


def test_every_operation_has_an_id_of_its_own(document: Json) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_does(document: Json) -> None:
    silent = [name for name, told in operations(document).items() if not (told["summary"] and told.get("description"))]
    assert silent == []


def test_a_summary_is_a_clause_in_plain_words(document: Json) -> None:
    summaries = {name: operation["summary"] for name, operation in operations(document).items()}
    assert [name for name, told in summaries.items() if not re.fullmatch(r"[A-Z][^.:;]{5,80}", told)] == []
    assert summaries["GET /api/v1/users/me"] == "Read one's own account"


def test_every_operation_says_whether_it_wants_a_token(document: Json) -> None:
    public = {name for name, operation in operations(document).items() if operation["security"] == []}
    assert public == {
        *("POST /api/v1/users", "POST /api/v1/auth/login", "POST /api/v1/auth/token", "POST /api/v1/auth/refresh"),
        *("GET /.well-known/jwks.json", "GET /health", "GET /healthz", "GET /readyz", "GET /metrics"),
    }


@pytest.mark.parametrize("path", [resource.collection for resource in RESOURCES if resource.paged])
def test_a_page_is_as_long_as_its_limit_allows(document: Json, path: str) -> None:
    longest = parameters(document)[f"GET {path} limit"]["schema"]["maximum"]
    page = responses(document)[f"GET {path} 200"]["content"][JSON]["schema"]["$ref"].rpartition("/")[2]
    assert re.fullmatch("[A-Z][a-z]+Page", page)
    assert document["components"]["schemas"][page]["properties"]["items"]["maxItems"] == longest


def test_every_operation_stands_under_one_tag_and_every_tag_is_described(document: Json) -> None:
    used = [operation["tags"] for operation in operations(document).values()]
    assert all(len(tags) == 1 for tags in used)
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert described == {tag for tags in used for tag in tags}


def test_every_parameter_is_described_and_shows_a_value(document: Json) -> None:
    found = parameters(document)
    assert [name for name, told in found.items() if not told.get("description")] == []
    assert [name for name, told in found.items() if not shows_a_value(told["schema"])] == []


def test_a_text_in_an_address_has_no_nul(document: Json) -> None:
    """What every query refuses, every schema of one says."""
    loose = [
        name
        for name, parameter in parameters(document).items()
        for part in subschemas(parameter["schema"])
        if parameter["in"] != "header" and part.get("type") == "string"
        if not {"pattern", "enum", "format"} & part.keys()
    ]
    assert loose == []


def test_every_field_is_described_and_shows_a_value(document: Json) -> None:
    found = {name: schema for name, schema in fields(document).items() if "$ref" not in schema}
    assert [name for name, schema in found.items() if not schema.get("description")] == []
    assert [name for name, schema in found.items() if not shows_a_value(schema)] == []


def test_every_model_is_described(document: Json) -> None:
    assert [name for name, model in document["components"]["schemas"].items() if not model.get("description")] == []


def test_every_answer_is_described_in_words_of_ours(document: Json) -> None:
    stock = {"", "Successful Response", "Additional Response"}
    assert [name for name, response in responses(document).items() if response["description"] in stock] == []


def test_every_error_comes_in_both_media_types(document: Json) -> None:
    errors = {name: response for name, response in responses(document).items() if int(name.split()[-1]) >= 400}
    assert errors
    for name, response in errors.items():
        kinds = {kind: content["schema"]["$ref"].split("/")[-1] for kind, content in response["content"].items()}
        assert kinds == {JSON: "ErrorResponse", PROBLEM: "ProblemResponse"}, name


def test_every_answer_has_a_request_id(document: Json) -> None:
    without = [name for name, response in responses(document).items() if "X-Request-ID" not in response["headers"]]
    assert without == []


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ("`precondition_failed`", "ETag"),
        ("`request_in_progress`", "Retry-After"),
        ("`unavailable`", "Retry-After"),
        ("The caller has this version already.", "ETag"),
    ],
)
def test_answers_that_carry_a_header_say_so(document: Json, said: str, header: str) -> None:
    found = {name: response for name, response in responses(document).items() if said in response["description"]}
    assert found
    assert [name for name, response in found.items() if header not in response["headers"]] == []


@given(st.text(st.characters(max_codepoint=0xFF), max_size=300) | st.text('a"\\ ', max_size=300))
@example("k" * 255)
@example("k" * 256)
@example(f'"{"k" * 255}"')
@example(f'"{"k" * 256}"')
@example('"')
@example('""')
@example('"a')
def test_an_idempotency_key_is_taken_where_its_pattern_says_so(document: Json, value: str) -> None:
    key = value.strip(" \t")  # as it arrives: HTTP takes off the blanks around a header's value
    pattern = parameters(document)["POST /pets Idempotency-Key"]["schema"]["pattern"]
    assert (re.fullmatch(pattern, key) is not None) == is_key(key)


def is_key(header: str) -> bool:
    try:
        parse_key(header)
    except InvalidHeader:
        return False
    return True


def test_every_example_is_valid(document: Json) -> None:
    wrong = [
        (name, example)
        for name, schema in schemas(document).items()
        for part in subschemas(schema)
        for example in (*part.get("examples", ()), *([part["default"]] if "default" in part else ()))
        if not jsonschema_rs.is_valid({**part, "components": document["components"]}, example)
    ]
    assert wrong == []


def test_every_example_of_an_error_is_valid(document: Json) -> None:
    wrong = [
        (name, example)
        for name, response in responses(document).items()
        for content in response.get("content", {}).values()
        for example in content.get("examples", {}).values()
        if not jsonschema_rs.is_valid({**content["schema"], "components": document["components"]}, example["value"])
    ]
    assert wrong == []
