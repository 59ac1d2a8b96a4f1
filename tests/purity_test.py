"""Rules of a service stand on Python alone: they are tried without FastAPI and without a database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEVERAL = [storage.parent for storage in (ROOT / "src/mainstay/services").glob("*/postgres.py")]
RULES = {"repository_test.py", "service_test.py"}
PURE = sorted(
    [
        *(ROOT / "src/mainstay/kernel/core").glob("*_test.py"),
        *(ROOT / "src/mainstay/services").glob("*/domain_test.py"),
        # where there are several storages; else the repository is the one with the database
        *(test for folder in SEVERAL for test in folder.glob("*_test.py") if test.name in RULES),
    ]
)
WITHOUT_FASTAPI = sorted((ROOT / "src/mainstay/services").glob("*/schemas_test.py"))
WEB = ["fastapi", "starlette", "uvicorn"]
DATABASES = ["sqlalchemy", "asyncpg", "aiosqlite", "sqlite3", "psycopg2", "alembic"]
RUN = """
import json, sys
import pytest
code = pytest.main(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
# no plugin is loaded that is not named: some of them import a web framework
OPTIONS = ["-q", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]


def modules_after(*tests: Path) -> set[str]:
    """What is imported once the tests have been run, and passed, in a process of their own."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *OPTIONS, "--rootdir", str(ROOT), *map(str, tests)],
        cwd=ROOT,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0, ended.stdout
    return set(modules)


def test_there_is_something_to_try() -> None:
    names = {file.relative_to(ROOT / "src/mainstay").as_posix() for file in PURE}
    assert {f"services/tasks/{name}_test.py" for name in ("domain", "repository", "service")} <= names
    assert {"services/pets/domain_test.py", "kernel/core/events_test.py"} <= names


def test_domain_and_application_need_neither_fastapi_nor_a_database() -> None:
    modules = modules_after(*PURE)
    assert "mainstay" in modules
    assert modules.isdisjoint([*WEB, *DATABASES, "pydantic"])


def test_the_shape_of_bodies_needs_no_fastapi_either() -> None:
    modules = modules_after(*WITHOUT_FASTAPI)
    assert "pydantic" in modules
    assert modules.isdisjoint([*WEB, *DATABASES])


@pytest.mark.parametrize("module", ["fastapi", "mainstay.services.tasks.sqlite"])
def test_an_import_at_any_depth_is_seen(tmp_path: Path, module: str) -> None:
    test = tmp_path / "impure_test.py"
    test.write_text(f"def test_it():\n    import {module}\n")
    assert not modules_after(test).isdisjoint([*WEB, *DATABASES])
