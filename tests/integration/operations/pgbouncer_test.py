"""The program behind PgBouncer, set up as docs/operations.md says."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg2
import pytest

from tests.conftest import run_sql, wait_for
from tests.integration.conftest import OwnPostgres

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
APPLICATIONS = "/api/v1/applications"


def shown(language: str) -> str:
    """The block of the section on PgBouncer."""
    _, _, section = DOCUMENT.read_text().partition("\n### PgBouncer\n")
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that the user as whom PgBouncer runs gets through to: it refuses to be root."""
    with TemporaryDirectory(prefix="pgb-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def pgbouncer(own_postgres: OwnPostgres, open_folder: Path) -> Iterator[str]:
    """Before a server with the role's settings; where to connect to."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed: apt-get install pgbouncer")
    run_sql(own_postgres.url, *filter(str.strip, shown("sql").split(";")))
    host = parse_qs(urlsplit(own_postgres.url).query)["host"][0]
    (open_folder / "ini").write_text(
        f"[databases]\nmainstay = host={host} dbname=mainstay user=mainstay\n[pgbouncer]\nauth_type = any\n"
        f"unix_socket_dir = {open_folder}\nlisten_addr =\nlisten_port = 6432\ndefault_pool_size = 50\n{shown('ini')}"
    )
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    with (open_folder / "log").open("wb") as log:
        process = subprocess.Popen([*as_nobody, program, str(open_folder / "ini")], stdout=log, stderr=log)
    try:
        wait_for((open_folder / ".s.PGSQL.6432").exists)
        yield f"postgresql://mainstay@/mainstay?host={open_folder}&port=6432"
    finally:
        process.terminate()
        process.wait()


def test_the_program_works_behind_it(
    pgbouncer: str, own_postgres: OwnPostgres, serve: Callable[..., Any], tmp_path: Path
) -> None:
    run_migrations(own_postgres.url, tmp_path)
    server = serve("--no-relay", DATABASE_URL=pgbouncer, MIGRATE_ON_START="false")
    with httpx.Client(base_url=server.url, timeout=30) as client, httpx.Client(base_url=server.url) as other:
        assert client.get("/readyz").status_code == 200
        assert client.post("/pets", json={"name": "Mittens", "species": "cat"}).status_code == 201
        made = client.post(APPLICATIONS, json={"name": "checkout"})
        address = f"{APPLICATIONS}/{made.json()['id']}"
        assert other.put(address, json={"name": "checkout, renamed"}).status_code == 200
        known = {"If-None-Match": made.headers["etag"]}
        assert client.get(f"{address}?wait=5", headers=known).json()["name"] == "checkout, renamed"
        assert_locks_end(client, own_postgres.url)


def assert_locks_end(client: httpx.Client, url: str) -> None:
    """The role's time-outs stand for the program's, which do not get through."""
    holder = psycopg2.connect(url)
    try:
        holder.cursor().execute("LOCK TABLE pets")
        asked = time.monotonic()
        assert client.get("/pets/1").status_code == 503
        assert time.monotonic() - asked < 3
    finally:
        holder.close()
    assert client.get("/pets/1").status_code == 200


def run_migrations(url: str, folder: Path) -> None:
    """As the document says: on PostgreSQL itself."""
    environment = {"PATH": os.environ["PATH"], "APP_ENV": "test", "DATABASE_URL": url}
    command = [sys.executable, "-m", "mainstay", "migrate", "up"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
