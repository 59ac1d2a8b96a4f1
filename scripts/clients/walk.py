"""Walks all five services with the generated Python client; the first answer that surprises ends it.

BASE_URL says where the program is, ADMIN_EMAIL and ADMIN_PASSWORD who lets a new user in everywhere.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from httpx import Timeout
from mainstay_client import AuthenticatedClient, Client
from mainstay_client.api.configs import (
    create_application,
    create_configuration,
    list_applications,
    read_configuration,
    replace_configuration,
)
from mainstay_client.api.orders import close_order, confirm_order, create_order, list_orders, read_order
from mainstay_client.api.pets import create_pet, delete_pet, list_pets, read_pet, update_pet
from mainstay_client.api.tasks import create_task, delete_task, list_tasks, read_task, replace_task, update_task
from mainstay_client.api.users import list_sessions, login, logout, read_me, refresh, register_user, update_user
from mainstay_client.models.access_patch import AccessPatch
from mainstay_client.models.application_in import ApplicationIn
from mainstay_client.models.application_out import ApplicationOut
from mainstay_client.models.configuration_in import ConfigurationIn
from mainstay_client.models.configuration_in_config import ConfigurationInConfig
from mainstay_client.models.configuration_out import ConfigurationOut
from mainstay_client.models.configuration_put import ConfigurationPut
from mainstay_client.models.configuration_put_config import ConfigurationPutConfig
from mainstay_client.models.error_response import ErrorResponse
from mainstay_client.models.login import Login
from mainstay_client.models.nothing import Nothing
from mainstay_client.models.order_confirmation import OrderConfirmation
from mainstay_client.models.order_out import OrderOut
from mainstay_client.models.order_page import OrderPage
from mainstay_client.models.pet_in import PetIn
from mainstay_client.models.pet_out import PetOut
from mainstay_client.models.pet_page import PetPage
from mainstay_client.models.pet_patch import PetPatch
from mainstay_client.models.refresh import Refresh
from mainstay_client.models.session_list import SessionList
from mainstay_client.models.task_in import TaskIn
from mainstay_client.models.task_out import TaskOut
from mainstay_client.models.task_page import TaskPage
from mainstay_client.models.task_patch import TaskPatch
from mainstay_client.models.token_out import TokenOut
from mainstay_client.models.user_in import UserIn
from mainstay_client.models.user_out import UserOut
from mainstay_client.types import Response

BASE_URL = os.environ["BASE_URL"]
PASSWORD = f"walk-{uuid4()}"
T = TypeVar("T")


class SurprisingAnswer(Exception):
    """Something else than the document promises, or than the walk has just brought about."""


def expect(thing: object, wanted: object) -> None:
    """Raises SurprisingAnswer where it is another."""
    if thing != wanted:
        raise SurprisingAnswer(f"{thing!r} in place of {wanted!r}")


def answered(response: Response[Any], status: int, kind: type[T]) -> T:
    """The body of an answer with this status. Raises SurprisingAnswer."""
    expect((int(response.status_code), type(response.parsed).__name__), (status, kind.__name__))
    assert isinstance(response.parsed, kind)  # noqa: S101 - tells the type, which is checked above
    return response.parsed


def done(response: Response[Any]) -> None:
    """Raises SurprisingAnswer where it is not 204."""
    expect(int(response.status_code), 204)


def refused(response: Response[Any], status: int, code: str) -> None:
    """Raises SurprisingAnswer where the answer is not this error."""
    expect(answered(response, status, ErrorResponse).error.code, code)


def etag(response: Response[Any]) -> str:
    """The version that the answer carries."""
    return response.headers["ETag"]


def signed_in(email: str, password: str) -> tuple[AuthenticatedClient, TokenOut]:
    """A client of this user's, and the tokens."""
    with Client(base_url=BASE_URL) as client:
        tokens = answered(login.sync_detailed(client=client, body=Login(email, password)), 200, TokenOut)
    return AuthenticatedClient(base_url=BASE_URL, token=tokens.access_token), tokens


