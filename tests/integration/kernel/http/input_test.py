"""Hostile input in every place it fits: a clear 4xx in the envelope, nothing written, nothing echoed, never a 5xx."""

import json
from collections.abc import Callable
from typing import Any

import pytest

MARK = "hunter2"  # stands in what is refused, and never comes back
GOOD = b'{"name": "hunter2", "species": "cat"}'
DEEP = 65

# rule, text
NO_JSON: list[tuple[str | None, bytes]] = [
    ("json_invalid", b'{"name": "hunter2\0", "species": "cat"}'),
    ("json_nul", rb'{"name": "hunter2\u0000", "species": "cat"}'),
    ("json_nul", rb'{"name": "a", "species": "cat", "hunter2\u0000": 1}'),
    ("json_surrogate", rb'{"name": "hunter2\ud800", "species": "cat"}'),
    ("json_surrogate", rb'{"name": "hunter2\udc00\ud800", "species": "cat"}'),
    ("json_surrogate", rb'{"name": "a", "species": "cat", "hunter2\udfff": 1}'),
    ("json_constant", b'{"name": "hunter2", "species": "cat", "age_years": NaN}'),
    ("json_constant", b'{"name": "hunter2", "species": "cat", "age_years": Infinity}'),
    ("json_constant", b'{"name": "hunter2", "species": "cat", "age_years": -Infinity}'),
    ("json_number", b'{"name": "hunter2", "species": "cat", "age_years": 1E400}'),
    ("json_integer", b'{"name": "hunter2", "species": "cat", "age_years": 9223372036854775808}'),
    ("json_integer", b'{"name": "hunter2", "species": "cat", "age_years": -9223372036854775809}'),
    ("json_integer", b'{"name": "hunter2", "species": "cat", "age_years": 99999999999999999999}'),
    ("json_integer", b'{"name": "hunter2", "species": "cat", "age_years": ' + b"9" * 5000 + b"}"),
    ("json_encoding", b'{"name": "hunter2\xff", "species": "cat"}'),
    ("json_encoding", b'{"name": "hunter2\xed\xa0\x80", "species": "cat"}'),
    ("json_encoding", '{"name": "hunter2é", "species": "cat"}'.encode("latin-1")),
    ("json_encoding", GOOD.decode().encode("utf-16")),
    ("json_invalid", b"\xef\xbb\xbf" + GOOD),
    ("json_duplicate_key", b'{"name": "hunter2", "species": "cat", "name": "hunter2"}'),
    ("json_duplicate_key", rb'{"name": "hunter2", "species": "cat", "n\u0061me": "hunter2"}'),
    ("json_depth", b'{"name": "hunter2", "species": ' + b"[" * DEEP + b"]" * DEEP + b"}"),
    ("json_depth", b'{"name": "hunter2", "species": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}"),
    ("json_invalid", b'{"name": "hunter2", "species": "cat"'),
    ("json_invalid", b'{"name": "hunter2", "species": "cat",}'),
    ("json_invalid", b"{'name': 'hunter2', 'species': 'cat'}"),
    ("json_invalid", b'{"name": "hunter2", "species": "cat"} // hunter2'),
    ("json_invalid", GOOD * 2),
    ("json_invalid", b"name=hunter2&species=cat"),
    ("json_invalid", b"hunter2"),
    ("json_invalid", b" "),
]
NO_PET: list[tuple[str | None, bytes]] = [
    ("missing", b""),
    ("missing", b"null"),
    (None, b"[]"),
    (None, b'"hunter2"'),
    (None, b"7"),
    (None, b'[{"name": "hunter2", "species": "cat"}]'),
    ("extra_forbidden", b'{"name": "a", "species": "cat", "hunter2 ": 1}'),
    ("extra_forbidden", b'{"name": "a", "species": "cat", "colour": "hunter2"}'),
    ("extra_forbidden", b'{"name": "a", "species": "cat", "id": 7}'),
    ("extra_forbidden", b'{"name": "a", "species": "cat", "Name": "hunter2"}'),
    ("extra_forbidden", b'{"name": "a", "species": "cat", "__proto__": {"hunter2": 1}}'),
    ("int_type", b'{"name": "hunter2", "species": "cat", "age_years": true}'),
    ("int_type", b'{"name": "hunter2", "species": "cat", "age_years": "7"}'),
    ("int_type", b'{"name": "hunter2", "species": "cat", "age_years": 7.0}'),
    ("int_type", b'{"name": "hunter2", "species": "cat", "age_years": 1e1}'),
    ("int_type", b'{"name": "hunter2", "species": "cat", "age_years": [7]}'),
    ("string_type", b'{"name": 7, "species": "cat"}'),
    ("string_type", b'{"name": true, "species": "cat"}'),
    ("string_type", b'{"name": null, "species": "cat"}'),
    ("string_type", b'{"name": {"hunter2": 1}, "species": "cat"}'),
    ("literal_error", b'{"name": "a", "species": "cat", "status": "hunter2"}'),
    ("literal_error", b'{"name": "a", "species": "cat", "status": "Sold"}'),
    ("literal_error", b'{"name": "a", "species": "cat", "status": null}'),
]
WRITES = [("POST", "/pets"), ("PUT", "/pets/{pet_id}"), ("PATCH", "/pets/{pet_id}")]

Refuse = Callable[..., dict[str, Any]]


@pytest.fixture
def refuse(server: Any, caller: Any, documented: Callable[[str, str], set[int]]) -> Refuse:
    """Send bytes and look at all that a refusal promises; answers the error."""

    def refuse(
        sent: bytes, status: int, operation: tuple[str, str] | None = None, *, closes: bool = False
    ) -> dict[str, Any]:
        before = server.written()
        caller.send(sent)
        answer = caller.answer()
        assert answer.status == status, answer.body
        assert MARK not in answer.body.decode() + str(answer.headers)
        error: dict[str, Any] = answer.error
        if operation is not None:
            assert status in documented(*operation)
        if closes:
            assert answer.headers["connection"] == "close"
            assert caller.is_closed()
        else:
            assert caller.lives()
        assert server.written() == before
        return error

    return refuse


def rules(error: dict[str, Any]) -> list[str]:
    return [finding["type"] for finding in error["details"]["errors"]]


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(("rule", "body"), NO_JSON + NO_PET)
def test_a_body_that_cannot_be_taken(
    refuse: Refuse, request_bytes: Any, method: str, path: str, rule: str | None, body: bytes
) -> None:
    target = path.format(pet_id=1)
    error = refuse(request_bytes(method, target, 'If-Match: "1"', body=body), 422, (method, path))
    assert error["code"] == "validation_error"
    assert len(rules(error)) == 1 or body.startswith(b'{"name": "a"')
    assert rule is None or rule in rules(error)
    assert all(finding["loc"][0] == "body" for finding in error["details"]["errors"])


@pytest.mark.parametrize(
    "body",
    [
        rb'{"name": "\ud83d\ude3a", "species": "cat"}',
        rb'{"name": "a\\u0000", "species": "cat"}',
        b'{"name": "\xef\xbb\xbf", "species": "cat"}',
        b'{"name": "a", "species": "cat", "age_years": -0}',
        b'{"name": "[[[[", "species": "' + b"[" * 64 + b'"}',
        b' \r\n\t{"name": "\xe2\x80\xae a ", "species": "cat"} ',
        rb'{"name": "%_\\\" \u0001", "species": "\u2028"}',
        b'{"species": "cat", "name": "a", "age_years": null, "status": "sold"}',
    ],
)
def test_a_body_that_only_looks_odd_is_kept_as_it_was_sent(caller: Any, request_bytes: Any, body: bytes) -> None:
    caller.send(request_bytes("POST", "/pets", body=body))
    answer = caller.answer()
    assert answer.status == 201
    sent, kept = json.loads(body), json.loads(answer.body)
    assert {name: kept[name] for name in sent} == sent
    caller.send(request_bytes("GET", answer.headers["location"]))
    assert json.loads(caller.answer().body) == kept


@pytest.mark.parametrize(
    "query",
    [
        *("limit", "limit=", "limit=0", "limit=201", "limit=-1", "limit=+5", "limit=%2B5", "limit=5.0", "limit=1e1"),
        *("limit=0x1", "limit=005", "limit=%205", "limit=5%20", "limit=5%0A", "limit=true", "limit=null", "limit=1_0"),
        *("limit=9223372036854775808", "limit=99999999999999999999", f"limit={'9' * 5000}", "limit=%D9%A1"),
        *(
            "offset=-1",
            "offset=9223372036854775808",
            "limit=1&limit=1",
            "limit=1&limit=2",
            "limit=1&&offset=0&offset=0",
        ),
        *(
            "LIMIT=1",
            "colour=hunter2",
            "hunter2%20",
            "<hunter2>=1",
            "=1",
            "limit[]=1",
            "limit%20=1",
            "limit=1;offset=hunter2",
        ),
        *(
            "limit=1%26offset=0",
            "?limit=1",
            "%3Flimit=1",
            "sort=hunter2",
            "sort=",
            "sort=NAME",
            "sort=name,id",
            "sort=--name",
        ),
        *("status=hunter2", "status=Sold", "status=", "species=cat&species=dog", "status=sold&status=sold", "_meta=1"),
    ],
)
def test_a_query_that_is_not_allowed(refuse: Refuse, request_bytes: Any, query: str) -> None:
    error = refuse(request_bytes("GET", f"/pets?{query}"), 422, ("GET", "/pets"))
    assert error["code"] == "validation_error"
    assert [finding["loc"][0] for finding in error["details"]["errors"]] == ["query"]


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "&",
            "&&",
            "limit=1&",
            "limit=200",
            "offset=9223372036854775807",
            "limit=%31",
            "li%6Dit=1",
            "species=",
            "species",
        ),
        *(
            "species=a+b",
            "species=%25",
            "species=%",
            "species=%zz",
            "species=_",
            "species=%5C",
            "species='",
            "species=%F0%9F%98%BA",
        ),
        *(
            "species=a%26b%3Dc",
            "species=a=b",
            "species=a;b",
            "species=%EF%BF%BD",
            "species=?",
            f"species={'a' * 60_000}",
        ),
    ],
)
def test_a_query_that_only_looks_odd(caller: Any, request_bytes: Any, query: str) -> None:
    caller.send(request_bytes("GET", f"/pets?{query}"))
    answer = caller.answer()
    assert answer.status == 200
    assert caller.lives()


