"""ETag, If-None-Match and HEAD (RFC 9110, sections 8.8.3, 13.1.2 and 9.3.2).

That every ETag is strong, spelled so and alone in its answer is looked at in each answer (conftest.py).
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_answer_with_one_resource_has_its_tag(api: "Api") -> None:
    created = await api.create()
    path = created.headers["location"].removeprefix(api.resource.collection)
    read = await api.call("GET", path)
    assert created.headers["etag"] == read.headers["etag"]
    changed = await api.change(path, {"If-Match": read.headers["etag"]})
    read_again = await api.call("GET", path)
    assert (created.status_code, read.status_code, changed.status_code) == (201, 200, 200)
    assert changed.headers["etag"] == read_again.headers["etag"] != read.headers["etag"]
    assert read.content == created.content
    assert read_again.content == changed.content


async def test_answers_without_one_resource_have_no_tag(api: "Api") -> None:
    path = await api.made()
    answers = [
        await api.call("GET"),
        await api.call("GET", f"/{api.resource.missing}"),
        await api.change(path, json=api.resource.invalid),
        await api.create(json=api.resource.invalid),
    ]
    assert ["etag" in answer.headers for answer in answers] == [False] * len(answers)


KNOWN = ["{tag}", "W/{tag}", "*", '"other", {tag}', '"other" , W/{tag}', "{tag},", '  {tag}\t, "other"']


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", KNOWN)
async def test_who_has_the_version_gets_304(api: "Api", method: str, known: str) -> None:
    path = await api.made()
    tag = await api.tag(path)
    response = await api.call(method, path, {"If-None-Match": known.format(tag=tag)})
    assert (response.status_code, response.headers["etag"]) == (304, tag)


async def test_several_lines_of_if_none_match_are_one_list(api: "Api") -> None:
    path = await api.made()
    tag = await api.tag(path)
    for lines in (['"other"', tag], [tag, '"other"']):
        response = await api.call("GET", path, [("If-None-Match", line) for line in lines])
        assert response.status_code == 304


async def test_a_bare_version_is_a_tag_too(api: "Api") -> None:
    path = await api.made()
    bare = (await api.tag(path)).strip('"')
    if not bare.isdecimal():
        pytest.skip("its tags are no version numbers")
    response = await api.call("GET", path, {"If-None-Match": bare})
    assert response.status_code == 304


@pytest.mark.parametrize("known", ['"other"', 'W/"other"', '"other", "another"', '"*"', '"0{bare}"', "{tag}x", '"é"'])
async def test_who_has_another_version_gets_the_resource(api: "Api", known: str) -> None:
    path = await api.made()
    tag = await api.tag(path)
    value = known.format(tag=tag, bare=tag.strip('"'))
    response = await api.call("GET", path, {"If-None-Match": value.encode("latin-1")})  # type: ignore[dict-item]
    assert (response.status_code, response.headers["etag"]) == (200, tag)


async def test_304_does_not_hide_that_a_resource_is_gone(api: "Api") -> None:
    response = await api.call("GET", f"/{api.resource.missing}", {"If-None-Match": "*"})
    assert response.status_code == 404


async def test_after_a_change_the_old_tag_is_no_longer_known(api: "Api") -> None:
    path = await api.made()
    tag = await api.tag(path)
    await api.change(path, {"If-Match": tag})
    assert (await api.call("GET", path, {"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize("path", ["", "one", "/{missing}", "?limit=0", "/no/such/path"])
async def test_head_is_get_without_the_body(api: "Api", path: str) -> None:
    if not api.resource.listed and path in {"", "?limit=0"}:
        pytest.skip("its collection cannot be read")
    path = await api.made() if path == "one" else path.format(missing=api.resource.missing)
    got = await api.call("GET", path)
    head = await api.call("HEAD", path, {"X-Request-ID": got.headers["x-request-id"]})
    assert head.status_code == got.status_code
    assert sorted(head.headers.raw) == sorted(got.headers.raw)
    assert head.content == b""
