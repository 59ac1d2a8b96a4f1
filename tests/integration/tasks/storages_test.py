"""What the choice of storage means to who runs the program."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mainstay.app import create_app
from mainstay.settings import load_settings


def mainstay(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder of its own, to its end."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "mainstay", *arguments],
        cwd=folder,
        env={**inherited, "APP_ENV": "test", **environment},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize("services", ["tasks", "pets,tasks"])
def test_several_processes_are_refused_where_each_would_have_tasks_of_its_own(tmp_path: Path, services: str) -> None:
    arguments = ("serve", "--port", "0", "--workers", "2", "--services", services)
    result = mainstay(tmp_path, *arguments, TASKS_STORAGE="sqlite-memory")
    assert result.returncode not in {0, -1}
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "TASKS_STORAGE=sqlite-memory" in line
    assert "--workers" in line


@pytest.mark.parametrize("storage", ["sqlite", "memory"])
def test_a_storage_that_there_is_not_is_refused(tmp_path: Path, storage: str) -> None:
    result = mainstay(tmp_path, "serve", "--port", "0", TASKS_STORAGE=storage)
    assert result.returncode not in {0, -1}
    [line] = result.stderr.splitlines()
    assert "TASKS_STORAGE" in line
    assert "sqlite-memory" in line


@pytest.mark.parametrize("storage", ["postgres", "sqlite-memory"])
async def test_tasks_in_postgresql_outlive_the_program_and_those_in_memory_do_not(
    storage: str, database_url: str, tmp_path: Path
) -> None:
    settings = load_settings(
        app_env="test",
        services="tasks",
        database_url=database_url,
        tasks_storage=storage,
        migrate_on_start=False,
        data_dir=tmp_path,
    )
    title, key = "100% 😀 снова", {"Idempotency-Key": "k"}
    answers = []
    for _ in range(2):
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://a") as api:
            answers.append(await api.post("/v1/tasks", json={"title": title}))
            answers.append(await api.post("/v1/tasks", json={"title": "Other"}, headers=key))
            assert {task["title"] for task in (await api.get("/v1/tasks")).json()["items"]} == {title, "Other"}
    assert [answer.status_code for answer in answers] == [201, 201, 409 if storage == "postgres" else 201, 201]
    # without a server between, header names are as they were written
    replayed = [any(name.lower() == b"idempotency-replayed" for name, _ in a.headers.raw) for a in answers]
    assert replayed == [False, False, False, storage == "postgres"]
