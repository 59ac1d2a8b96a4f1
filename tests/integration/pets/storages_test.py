"""Which storage keeps the pets is nobody's business but that of who puts the program together."""

import ast
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from mainstay import services
from mainstay.app import create_app
from mainstay.settings import load_settings

SERVICES = Path(services.__path__[0])
STORAGES = {"memory", "postgres", "sqlite", "sql", "models"}
KNOWING = {"dependencies"}
"""Who hands the storage to the rest."""


def imported_modules(code: str) -> set[str]:
    """The last parts of the names of all modules that the code imports, and what it imports from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            names |= {(node.module or "").rpartition(".")[2], *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name.rpartition(".")[2] for alias in node.names}
    return names


def above_the_storages() -> list[Path]:
    return sorted(
        file
        for file in SERVICES.glob("*/*.py")
        if file.stem not in STORAGES | KNOWING and not file.stem.endswith("_test") and not is_the_storage(file)
    )


def is_the_storage(file: Path) -> bool:
    """Whether it is the repository of a service with one storage, which is the repository itself."""
    several = STORAGES - {"models"}
    return file.stem == "repository" and not any((file.parent / f"{name}.py").exists() for name in several)


def test_there_is_something_to_look_at() -> None:
    assert {"routes", "service", "schemas", "domain", "repository"} <= {file.stem for file in above_the_storages()}


@pytest.mark.parametrize("file", above_the_storages(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_lies_above_the_storages_knows_none(file: Path) -> None:
    assert imported_modules(file.read_text()) & STORAGES == set()


@pytest.mark.parametrize(
    "code",
    [
        "from mainstay.services.pets.memory import MemoryPets",
        "from mainstay.services.pets import postgres",
        "import mainstay.services.pets.models",
        "def f():\n    from mainstay.services.tasks.sqlite import SqliteTasks",
    ],
)
def test_knowing_one_is_seen(code: str) -> None:
    assert imported_modules(code) & STORAGES


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_pets_in_memory_are_gone_after_a_restart_and_those_in_postgresql_are_not(
    storage: str, database_url: str, tmp_path: Path
) -> None:
    settings = load_settings(
        app_env="test",
        services="pets",
        database_url=database_url,
        pets_storage=storage,
        migrate_on_start=False,
        data_dir=tmp_path,
    )
    totals = []
    for _ in range(2):
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mainstay") as client,
        ):
            assert (await client.post("/pets", json={"name": "Tom", "species": "cat"})).status_code == 201
            totals.append((await client.get("/pets")).json()["_meta"]["total"])
    assert totals == ([1, 1] if storage == "memory" else [1, 2])


async def test_in_memory_a_key_is_kept_for_the_hours_that_are_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"services": "pets", "pets_storage": "memory", "idempotency_hours": 2, "data_dir": tmp_path}
    settings = load_settings(app_env="test", **given)
    seconds = 0.0
    monkeypatch.setattr("mainstay.kernel.core.memory.time", SimpleNamespace(monotonic=lambda: seconds))
    app = create_app(settings)
    replayed = []
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mainstay") as client,
    ):
        for seconds in (0.0, 2 * 3600 - 1, 2 * 3600 + 1):  # noqa: B007 - the clock above shows it
            answer = await client.post(
                "/pets", json={"name": "Tom", "species": "cat"}, headers={"Idempotency-Key": "k"}
            )
            replayed.append("idempotency-replayed" in answer.headers)
    assert replayed == [False, True, False]