@pytest.mark.parametrize("name", ["%", "_", "\\", "cat%", "c_t", "CAT"])
def test_signs_of_a_pattern_are_plain_characters_in_a_filter(server: Any, name: str) -> None:
    found = server.client.get("/pets", params={"species": name}).json()
    assert bool(found["items"]) == (name == "CAT")


@pytest.mark.parametrize(
    ("status", "pet_id"),
    [
        *[
            (422, sent)
            for sent in (
                "hunter2",
                "0",
                "-1",
                "-0",
                "1.0",
                "01",
                "+1",
                "%2B1",
                "1e1",
                "0x1",
                "1_0",
                "true",
                "null",
                ".",
                "..",
            )
        ],
        *[
            (422, sent)
            for sent in (
                "%20",
                "1%20",
                "1%0A",
                "%2e",
                "%2e%2e",
                "%zz",
                "%",
                "1;x=hunter2",
                "%D9%A1",
                "1,2",
                "*",
                "%EF%BF%BD",
                "%2A",
            )
        ],
        *[
            (422, sent)
            for sent in (
                "9223372036854775808",
                "-9223372036854775809",
                "99999999999999999999",
                "9" * 5000,
                "a" * 60_000,
            )
        ],
        *[(400, sent) for sent in ("%00", "1%00", "hunter2%00", "%ff", "%c0%80", "%ed%a0%80", "%e2%82")],
        (404, "9223372036854775807"),
        (404, "999"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_path_that_names_no_pet(refuse: Refuse, request_bytes: Any, method: str, status: int, pet_id: str) -> None:
    body = b'{"name": "a", "species": "b"}' if method in {"PUT", "PATCH"} else None
    error = refuse(
        request_bytes(method, f"/pets/{pet_id}", 'If-Match: "1"', body=body), status, (method, "/pets/{pet_id}")
    )
    assert error["code"] == {400: "bad_request", 404: "pet_not_found", 422: "validation_error"}[status]


@pytest.mark.parametrize(
    "target",
    [
        *("/hunter2", "//pets", "/pets/", "/pets//", "/pets/1/", "/pets/../pets", "/pets/%2e%2e/pets", "/pets/1%2F"),
        *(
            "/PETS",
            "/pets%20",
            "/pets;a=1",
            "/",
            "*",
            "/.",
            "/%2fpets",
            "/pets\\1",
            f"/{'a' * 60_000}",
            "/docs/",
            "/metrics/",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_where_there_is_nothing(refuse: Refuse, request_bytes: Any, method: str, target: str) -> None:
    assert refuse(request_bytes(method, target), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    "target",
    [
        "/pets/1",
        "/pets/%31",
        "/%70ets/1",
        "/pets%2F1",
        "http://other.example/pets/1",
        "https://other.example:8443/pets/1?",
    ],
)
def test_the_spellings_of_one_address(caller: Any, request_bytes: Any, target: str) -> None:
    caller.send(request_bytes("GET", target))
    answer = caller.answer()
    assert answer.status == 200
    assert answer.headers["ETag"] == '"1"'
