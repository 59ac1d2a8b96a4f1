"""Reaching a server: the forms of its URL, the ways it cannot be reached, and a server that hangs and comes back."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.embedded import EmbeddedPostgres
from mainstay.kernel.db.engine import Database

SLACK = 0.5
"""Seconds that the machine may take for the other tests, which run beside these."""
PASSWORD = "p@ss/w:rd?#%20 ü"


class OwnPostgres(Protocol):
    """What the fixture `own_postgres` gives."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


@pytest.fixture(scope="module")
def socket_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the socket is of a server with the role `mainstay`, and with `visitor`, who has to give a password."""
    folder = tmp_path_factory.mktemp("connect") / "postgres"
    server = EmbeddedPostgres(folder, durable=False)
    url = server.start()
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text("local all visitor scram-sha-256\n" + rules.read_text())
    asyncio.run(add_roles(url))
    yield parse_qs(urlsplit(url).query)["host"][0]
    server.stop()


async def add_roles(url: str) -> None:
    session = await asyncpg.connect(url)
    password = await session.fetchval("SELECT quote_literal($1)", PASSWORD)
    await session.execute(f"CREATE ROLE visitor LOGIN PASSWORD {password}")
    await session.execute("CREATE ROLE recluse LOGIN CONNECTION LIMIT 1")
    await session.execute("SELECT pg_reload_conf()")
    await session.close()
    async with asyncio.timeout(10):
        with suppress(asyncpg.InvalidPasswordError):  # once the server has read the rules
            while True:
                await (await asyncpg.connect(url.replace("mainstay@", "visitor:wrong@"))).close()


async def answer(url: str) -> Any:
    """What a new pool's first statement gets."""
    async with Database(url, pool_min=1, pool_max=1) as database:
        return await database.fetch_text("SELECT 1")


# Forms of the URL


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://mainstay@/mainstay?host={socket}&port=5432",
        "postgres://mainstay@/mainstay?host={socket}",
        "postgresql://mainstay@/mainstay?host={socket}&sslmode=disable&channel_binding=prefer&connect_timeout=10",
        "postgresql://mainstay@/mainstay?host={socket}&sslmode=prefer&application_name=ours",
        "postgresql:///mainstay?host={socket}&user=mainstay",
        "postgresql:///?host={socket}&user=mainstay&dbname=mainstay",
        "postgresql://mainstay@{quoted}/mainstay",
        "postgresql://mainstay@/mainstay?host=/nowhere,{socket}&port=5432,5432",
        "postgresql://mainstay@/mainstay?host={socket}&target_session_attrs=read-write",
    ],
)
async def test_the_url_has_the_forms_of_libpq(socket_folder: str, form: str) -> None:
    assert await answer(form.format(socket=socket_folder, quoted=quote(socket_folder, safe=""))) == 1


async def test_the_password_is_percent_encoded(socket_folder: str) -> None:
    url = f"postgresql://visitor:{quote(PASSWORD, safe='')}@/mainstay?host={socket_folder}"
    assert await answer(url) == 1


