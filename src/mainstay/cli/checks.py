"""What `mainstay doctor` looks at. Each check says what it found, and what to do about it; none changes anything."""

import os
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from mainstay.app.database import MIGRATIONS
from mainstay.app.events import SINKS
from mainstay.app.services import aggregate_types
from mainstay.cli.backup import ours
from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.core.keys import EdKeys
from mainstay.kernel.core.rates import CountsAway, Rate
from mainstay.kernel.core.sink import CheckedSink, Unusable
from mainstay.kernel.db.inspection import Server, open_inspection
from mainstay.kernel.db.relay.operations import OutboxError, SinkStats, open_operations
from mainstay.kernel.db.revisions import MigrationError
from mainstay.kernel.ops.secret import kept_secret
from mainstay.kernel.sinks import from_extra
from mainstay.settings import Settings

RELEASES = range(15, 19)
"""Of PostgreSQL: those that the tests run on."""

CLOCKS_SECONDS = 2.0  # apart; logs and rows then tell another order of things
BACKLOG = 10_000  # events; a relay that is well has them sent in less than a second
FREE_BYTES, FREE_AT_LEAST = 1_000_000_000, 100_000_000


class State(StrEnum):
    """What came of a look."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: State
    found: str
    advice: str = ""


Findings = Iterator[Finding]


class Patient(NamedTuple):
    """Whom the doctor looks at."""

    settings: Settings
    workers: int
    url: str | None
    """The database's; None where it is away, or none is needed."""


Check = Callable[[Patient], Awaitable[Sequence[Finding]]]


def ok(found: str) -> Finding:
    """As it should be."""
    return Finding(State.OK, found)


def warning(found: str, advice: str) -> Finding:
    """Works, and may not tomorrow."""
    return Finding(State.WARNING, found, advice)


def failed(found: str, advice: str = "") -> Finding:
    """Does not work. Without advice: the message of an error says itself what to do."""
    return Finding(State.FAILED, found, advice)


async def check_settings(patient: Patient) -> Sequence[Finding]:
    """What goes together, and what does not outside development. Wrong values never come so far."""
    settings = patient.settings
    findings = [ok(f"APP_ENV={settings.app_env}; services: {', '.join(settings.services)}")]
    if settings.app_env in {"qa", "prod"}:
        findings += _for_others(settings)
    return findings


def _for_others(settings: Settings) -> Findings:
    if open_services := [name for name in settings.services if name not in settings.guarded]:
        yield warning(f"anybody may call {', '.join(open_services)}", "set AUTH_MODE=required")
    if "*" in settings.cors_origins:
        yield warning("every web page may call", "name the origins of your pages in CORS_ORIGINS")
    for service, storage in settings.in_process.items():
        name = f"{service.upper()}_STORAGE"
        yield warning(f"{name}={storage}: {service} are gone when the server stops", f"set {name}=postgres")


async def check_secrets(patient: Patient) -> Sequence[Finding]:
    """What signs tokens and cursors, and who else can read it."""
    settings = patient.settings
    return list(_secrets(settings))


def _secrets(settings: Settings) -> Findings:
    kept = settings.data_dir / "secret_key"
    if settings.given_secrets:
        yield ok("SECRET_KEY is set")
    elif not kept.exists():
        yield ok(f"none yet: {kept} is made at the first start")
    else:
        try:
            kept_secret(kept)
            yield _private(kept)
        except StartupError as error:
            yield failed(str(error))
    if settings.token_key_file is None:
        return
    try:
        files = (settings.token_key_file, *settings.token_key_files_other)
        EdKeys.read(*(path.read_bytes() for path in files))
        yield _private(settings.token_key_file)
    except (OSError, ValueError) as error:
        yield failed(str(error), "mend TOKEN_KEY_FILE, TOKEN_KEY_FILES_OTHER")


def _private(path: Path) -> Finding:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return failed(f"{path}: other users can get at it", f"chmod 600 {path}, and change the secret if they did")
    return ok(f"{path} is for its owner alone")


