"""Putting a service into a checkout, and taking it out again."""

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mainstay.app.database import tables
from mainstay.cli.scaffold.checkout import Checkout, CheckoutError
from mainstay.cli.scaffold.fields import parse
from mainstay.cli.scaffold.naming import names
from mainstay.cli.scaffold.plan import Plan
from mainstay.cli.scaffold.registrations import Registration, registrations
from mainstay.cli.scaffold.templates import filled
from mainstay.kernel.db import migrations
from mainstay.settings import SERVICES

BUILT_IN = ("pets", "tasks", "configs", "orders", "users")
MODULES = (
    *("__init__", "domain", "models", "repository", "service", "schemas", "dependencies", "routes"),
    *("domain_test", "schemas_test"),
)
VERSIONS = "src/mainstay/migrations/versions"
CONFIGS_TABLES = {"applications", "configurations"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done to a checkout."""

    files: dict[str, str | None]
    """Texts by path, None for a file that is to go."""
    new: set[str] = field(default_factory=set)
    """The paths of those that are not there yet."""
    refused: list[str] = field(default_factory=list)
    """The paths of those that somebody has changed."""


def plan_of(plural: str, singular: str | None, fields: list[str], *, tenant: bool, unique: str | None) -> Plan:
    """The service that a command line asks for. Raises NamingError and FieldError."""
    return Plan(names(plural, singular), parse(fields, unique), tenant, unique)


def to_add(checkout: Checkout, plan: Plan) -> Changes:
    """Everything that a new service is. Raises CheckoutError where there is one already, or something in its place."""
    plural = plan.names.plural
    if plural in SERVICES:
        raise CheckoutError(f"There is a service {plural} already.")
    if plural in tables().tables or plural in CONFIGS_TABLES:
        raise CheckoutError(f"There is a table {plural} already: choose another name.")
    for path in (_package(plural), _tests(plural)):
        if checkout.files_in(path):  # a folder of caches alone is what git leaves of a service
            raise CheckoutError(f"{path} is there already: move it away, or choose another name.")
    files = written(checkout, plan, migrations.next_revision(), migrations.revisions()[-1])
    changed, lost = edited(checkout, plan, lambda registration: registration.put_into)
    if lost:
        raise CheckoutError(f"{', '.join(lost)}: not as it was; its place for a service is not found.")
    return Changes({**files, **changed}, new=set(files))


def to_remove(checkout: Checkout, plural: str) -> Changes:
    """Everything that the service is, and what of it is not as it was written. Raises CheckoutError."""
    if plural in BUILT_IN:
        raise CheckoutError(f"{plural} is one of the services that the program comes with: it stays.")
    plan = _plan_in(checkout, plural)
    migration, revision, before = _migration_of(checkout, plural)
    expected = written(checkout, plan, revision, before)
    found = [migration, *checkout.files_in(_package(plural)), *checkout.files_in(_tests(plural))]
    changed, lost = edited(checkout, plan, lambda registration: registration.taken_out_of)
    refused = [path for path in found if expected.get(path) != checkout.read(path)]
    refused += [path for path in expected if not checkout.exists(path)]
    return Changes({**dict.fromkeys(found), **changed}, refused=[*refused, *lost])


def written(checkout: Checkout, plan: Plan, revision: str, down_revision: str) -> dict[str, str]:
    """The files that are the service's own."""
    plural = plan.names.plural
    words = {**plan.words(), "revision": revision, "down_revision": down_revision}
    files = {f"{_package(plural)}/{name}.py": filled(f"service/{name}.py", words) for name in MODULES}
    files[f"{VERSIONS}/{revision}_add_{plural}.py"] = filled("service/migration.py", words)
    more = [name for name, wanted in (("unique", plan.unique), ("tenant", plan.tenant)) if wanted]
    parts = (filled(f"tests/{name}_test.py", words) for name in ("calls", *more))
    files[f"{_tests(plural)}/calls_test.py"] = "".join(parts)
    return checkout.formatted(files)


def edited(
    checkout: Checkout, plan: Plan, edit: Callable[[Registration], Callable[[str], str]]
) -> tuple[dict[str, str], list[str]]:
    """The files that know of the service, after each of its registrations; and those where one cannot be made."""
    texts: dict[str, str] = {}
    lost: list[str] = []
    for registration in registrations(plan):
        before = texts.get(registration.path) or checkout.read(registration.path)
        try:
            texts[registration.path] = edit(registration)(before)
        except ValueError:
            lost += [registration.path] if registration.path not in lost else []
    return texts, lost


def _package(plural: str) -> str:
    return f"src/mainstay/services/{plural}"


def _tests(plural: str) -> str:
    return f"tests/integration/{plural}"


def _plan_in(checkout: Checkout, plural: str) -> Plan:
    """The service, by the command that its package keeps."""
    path = f"{_package(plural)}/__init__.py"
    if not re.fullmatch("[a-z]+", plural) or not checkout.exists(path):
        raise CheckoutError(f"There is no service {plural}.")
    try:
        _, _, command = (ast.get_docstring(ast.parse(checkout.read(path))) or "").partition("\n\n")
        return read_command(shlex.split(command))
    except (SyntaxError, ValueError) as error:
        raise CheckoutError(
            f"{path}: it does not say which command made it, so nobody knows what to remove."
        ) from error


def read_command(words: list[str]) -> Plan:
    """The service that a command asks for. Raises ValueError where it is none."""
    if words[:3] != ["mainstay", "new", "service"] or len(words) < len(("mainstay", "new", "service", "plural")):
        raise ValueError(words)
    options = list(_options(words[4:]))
    one = dict(options)
    fields = [value for name, value in options if name == "--field"]
    return plan_of(words[3], one.get("--singular"), fields, tenant="--tenant" in one, unique=one.get("--unique"))


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    left = iter(words)
    for name in left:
        yield name, "" if name == "--tenant" else next(left, "")


def _migration_of(checkout: Checkout, plural: str) -> tuple[str, str, str]:
    """Path, revision and the revision before. Raises CheckoutError where others come after it."""
    files = checkout.files_in(VERSIONS)
    found = [path for path in files if path.endswith(f"_add_{plural}.py")]
    if len(found) != 1:
        raise CheckoutError(f"{VERSIONS}: there is no migration YYYY_MM_DD_HHMM_add_{plural}.py, or more than one.")
    revision = found[0].removeprefix(f"{VERSIONS}/").removesuffix(f"_add_{plural}.py")
    after = [path for path in files if f'down_revision = "{revision}"' in checkout.read(path)]
    if after:
        raise CheckoutError(f"{after[0]} builds on the migration of {plural}: remove first what it is of.")
    before = re.search(r'^down_revision = "(\w+)"$', checkout.read(found[0]), re.MULTILINE)
    return found[0], revision, before[1] if before else ""
