"""One scrape answers for all workers, whichever of them is asked, and for those that were killed."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from mainstay.kernel.ops.shared_metrics import metrics_folder
from tests.conftest import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

REQUESTS = [("GET", "/pets", 200), ("GET", "/pets/1", 404), ("GET", "/healthz", 200), ("PUT", "/pets", 405)]
ROUTES = {"/pets/1": "/pets/{pet_id}"}

Start = Callable[..., Any]
Read = Callable[[str], Any]


def call(server: Any, method: str, path: str) -> int:
    """A request on a connection of its own, so that any worker may get it."""
    return httpx.request(method, f"{server.url}{path}", timeout=20, trust_env=False).status_code


def scrape(server: Any, scraped: Read) -> Any:
    return scraped(httpx.get(f"{server.url}/metrics", timeout=20, trust_env=False).text)


def workers(server: Any) -> list[int]:
    """Their process ids; the parent has another child, which looks after its semaphores."""
    parent = server.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something to do: who has just answered has by then counted that too."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Let a worker answer nothing, so that the other one has to."""
    wait_for(lambda: is_asleep(pid))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def asked_by_turns(server: Any, scraped: Read) -> list[Any]:
    """What each of two workers answers."""
    found = []
    for pid in workers(server):
        with stopped(pid):
            found.append(scrape(server, scraped))
    return found


def counted(scrape: Any) -> dict[tuple[str, str, str], float]:
    """Requests by method, route and status, but for the scrapes."""
    series = [(dict(labels), value) for (name, labels), value in scrape.values.items() if name == "http_requests_total"]
    return {(has["method"], has["route"], has["status"]): value for has, value in series if has["route"] != "/metrics"}


@pytest.fixture
def two(serve: Start) -> Any:
    """A server of two workers that both answer."""
    server = serve("--workers", "2", "--no-relay", SERVICES="pets")
    wait_for(lambda: server.log.count("listening on") == 2)
    return server


def test_either_worker_answers_for_both(two: Any, scraped: Read) -> None:
    number = 50
    for pid in workers(two):  # so that both have something to tell
        with stopped(pid):
            assert call(two, "GET", "/healthz") == 200
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(call, two, method, path) for method, path, _ in REQUESTS for _ in range(number)]
        assert Counter(each.result() for each in calls) == {200: 2 * number, 404: number, 405: number}
    wanted = {(method, ROUTES.get(path, path), str(status)): float(number) for method, path, status in REQUESTS}
    wanted["GET", "/healthz", "200"] += 2
    wait_for(lambda: sum(counted(scrape(two, scraped)).values()) == sum(wanted.values()))  # counted after the answer
    for found in asked_by_turns(two, scraped):
        assert counted(found) == wanted
        for (method, route, _), requests in wanted.items():
            labels = {"method": method, "route": route}
            assert found.value("http_request_duration_seconds_count", **labels) == requests
            assert found.value("http_request_duration_seconds_bucket", **labels, le="+Inf") == requests
        assert found.value("http_requests_in_flight") == 1  # the scrape itself
        assert found.total("db_query_duration_seconds_count", service="pets") == 3 * number  # a page is two
        assert found.value("db_pool_size", pool="main") == 20  # 10 of each
        assert found.value("db_pool_in_use", pool="main") == 0


def test_a_worker_that_is_killed_loses_no_count_and_leaves_nothing_in_flight(two: Any, scraped: Read) -> None:
    first, second = workers(two)
    with stopped(second), socket.create_connection(("127.0.0.1", urlsplit(two.url).port or 0)) as caller:
        for _ in range(5):
            assert call(two, "GET", "/pets/1") == 404
        caller.sendall(b"POST /pets HTTP/1.1\r\nHost: mainstay\r\nContent-Length: 2\r\n\r\n")  # and no body
        wait_for(lambda: scrape(two, scraped).value("http_requests_in_flight") == 2)
        os.kill(first, signal.SIGKILL)
    wait_for(lambda: two.log.count("listening on") == 3)
    with stopped(second):  # another has its place by now
        assert call(two, "GET", "/pets/1") == 404
    wait_for(lambda: scrape(two, scraped).total("http_requests_total", status="404") == 6)
    for found in asked_by_turns(two, scraped):
        assert found.value("http_request_duration_seconds_count", method="GET", route="/pets/{pet_id}") == 6
        assert found.value("http_requests_in_flight") == 1
        assert found.value("db_pool_size", pool="main") == 20


def folder_of(server: Any) -> Path:
    """Where its workers count."""
    (folder,) = {
        Path(line.split()[-1]).parent
        for line in Path(f"/proc/{workers(server)[0]}/maps").read_text().splitlines()
        if line.endswith(".db")
    }
    return folder


def test_the_folder_is_private_and_goes_with_the_server(two: Any) -> None:
    folder = folder_of(two)
    assert folder.stat().st_mode & 0o077 == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        f"{kind}_{place}.db" for kind in ("counter", "gauge_livesum", "histogram") for place in (0, 1)
    ]
    assert two.stop() == 0
    assert not folder.exists()


def test_the_folder_of_a_server_that_is_killed_goes_with_its_workers(two: Any) -> None:
    folder = folder_of(two)
    two.process.kill()
    wait_for(lambda: not folder.exists())


def test_a_folder_that_was_left_goes_at_the_next_start_and_no_other() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with metrics_folder() as folder:
        left = Path(folder).parent / f"mainstay-metrics-{ended.pid}-left"
        left.mkdir()
        (left / "counter_0.db").touch()
        with metrics_folder():
            assert not left.exists()
            assert Path(folder).is_dir()
    assert not Path(folder).exists()


def test_one_worker_writes_no_file(serve: Start, scraped: Read) -> None:
    server = serve("--no-relay", SERVICES="pets")
    assert call(server, "GET", "/pets/1") == 404
    wait_for(lambda: scrape(server, scraped).total("http_requests_total", status="404") == 1)
    assert ".db" not in Path(f"/proc/{server.process.pid}/maps").read_text()
