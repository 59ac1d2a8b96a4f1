"""What the listeners of this process hear of."""

from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from mainstay.kernel.core.events import Event, EventBus
from mainstay.services.users.domain import UserEvent
from tests.conftest import SetState

if TYPE_CHECKING:
    from tests.integration.users.http.conftest import Who

pytestmark = pytest.mark.asyncio(loop_scope="session")

USERS, ME = "/api/v1/users", "/api/v1/users/me"
PASSWORD = "correct-battery-horse"


async def test_listeners_hear_of_changes_that_end_sessions_as_of_all_others(
    app: FastAPI, client: httpx.AsyncClient, me: "Who", admin: "Who", set_state: SetState
) -> None:
    heard: list[tuple[str, int]] = []

    async def hear(event: Event) -> None:
        heard.append((event.type, event.aggregate_version))

    set_state(app, "bus", EventBus())
    app.state.bus.subscribe(hear, UserEvent)
    ada = (await client.patch(f"{ME}", json={"full_name": "Ada"}, headers=me)).json()
    change = {"current_password": PASSWORD, "new_password": "another-good-one"}
    assert (await client.post(f"{ME}/password", json=change, headers=me)).status_code == 204
    await client.patch(f"{USERS}/{ada['id']}", json={"is_active": False}, headers=admin)
    assert (await client.post(f"{ME}/password", json=change, headers=admin)).status_code == 204
    assert (await client.post(f"{ME}/password", json=change, headers=admin)).status_code == 401
    assert heard == [("user.updated", 2), ("user.updated", 3), ("user.updated", 4), ("user.updated", 2)]
