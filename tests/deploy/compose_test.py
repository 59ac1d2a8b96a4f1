"""compose.yaml: what it says, and that its commands do it, as processes. The GitHub workflow runs it with Docker."""

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from mainstay.settings import Settings, load_settings
from tests.conftest import wait_for
from tests.deploy.conftest import STOP_SECONDS, Container
from tests.deploy.documents import ROOT, SETTINGS, compose, healthcheck, image, stages

PROGRAM = ("api", "relay")
PET = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "available"}


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def command_of(name: str) -> list[str]:
    return [*image().words("ENTRYPOINT"), *service(name).get("command", image().words("CMD"))]


def environment_of(name: str, database_url: str) -> dict[str, str]:
    """As the file has it, on another database and a free port."""
    return {**service(name)["environment"], "DATABASE_URL": database_url, "APP_PORT": "0"}


def brought_by(name: str) -> set[str]:
    """The services that start along with one."""
    needed = service(name).get("depends_on", {})
    return {name}.union(*(brought_by(other) for other in needed))


# What it says


def test_the_services_are_those_promised() -> None:
    assert set(compose()["services"]) == {"db", "api", "relay", "tests"}


def test_the_api_serves_and_the_relay_relays() -> None:
    assert command_of("api") == ["mainstay", "serve"]
    assert command_of("relay") == ["mainstay", "relay"]


def test_the_api_brings_its_database_and_the_relay_and_no_more() -> None:
    assert brought_by("api") == {"api", "db", "relay"}
    assert service("tests")["profiles"] == ["tests"]