async def check_data_folder(patient: Patient) -> Sequence[Finding]:
    """DATA_DIR, where anything is kept there."""
    settings = patient.settings
    if settings.given_secrets and (settings.database_url is not None or not settings.needs_postgres):
        return [ok("DATA_DIR is not used: SECRET_KEY and DATABASE_URL are set")]
    folder = settings.data_dir.resolve()
    while not folder.exists():  # it is made in the nearest that is there
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return [failed(f"{folder}: {error.strerror}", f"let user {os.geteuid()} write there, or set DATA_DIR")]
    found = f"{folder}: {free / 1e9:.1f} GB free"
    if free < FREE_AT_LEAST:
        return [failed(found, "make room")]
    return [warning(found, "make room soon") if free < FREE_BYTES else ok(f"{found}, can be written")]


async def check_database(patient: Patient) -> Sequence[Finding]:
    """The server, and how it sees us. Raises InspectionError where it is away."""
    if patient.url is None:
        return [ok("none is needed")]
    async with open_inspection(patient.url) as inspection:
        server, ahead = await inspection.server(), (await inspection.clock()).total_seconds()
        closed = await inspection.closed(sorted(ours()))
    findings = [
        _release(server),
        *_kind(server),
        _connections(server, patient),
        *_rights(server, closed, patient.settings),
    ]
    if abs(ahead) > CLOCKS_SECONDS:
        there = f"the server's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        findings.append(warning(there, "have both set by NTP"))
    return findings


def _release(server: Server) -> Finding:
    found = f'PostgreSQL {server.version}, database "{server.database}" as "{server.role}"'
    if server.release in RELEASES:
        return ok(found)
    return failed(found, f"use PostgreSQL {RELEASES[0]} to {RELEASES[-1]}: others are not tried")


def _kind(server: Server) -> Findings:
    if server.encoding != "UTF8":
        yield failed(f"the encoding is {server.encoding}", "make the database again: CREATE DATABASE … ENCODING 'UTF8'")
    if server.time_zone != "UTC":
        yield failed(
            f"a session that asks for UTC gets {server.time_zone}",
            "let the pooler pass the parameter timezone on (PgBouncer: track_extra_parameters)",
        )
    if server.is_read_only:
        yield failed("it takes no writes: a standby, or set so", "have DATABASE_URL name the primary")


def _connections(server: Server, patient: Patient) -> Finding:
    """Several machines count too: --workers says how many processes there are in all."""
    settings, workers = patient.settings, patient.workers
    own = settings.db_pool_max + settings.relay
    if "configs" in settings.services:
        own += settings.db_pool_max + 2  # its own pool, the readiness probe's connection, and the one that listens
    found = f"{workers} x {own} connections at most, of {server.connections} that there are for us"
    if workers * own <= server.connections:
        return ok(found)
    return failed(found, "lower DB_POOL_MAX or the number of processes, or raise max_connections")


def _rights(server: Server, closed: Sequence[str], settings: Settings) -> Findings:
    if server.schema is None:
        yield failed("there is no schema to make tables in", "CREATE SCHEMA, or mend the role's search_path")
    elif closed:
        grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {server.schema} TO {server.role}"
        yield failed(f"the role may not use {', '.join(closed)}", f"{grant}; the same with USAGE ON ALL SEQUENCES")
    elif settings.migrates_on_start and not server.may_create:
        yield failed(
            f"the role may make no table in {server.schema}",
            f"GRANT CREATE ON SCHEMA {server.schema} TO {server.role}, or set MIGRATE_ON_START=false",
        )
    else:
        yield ok(f"the role has its rights in {server.schema}")


async def check_migrations(patient: Patient) -> Sequence[Finding]:
    """Both kinds: pending, ahead, files that were changed, tables that differ."""
    return [finding for name in MIGRATIONS for finding in await _migrations_of(name, patient.url or "")]


async def _migrations_of(name: str, url: str) -> Sequence[Finding]:
    kind = MIGRATIONS[name]
    try:
        status, findings = await kind.status(url), await kind.verify(url)
    except MigrationError as error:
        return [failed(f"{name}: {error}")]
    if status.ahead:
        found = f"{name}: the database is at {status.current}, which this release does not know"
        return [warning(found, "run the release that has migrated it; this one serves on meanwhile")]
    if status.pending:
        return [failed(f"{name}: {len(status.pending)} pending", "run `mainstay migrate up`")]
    advice = "`mainstay migrate verify` tells more; put back what was changed by hand"
    return [failed(f"{name}: {found}", advice) for found in findings] or [ok(f"{name}: at {status.current}")]