def enter() -> tuple[str, AuthenticatedClient, TokenOut]:
    """Register, be let in everywhere by an admin, sign in."""
    email = f"{uuid4()}@example.com"
    with Client(base_url=BASE_URL) as nobody:
        body = UserIn(email=email, password=PASSWORD, full_name="Ada Lovelace")
        user = answered(register_user.sync_detailed(client=nobody, body=body), 201, UserOut)
        refused(register_user.sync_detailed(client=nobody, body=body), 409, "email_taken")
        wrong = Login(email, "not-the-password")
        refused(login.sync_detailed(client=nobody, body=wrong), 401, "invalid_credentials")
    access = AccessPatch(scopes=["pets:*", "tasks:*", "configs:*", "orders:*"], tenant=f"tenant-{uuid4()}")
    admin, _ = signed_in(os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"])
    with admin:
        changed = update_user.sync_detailed(user.id, client=admin, body=access, if_match='"1"')
        expect(answered(changed, 200, UserOut).version, 2)
    return email, *signed_in(email, PASSWORD)


def walk_pets(client: AuthenticatedClient) -> None:
    """Create, read, change, list and delete."""
    species = f"cat {uuid4()}"
    created = create_pet.sync_detailed(
        client=client, body=PetIn(name="Mittens", species=species, age_years=2), idempotency_key=str(uuid4())
    )
    pet = answered(created, 201, PetOut)
    read = read_pet.sync_detailed(pet.id, client=client)
    expect((answered(read, 200, PetOut), etag(read)), (pet, etag(created)))
    expect(int(read_pet.sync_detailed(pet.id, client=client, if_none_match=etag(read)).status_code), 304)
    sold = PetPatch(status="sold")
    changed = update_pet.sync_detailed(pet.id, client=client, body=sold, if_match=etag(read))
    expect(answered(changed, 200, PetOut).status, "sold")
    stale = update_pet.sync_detailed(pet.id, client=client, body=sold, if_match=etag(read))
    refused(stale, 412, "precondition_failed")
    page = answered(list_pets.sync_detailed(client=client, species=species, status="sold"), 200, PetPage)
    expect(([found.id for found in page.items], page.field_meta.total), ([pet.id], 1))
    done(delete_pet.sync_detailed(pet.id, client=client, if_match=etag(changed)))
    refused(read_pet.sync_detailed(pet.id, client=client), 404, "pet_not_found")


def walk_tasks(client: AuthenticatedClient) -> None:
    """The same, where a title is there once."""
    title, assignee = f"Walk {uuid4()}", f"ada {uuid4()}"
    created = create_task.sync_detailed(client=client, body=TaskIn(title=title, assignee=assignee, priority=4))
    task = answered(created, 201, TaskOut)
    again = create_task.sync_detailed(client=client, body=TaskIn(title=title.upper()))
    refused(again, 409, "duplicate_task")
    replaced = replace_task.sync_detailed(
        task.id, client=client, body=TaskIn(title=title, assignee=assignee), if_match=etag(created)
    )
    expect(answered(replaced, 200, TaskOut).priority, 3)
    finished = TaskPatch(status="completed")
    changed = update_task.sync_detailed(task.id, client=client, body=finished, if_match=etag(replaced))
    expect(answered(changed, 200, TaskOut).completed_at is None, False)  # noqa: FBT003 - what is expected
    page = list_tasks.sync_detailed(client=client, assignee=assignee, status=["new", "completed"])
    expect([found.id for found in answered(page, 200, TaskPage).items], [task.id])
    done(delete_task.sync_detailed(task.id, client=client, if_match=etag(changed)))
    refused(read_task.sync_detailed(task.id, client=client), 404, "task_not_found")


def walk_configs(client: AuthenticatedClient) -> None:
    """Create, read, list, and see a change by watching."""
    body = ApplicationIn(name=f"checkout {uuid4()}")
    application = answered(create_application.sync_detailed(client=client, body=body), 201, ApplicationOut)
    first = ConfigurationInConfig.from_dict({"retries": 3})
    created = create_configuration.sync_detailed(
        client=client, body=ConfigurationIn(application_id=application.id, name="production", config=first)
    )
    one = answered(created, 201, ConfigurationOut).id
    everything = list_applications.sync_detailed(client=client)
    mine = [found for found in answered(everything, 200, list) if found.id == application.id]
    expect([found.configuration_ids for found in mine], [[one]])
    unchanged = read_configuration.sync_detailed(one, client=client, wait=1, if_none_match=etag(created))
    expect(int(unchanged.status_code), 304)
    client = client.with_timeout(Timeout(30))
    second = ConfigurationPut(name="production", config=ConfigurationPutConfig.from_dict({"retries": 5}))
    with ThreadPoolExecutor(1) as watcher:
        watch = watcher.submit(
            read_configuration.sync_detailed, one, client=client, wait=20, if_none_match=etag(created)
        )
        replaced = replace_configuration.sync_detailed(one, client=client, body=second, if_match=etag(created))
        seen = watch.result()
    expect(answered(seen, 200, ConfigurationOut), answered(replaced, 200, ConfigurationOut))
    expect(answered(seen, 200, ConfigurationOut).config["retries"], 5)
    expect(etag(seen), etag(replaced))


def walk_orders(client: AuthenticatedClient) -> None:
    """One order for a key however often it is asked for, confirmed and closed; all of them page by page."""
    keys = [str(uuid4()) for _ in range(3)]
    orders = [
        answered(create_order.sync_detailed(client=client, body=Nothing(), idempotency_key=key), 201, OrderOut)
        for key in keys
    ]
    replayed = create_order.sync_detailed(client=client, body=Nothing(), idempotency_key=keys[0])
    expect(answered(replayed, 201, OrderOut), orders[0])
    expect(replayed.headers["Idempotency-Replayed"], "true")
    order = orders[0].id
    refused(close_order.sync_detailed(order, client=client), 409, "invalid_state")
    confirmed = confirm_order.sync_detailed(
        order, client=client, body=OrderConfirmation(total_cents=5000), if_match=etag(replayed)
    )
    expect(answered(confirmed, 200, OrderOut).total_cents, 5000)
    closed = close_order.sync_detailed(order, client=client, if_match=etag(confirmed))
    expect(answered(closed, 200, OrderOut).status, "closed")
    expect(answered(read_order.sync_detailed(order, client=client), 200, OrderOut), closed.parsed)
    first = answered(list_orders.sync_detailed(client=client, limit=2), 200, OrderPage)
    second = answered(list_orders.sync_detailed(client=client, limit=2, cursor=first.next_cursor), 200, OrderPage)
    expect(
        [found.id for found in (*first.items, *second.items)],
        sorted((found.id for found in orders), reverse=True),  # ids are in the order of time
    )
    expect(second.next_cursor, None)


def leave(client: AuthenticatedClient, tokens: TokenOut) -> None:
    """Exchange the refresh token, then leave: what was had before is worth nothing afterwards."""
    with Client(base_url=BASE_URL) as nobody:
        exchanged = refresh.sync_detailed(client=nobody, body=Refresh(tokens.refresh_token))
        pair = answered(exchanged, 200, TokenOut)
        with AuthenticatedClient(base_url=BASE_URL, token=pair.access_token) as renewed:
            sessions = answered(list_sessions.sync_detailed(client=renewed), 200, SessionList)
            expect([session.current for session in sessions.items], [True])
            done(logout.sync_detailed(client=renewed))
        again = refresh.sync_detailed(client=nobody, body=Refresh(pair.refresh_token))
        refused(again, 401, "invalid_refresh_token")
    refused(read_me.sync_detailed(client=client), 401, "invalid_token")


def main() -> None:
    """The whole way."""
    email, client, tokens = enter()
    with client:
        expect(answered(read_me.sync_detailed(client=client), 200, UserOut).email, email)
        walk_pets(client)
        walk_tasks(client)
        walk_configs(client)
        walk_orders(client)
        leave(client, tokens)
    print(f"{email} has walked all five services with the Python client")  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