@pytest.mark.parametrize("name", ["api", "relay", "tests"])
def test_what_needs_the_database_waits_for_it(name: str) -> None:
    assert service(name)["depends_on"]["db"] == {"condition": "service_healthy"}
    assert service("db")["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_the_database_is_postgresql_16_on_port_5433() -> None:
    assert service("db")["image"] == "postgres:16"
    assert service("db")["ports"] == ["127.0.0.1:5433:5432"]


def test_the_api_is_on_port_8000() -> None:
    port = Settings.model_fields["app_port"].default
    assert service("api")["ports"] == [f"127.0.0.1:8000:{port}"]
    assert image().only("EXPOSE") == str(port)


@pytest.mark.parametrize("name", PROGRAM)
def test_every_variable_is_a_setting_and_its_value_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = service(name)["environment"]
    assert environment.keys() <= SETTINGS
    assert [value for value in environment.values() if not isinstance(value, str)] == []
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.app_env == "dev"
    assert settings.relay is (name == "relay")
    assert settings.effective_auth_mode == "open"


@pytest.mark.parametrize(
    ("name", "variable"), [("api", "DATABASE_URL"), ("relay", "DATABASE_URL"), ("tests", "TEST_DATABASE_URL")]
)
def test_the_url_names_the_database_of_the_file(name: str, variable: str) -> None:
    url, database = urlsplit(service(name)["environment"][variable]), service("db")["environment"]
    assert (url.hostname, url.port) == ("db", 5432)
    assert (url.username, url.password) == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"])
    assert url.path[1:] == ("postgres" if name == "tests" else database["POSTGRES_DB"])


def test_the_tests_find_their_server_where_the_file_says() -> None:
    assert service("tests")["environment"].keys() == {"TEST_DATABASE_URL"}
    assert 'os.environ.get("TEST_DATABASE_URL")' in (ROOT / "tests" / "conftest.py").read_text()


def test_the_database_has_connections_for_all_tests_at_once() -> None:
    assert service("db")["command"] == ["postgres", "-c", "max_connections=400"]


def test_no_secret_of_the_programs_stands_in_the_file() -> None:
    assert "SECRET" not in (ROOT / "compose.yaml").read_text()


def test_what_is_kept_is_in_volumes_that_go_with_it() -> None:
    mounts = [mount for name in compose()["services"] for mount in service(name).get("volumes", [])]
    assert {mount.split(":")[0] for mount in mounts} == set(compose()["volumes"])
    assert all(volume is None for volume in compose()["volumes"].values())  # not external: `down -v` removes it
    assert f"data:{image().pairs('ENV')['DATA_DIR']}" in service("api")["volumes"]


@pytest.mark.parametrize("name", ["db", "api", "relay", "tests"])
def test_no_container_can_do_more_than_it_needs(name: str) -> None:
    assert service(name)["cap_drop"] == ["ALL"]
    assert service(name)["security_opt"] == ["no-new-privileges:true"]
    assert not service(name).keys() & {"cap_add", "privileged", "network_mode", "pid"}


@pytest.mark.parametrize("name", PROGRAM)
def test_the_program_can_write_to_little_and_take_little(name: str) -> None:
    assert service(name)["read_only"] is True
    assert service(name)["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    assert service(name).keys() >= {"mem_limit", "pids_limit"}


@pytest.mark.parametrize("name", PROGRAM)
def test_the_program_has_the_time_that_it_takes_to_stop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", service(name)["environment"]["DATABASE_URL"])
    settings = load_settings()
    assert (
        int(service(name)["stop_grace_period"].removesuffix("s")) > settings.drain_seconds + settings.graceful_timeout
    )


def test_the_targets_are_stages_of_the_dockerfile() -> None:
    assert service("api")["build"] == service("relay")["build"] == "."
    assert service("tests")["build"]["target"] in {stage.name for stage in stages()}


def test_docker_reads_the_file() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    told = subprocess.run(
        ["docker", "compose", "--profile", "tests", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(json.loads(told.stdout)["services"]) == set(compose()["services"])


# What it does


def port_of(container: Container) -> str:
    address: str = wait_for(lambda: container.address)
    return str(urlsplit(address).port)


def test_the_api_migrates_and_serves_and_stops_in_good_order(
    contain: Callable[..., Container], empty_database_url: str
) -> None:
    api = contain(command_of("api"), **environment_of("api", empty_database_url))
    port = port_of(api)
    assert httpx.get(f"http://127.0.0.1:{port}/readyz").json()["status"] == "ready"
    assert (api.folder / "secret_key").stat().st_mode & 0o777 == 0o600
    assert api.execute(healthcheck(), APP_PORT=port, http_proxy="http://127.0.0.1:1") == 0
    assert api.stop() == 0
    assert api.execute(healthcheck(), APP_PORT=port) == 1


def test_the_relay_migrates_where_it_comes_first_and_sends_what_the_api_leaves_to_it(
    contain: Callable[..., Container], empty_database_url: str
) -> None:
    relay = contain(command_of("relay"), **environment_of("relay", empty_database_url))
    wait_for(lambda: "relay: active" in relay.log)
    api = contain(command_of("api"), **environment_of("api", empty_database_url), MIGRATE_ON_START="false")
    assert httpx.post(f"http://127.0.0.1:{port_of(api)}/pets", json=PET).status_code == 201
    wait_for(lambda: "pet.created" in relay.log)
    assert (relay.stop(), api.stop()) == (0, 0)
    assert "pet.created" not in api.log


@pytest.mark.parametrize("name", PROGRAM)
def test_without_its_database_it_ends_and_says_so(contain: Callable[..., Container], name: str) -> None:
    container = contain(command_of(name), **environment_of(name, "postgresql://mainstay:mainstay@127.0.0.1:1/mainstay"))
    assert container.process.wait(STOP_SECONDS) not in {0, -signal.SIGTERM}
    assert "mainstay: The database cannot be used" in container.log


def test_the_health_check_does_not_wait_for_who_never_answers(contain: Callable[..., Container]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        asked = contain(healthcheck(), APP_PORT=str(mute.getsockname()[1]))
        assert asked.process.wait(STOP_SECONDS) == 1
    assert "TimeoutError" in asked.log


def test_the_health_check_wants_a_good_answer(contain: Callable[..., Container]) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as refusing:  # answers 501 to every GET
        threading.Thread(target=refusing.handle_request).start()
        asked = contain(healthcheck(), APP_PORT=str(refusing.server_port))
        assert asked.process.wait(STOP_SECONDS) == 1
    assert asked.log == ""


def test_the_health_check_asks_at_the_default_port_where_none_is_set(contain: Callable[..., Container]) -> None:
    tell = "import http.client; http.client.HTTPConnection = lambda *place, **_: print(*place)"
    told = contain([*healthcheck()[:2], f"{tell}\n{healthcheck()[2]}"])
    assert told.process.wait(STOP_SECONDS) == 1
    assert told.log.startswith("127.0.0.1 8000")


def test_the_health_of_the_relay_is_not_asked_over_http() -> None:
    assert service("relay")["healthcheck"] == {"disable": True}