def check_sink(name: str) -> Check:
    """Of one sink, without sending it anything."""

    async def check(patient: Patient) -> Sequence[Finding]:
        try:
            async with SINKS[name](patient.settings) as sink:
                if not isinstance(sink, CheckedSink):
                    return [warning("it cannot be asked", "give it a `check`")]
                readiness = await sink.check(aggregate_types())
        except StartupError as error:
            return [failed(str(error), "set or install it, or leave the sink out of SINKS")]
        except Unusable as error:
            return [failed(str(error), error.advice)]
        return [warning(readiness.found, readiness.advice) if readiness.advice else ok(readiness.found)]

    return check


async def check_rate_limits(patient: Patient) -> Sequence[Finding]:
    """Where they are counted; in Redis by counting one."""
    settings = patient.settings
    if not settings.effective_rate_limits:
        return [ok("none")]
    if settings.redis_url is None:
        if patient.workers == 1:
            return [ok("counted in the server's memory")]
        return [warning("each process counts for itself", "set REDIS_URL, so that they count together")]
    try:
        with from_extra("redis", "REDIS_URL, where rate limits are counted,"):
            from mainstay.kernel.http.redis_windows import RedisWindows
    except StartupError as error:
        return [failed(str(error))]
    windows = RedisWindows(settings.redis_url.get_secret_value(), settings.topic_prefix, b"doctor", seconds=3.0)
    try:
        await windows.open("doctor", Rate(1, 1))("doctor")
    except CountsAway as error:
        return [failed(f"REDIS_URL: {error}", "check it, and that Redis runs: until then nobody can sign in")]
    finally:
        await windows.aclose()
    return [ok("counted in Redis")]


async def check_relay(patient: Patient) -> Sequence[Finding]:
    """Whether events are on their way."""
    async with open_inspection(patient.url or "") as inspection:
        runs = await inspection.has_relay()
    try:
        async with open_operations(patient.url or "") as operations:
            totals, sinks = await operations.totals(), await operations.stats()
    except OutboxError as error:
        return [failed(str(error))]
    chosen = [stats for stats in sinks if stats.sink in patient.settings.sinks]
    behind = max((stats.behind for stats in chosen), default=totals.pending)
    findings = [_backlog(behind, runs=runs)]
    for stats in chosen:
        findings += _of_sink(stats)
    return findings


def _backlog(behind: int, *, runs: bool) -> Finding:
    waiting = f"{behind} event{'' if behind == 1 else 's'} waiting"
    if not runs:
        if behind:
            return warning(f"no relay runs, {waiting}", "start `mainstay serve` or `mainstay relay`")
        return ok("no relay runs, and no event waits")
    if behind > BACKLOG:
        return warning(waiting, "`mainstay outbox stats` says which sink is slow; its own check says why")
    return ok(f"at work, {waiting}")


def _of_sink(stats: SinkStats) -> Findings:
    if stats.disabled_at is not None:
        yield warning(
            f"{stats.sink} wants no more events", f"mend it, then `mainstay outbox retry --sink {stats.sink}`"
        )
    if stats.dead:
        advice = "`mainstay outbox list` says why; `mainstay outbox retry --all` sends them again"
        yield warning(f"{stats.dead} dead for {stats.sink}", advice)


def all_checks(settings: Settings) -> dict[str, tuple[Check, bool]]:
    """By name, in their order; whether each needs the database, which itself comes first of those that do."""
    checks: dict[str, tuple[Check, bool]] = {
        "settings": (check_settings, False),
        "secrets": (check_secrets, False),
        "data folder": (check_data_folder, False),
        "rate limits": (check_rate_limits, False),
    }
    if settings.needs_postgres:
        checks |= {"migrations": (check_migrations, True), "relay": (check_relay, True)}
        checks |= {f"sink {name}": (check_sink(name), False) for name in settings.sinks}
    return checks
