"""Many callers at once, over sockets against a server process."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import ServerProcess

CALLERS = 50
PATIENT = {"DB_POOL_TIMEOUT": "30", "DB_LOCK_TIMEOUT": "30", "DB_STATEMENT_TIMEOUT": "30"}


def spelled(number: int) -> str:
    """One title, each number in a case and white space of its own."""
    letters = (letter.upper() if number >> place & 1 else letter for place, letter in enumerate("fix bug"))
    return f"{' ' * number}{''.join(letters)}\t"


@pytest.mark.parametrize("storage", ["postgres", "sqlite-memory"])
async def test_of_all_who_create_one_title_one_does_and_the_others_are_told_which(
    serve: "Callable[..., ServerProcess]", storage: str
) -> None:
    server = serve(TASKS_STORAGE=storage, SERVICES="tasks", **PATIENT)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/tasks", json={"title": spelled(number)}) for number in range(CALLERS))
        )
        [stored] = (await client.get("/v1/tasks")).json()["items"]
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CALLERS - 1}
    for number, answer in enumerate(answers):
        if answer.status_code == 201:
            assert answer.json() == stored
        else:
            assert answer.json()["error"]["code"] == "duplicate_task"
            assert answer.json()["error"]["details"] == {"title": spelled(number), "existing_id": stored["id"]}