# A server that cannot be reached


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A TCP port where connections are taken, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def closed_port() -> int:
    """A TCP port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def assert_unavailable(url: str) -> None:
    """Neither a start nor a statement gets through, both say so within two seconds, and no word of the password."""
    started = time.monotonic()
    database = Database(url)
    calls = [answer(url), *(database.fetch_text("SELECT 1") for _ in range(20))]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - started < 2 + SLACK
    for end in ends:
        assert isinstance(end, Unavailable)
        assert "secret" not in f"{end} {end.original_error}"


async def test_a_port_where_nobody_listens_is_unavailable(closed_port: int) -> None:
    await assert_unavailable(
        f"postgresql://mainstay:secret@127.0.0.1:{closed_port}/mainstay?sslmode=disable&channel_binding=prefer&connect_timeout=10"
    )


async def test_a_host_that_says_nothing_is_unavailable(silent_port: int) -> None:
    await assert_unavailable(
        f"postgresql://mainstay:secret@127.0.0.1:{silent_port}/mainstay?sslmode=disable&channel_binding=prefer&connect_timeout=10"
    )


async def test_a_socket_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    await assert_unavailable(f"postgresql://mainstay:secret@/mainstay?host={tmp_path}")


async def test_a_wrong_password_is_unavailable(socket_folder: str) -> None:
    await assert_unavailable(f"postgresql://visitor:secret@/mainstay?host={socket_folder}")


@pytest.mark.parametrize("who", ["mainstay@/nothing", "nobody:secret@/mainstay"])
async def test_a_database_or_a_role_that_is_not_there_is_unavailable(socket_folder: str, who: str) -> None:
    await assert_unavailable(f"postgresql://{who}?host={socket_folder}")


async def test_a_server_that_has_no_connection_left_is_unavailable_to_those_beyond(socket_folder: str) -> None:
    url = f"postgresql://recluse@/mainstay?host={socket_folder}"
    async with Database(url, pool_min=1, pool_max=3) as database:
        asked = [database.fetch_text("SELECT 1 FROM pg_sleep(0.1)") for _ in range(3)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(str(type(end).__name__) for end in ends) == ["Unavailable", "Unavailable", "int"]
        assert await database.fetch_text("SELECT 1") == 1


# A server that goes away and comes back


Calls = list[tuple[float, bool]]
"""The seconds that each call took, and its luck."""


@asynccontextmanager
async def load(database: Database) -> AsyncIterator[list[Calls]]:
    """Twice as many callers as there are connections, all the time. Yields the calls of each."""
    callers: list[Calls] = [[] for _ in range(20)]

    async def call(calls: Calls) -> None:
        while True:
            started = time.monotonic()
            try:
                served = await database.fetch_text("SELECT 1") == 1
            except Unavailable:
                served = False
            calls.append((time.monotonic() - started, served))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(calls)) for calls in callers]
        yield callers
        for task in tasks:
            task.cancel()


async def test_a_server_that_hangs_is_unavailable_within_two_seconds_and_back_at_once(
    own_postgres: OwnPostgres, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with Database(own_postgres.url) as database, load(database) as callers:

        def all_have_called(times: int) -> Callable[[], Awaitable[bool]]:
            heard = [len(calls) + times for calls in callers]

            async def called() -> bool:
                return all(len(calls) >= count for calls, count in zip(callers, heard, strict=True))

            return called

        await eventually(all_have_called(2))
        own_postgres.freeze()
        await eventually(all_have_called(1))  # may have been answered just before
        before = [len(calls) for calls in callers]
        await eventually(all_have_called(3))
        hung = [call for calls, count in zip(callers, before, strict=True) for call in calls[count:]]
        own_postgres.thaw()
        started = time.monotonic()
        await eventually(all_have_called(1))
        await eventually(all_have_called(1))
        assert time.monotonic() - started < 1 + SLACK
        assert {served for _, served in hung} == {False}
        assert max(seconds for calls in callers for seconds, _ in calls) < 2 + SLACK
        assert {calls[-1][1] for calls in callers} == {True}


async def test_a_server_that_is_restarted_is_noticed_only_while_it_is_away(
    own_postgres: OwnPostgres, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with Database(own_postgres.url) as database:

        async def nobody_listens() -> bool:
            with pytest.raises(Unavailable) as raised:
                await database.fetch_text("SELECT 1")
            return isinstance(raised.value.original_error, (FileNotFoundError, ConnectionRefusedError))

        for end in (own_postgres.stop, own_postgres.kill):
            answers = await asyncio.gather(*(database.fetch_text("SELECT 1") for _ in range(30)))
            assert answers == [1] * 30
            end()
            await eventually(nobody_listens)
            own_postgres.start()
        assert await database.fetch_text("SELECT 1") == 1


async def test_a_pool_does_not_wait_for_a_server_that_hangs_when_it_closes(own_postgres: OwnPostgres) -> None:
    async with Database(own_postgres.url, pool_min=10):
        own_postgres.freeze()
        started = time.monotonic()
    assert time.monotonic() - started < 2 + SLACK
