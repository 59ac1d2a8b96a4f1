"""The served program that all hostile input is sent to."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.hostile.battery import Battery
from tests.hostile.calls import World
from tests.hostile.kinds import LIMIT
from tests.integration.kernel.http.conftest import SECRET, Server, start_server

settings.register_profile("long", max_examples=1_000, deadline=None)

__all__ = ["start_server"]  # the fixture


@pytest.fixture(scope="session")
def server(start_server: Callable[..., Server]) -> Server:
    """Does all that it is asked to, whoever asks; the events stay in their table."""
    settings = {"MAX_BODY_BYTES": str(LIMIT), "SECRET_KEY": SECRET, "BCRYPT_COST": "4", "RELAY": "false"}
    return start_server(**settings)


@pytest.fixture(scope="session")
def world(server: Server) -> World:
    """What there is to be called."""
    return World(server)


@pytest.fixture(scope="session")
def battery(server: Server, world: World) -> Iterator[Battery]:
    """What calls it."""
    battery = Battery(server, world)
    yield battery
    battery.close()
