"""`mainstay doctor`: looks at everything that the program needs, and says what to do about what is wrong."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from mainstay.cli.running import read_settings

if TYPE_CHECKING:
    from mainstay.cli.checks import Check, Finding, Patient
    from mainstay.settings import Settings

SECONDS = 5.0
"""For each check; they run at the same time, but for the database, which goes before those that need it."""

Report = Mapping[str, Sequence["Finding"]]
"""What was found, by the name of the check."""


def doctor(
    workers: Annotated[int, typer.Option(min=1, help="Server processes there are in all, on all machines.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check settings, database, migrations, sinks and what else there is, and say what to do. Exit code 1 on failures.

    Changes nothing and publishes nothing. Where the embedded PostgreSQL is the database, it is started for it.
    """
    settings = read_settings()
    logging.getLogger().addHandler(logging.NullHandler())  # what drivers have to say, the report says
    report = asyncio.run(_examine(settings, workers))
    has_failed = any(finding.state == "failed" for findings in report.values() for finding in findings)
    typer.echo(_as_json(report, good=not has_failed) if as_json else _as_table(report))
    raise typer.Exit(1 if has_failed else 0)


async def _examine(settings: "Settings", workers: int) -> Report:
    from mainstay.cli.checks import Finding, Patient, State, all_checks, check_database

    report: dict[str, Sequence[Finding]] = {}
    async with AsyncExitStack() as stack:
        url, trouble = await _open(settings, stack)
        patient = Patient(settings, workers, url)
        report["database"] = trouble or await _within_time(check_database, patient)
        skipped = [Finding(State.SKIPPED, "database")] if _is_away(report["database"]) else None
        checks = all_checks(settings)
        names = [name for name, (_, needs_database) in checks.items() if not (needs_database and skipped)]
        found = await asyncio.gather(*(_within_time(checks[name][0], patient) for name in names))
        report |= dict(zip(names, found, strict=True))
    return {name: report.get(name, skipped or []) for name in ("database", *checks)}


async def _open(settings: "Settings", stack: AsyncExitStack) -> "tuple[str | None, Sequence[Finding]]":
    """The database's url, or why there is none."""
    from mainstay.app.database import database_url
    from mainstay.cli.checks import failed
    from mainstay.kernel.db.embedded import EmbeddedPostgresError

    if not settings.needs_postgres:
        return None, []
    try:
        return await database_url(settings, stack), []
    except EmbeddedPostgresError as error:
        return None, [failed(str(error))]


async def _within_time(check: "Check", patient: "Patient") -> "Sequence[Finding]":
    from mainstay.cli.checks import failed
    from mainstay.kernel.db.inspection import InspectionError

    try:
        async with asyncio.timeout(SECONDS):
            return await check(patient)
    except TimeoutError:
        return [failed(f"no answer within {SECONDS:g} s", "see whether it hangs, or the network loses packets")]
    except InspectionError as error:
        return [failed(str(error))]
    except Exception as error:  # noqa: BLE001 - the other checks are to be made all the same
        return [failed(f"the check itself broke: {type(error).__name__}", "tell who maintains this program")]


def _is_away(findings: "Sequence[Finding]") -> bool:
    """Of one that is there, more than that is found."""
    return [finding.state for finding in findings] == ["failed"]


def _as_json(report: Report, *, good: bool) -> str:
    checks = [
        {"check": name, "state": finding.state, "found": finding.found, "advice": finding.advice or None}
        for name, findings in report.items()
        for finding in findings
    ]
    return json.dumps({"ok": good, "checks": checks}, indent=2)


def _as_table(report: Report) -> str:
    width = max(len(name) for name in report)
    lines = []
    for name, findings in report.items():
        for finding in findings:
            lines.append(f"{finding.state:<7}  {name:<{width}}  {finding.found}")
            if finding.advice:
                lines.append(f"{'':<7}  {'':<{width}}  -> {finding.advice}")
    return "\n".join(lines)
