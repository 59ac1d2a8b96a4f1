import re
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest

from mainstay.kernel.core.errors import DomainError
from mainstay.services.configs import repository
from mainstay.services.configs.domain import (
    Application,
    ApplicationNotFound,
    Configuration,
    ConfigurationNotFound,
    DuplicateApplication,
    DuplicateConfiguration,
    UnknownApplication,
)
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.repository import BATCH, ConfigsRepository

CHECKOUT = Application("01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "checkout", None, ["01JCZ5Y7Q2GDB5E0H8F3W6PXTC"])
PRODUCTION = Configuration("01JCZ5Y7Q2GDB5E0H8F3W6PXTC", CHECKOUT.id, "production", None, "{}")
STATEMENTS = {name: text for name, text in vars(repository).items() if re.fullmatch("_[A-Z_]+", name)}


class Runner:
    """In place of a pool: answers each call with the next of `rows`, or raises it."""

    def __init__(self, *rows: Any) -> None:
        self._rows = list(rows)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def run(self, _function: Any, statement: str, values: dict[str, Any]) -> Any:
        self.calls.append((statement, values))
        found = self._rows.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def on(*rows: Any) -> tuple[ConfigsRepository, Runner]:
    runner = Runner(*rows)
    return ConfigsRepository(cast("Pool", runner)), runner


class Violation(psycopg2.IntegrityError):
    """As psycopg2 raises it, with the constraint's name."""

    def __init__(self, constraint: str | None) -> None:
        super().__init__("duplicate key value violates unique constraint")
        self._constraint = constraint

    @property
    def diag(self) -> Any:  # type: ignore[override]  # a namespace is all that is looked at
        return SimpleNamespace(constraint_name=self._constraint)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_value_is_ever_put_into_a_text(name: str) -> None:
    without = re.sub(r"%\(\w+\)s", "", STATEMENTS[name])
    assert not set("%{}") & set(without)
    assert re.findall("'[^']*'", without) in ([], ["'configs'"])


@pytest.mark.parametrize("name", ["_FIND_APPLICATIONS", "_FIND_CONFIGURATIONS", "_LIST_APPLICATIONS"])
def test_a_read_is_one_statement(name: str) -> None:
    assert ";" not in STATEMENTS[name]
    assert "FOR UPDATE" not in STATEMENTS[name]


async def test_a_row_becomes_what_it_is() -> None:
    stored, runner = on(
        [{"id": CHECKOUT.id, "name": "checkout", "comments": None, "configuration_ids": [PRODUCTION.id]}]
    )
    assert await stored.find_applications([CHECKOUT.id, "another"]) == [CHECKOUT]
    assert [values for _, values in runner.calls] == [{"ids": [CHECKOUT.id, "another"]}]


async def test_no_row_is_the_error_of_its_kind() -> None:
    stored, _ = on([], [])
    with pytest.raises(ApplicationNotFound) as application:
        await stored.lock_application(CHECKOUT.id)
    assert application.value.details == {"id": CHECKOUT.id}
    with pytest.raises(ConfigurationNotFound) as configuration:
        await stored.lock_configuration(PRODUCTION.id)
    assert configuration.value.details == {"id": PRODUCTION.id}


async def violated(constraint: str | None, call: str, resource: Application | Configuration) -> None:
    stored, _ = on(Violation(constraint))
    await getattr(stored, call)(resource)


@pytest.mark.parametrize(
    ("constraint", "call", "resource", "meaning"),
    [
        ("applications_name_key", "add_application", CHECKOUT, DuplicateApplication),
        ("applications_name_key", "save_application", CHECKOUT, DuplicateApplication),
        ("configurations_unique_name_per_app", "add_configuration", PRODUCTION, DuplicateConfiguration),
        ("configurations_unique_name_per_app", "save_configuration", PRODUCTION, DuplicateConfiguration),
        ("configurations_application_id_fkey", "add_configuration", PRODUCTION, UnknownApplication),
    ],
)
async def test_a_violation_means_what_its_constraint_says(
    constraint: str, call: str, resource: Any, meaning: type[DomainError]
) -> None:
    with pytest.raises(meaning) as raised:
        await violated(constraint, call, resource)
    assert isinstance(raised.value.__cause__, psycopg2.IntegrityError)
    assert set(raised.value.details) == {"fields"}


@pytest.mark.parametrize("constraint", ["applications_pkey", "other", "", None])
@pytest.mark.parametrize(("call", "resource"), [("add_application", CHECKOUT), ("add_configuration", PRODUCTION)])
async def test_any_other_violation_comes_through(constraint: str | None, call: str, resource: Any) -> None:
    with pytest.raises(Violation):
        await violated(constraint, call, resource)


def rows(number: int) -> list[dict[str, Any]]:
    return [{"id": f"{n:026}", "name": str(n), "comments": None, "configuration_ids": []} for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
async def test_a_list_is_read_in_batches_each_after_the_last(number: int) -> None:
    everything = rows(number)
    batches = [everything[first : first + BATCH] for first in range(0, number + 1, BATCH)]
    stored, runner = on(*batches)
    read = [batch async for batch in stored.list_applications()]
    assert [len(batch) for batch in read] == [len(batch) for batch in batches]
    afters = [values["after"] for _, values in runner.calls]
    assert afters == ["", *(batch[-1]["id"] for batch in batches[:-1])]
