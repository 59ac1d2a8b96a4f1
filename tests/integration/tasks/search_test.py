"""GET /v1/tasks?q=: the longest search there may be, whatever it is made of."""

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST = 1000
CHARACTERS = pytest.mark.parametrize("character", ["x", "_", "%", "/", "\\", "'", "😀", "ΐ", "ﬃ"])


@CHARACTERS
async def test_a_search_of_the_longest_word_finds_it_and_nothing_else(
    client: httpx.AsyncClient, character: str
) -> None:
    word = character * LONGEST
    await client.post("/v1/tasks", json={"title": "one", "description": f"-{word.upper()}-"})
    await client.post("/v1/tasks", json={"title": "other", "description": f"{word[1:]} {word[1:]}"})
    page = (await client.get("/v1/tasks", params={"q": word})).json()
    assert [task["title"] for task in page["items"]] == ["one"]


@CHARACTERS
@pytest.mark.parametrize("length", [LONGEST + 1, 5 * LONGEST])
async def test_a_longer_one_is_refused(client: httpx.AsyncClient, character: str, length: int) -> None:
    response = await client.get("/v1/tasks", params={"q": character * length})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == [["query", "q"]]
