"""`mainstay doctor`: the relay, the sinks, Redis, and what becomes of a check that hangs or breaks."""

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_sql, wait_for
from tests.integration.operations.report import Report, states, trouble

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Look = Callable[..., Report]

# Events


EVENT = """
INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
VALUES ('', gen_random_uuid(), 'pet', '1', 1, 'pet.created', '{}', now())
"""


def test_events_that_nobody_takes_are_said(look: Look, database_url: str) -> None:
    run_sql(database_url, EVENT)
    assert "no relay runs, 1 event waiting -> start `mainstay serve`" in trouble(look(), "relay", "warning")


def test_a_relay_at_work_is_seen(look: Look, serve: Callable[..., Any], database_url: str) -> None:
    serve()
    wait_for(lambda: look()["relay"][0]["found"].startswith("at work"))  # it takes its lock after the server listens


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE outbox_sinks SET disabled_at = now(), last_error = 'gone'", "outbox retry --sink log"),
        (
            """INSERT INTO outbox_deliveries
            (position, sink, tenant_id, event_id, aggregatetype, aggregateid, attempts, dead_at)
            VALUES (1, 'log', '', gen_random_uuid(), 'pet', '1', 12, now())""",
            "1 dead for log",
        ),
    ],
)
def test_what_a_sink_did_not_take_is_said(look: Look, database_url: str, change: str, named: str) -> None:
    run_sql(database_url, "INSERT INTO outbox_sinks (sink, position) VALUES ('log', 0)", change)
    assert named in trouble(look(), "relay", "warning")
    assert states(look(SINKS="none")) == {}


# Others that have to be there


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("nats", {"NATS_URL": "nats://a:hunter2@127.0.0.1:1"}),
        ("nats", {}),
        ("redis", {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}),
        ("kafka", {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}),
        ("kafka", {}),
        ("webhook", {"WEBHOOK_URL": "http://127.0.0.1:1/hunter2"}),
        ("webhook", {"WEBHOOK_URL": "http://hunter.invalid/hunter2"}),
    ],
)
def test_a_sink_that_is_not_there_is_said(look: Look, name: str, environment: dict[str, str]) -> None:
    checks = look(SINKS=f"log,{name}", WEBHOOK_SECRET=WEBHOOK_SECRET, RATE_LIMITS="none", **environment)
    assert trouble(checks, f"sink {name}")


def test_one_that_hangs_is_given_up(look: Look) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        checks = look(SINKS="webhook", WEBHOOK_URL=f"https://{address}/hunter2", WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert "no answer within" in trouble(checks, "sink webhook")


def test_limits_that_cannot_be_counted_are_said(look: Look) -> None:
    checks = look(REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
    assert "nobody can sign in" in trouble(checks, "rate limits")
    assert "REDIS_URL" in trouble(look("--workers", 2), "rate limits", "warning")
    assert states(look(REDIS_URL="redis://:hunter2@127.0.0.1:1/0", RATE_LIMITS="none")) == {}


def test_a_check_that_breaks_stops_no_other(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Any:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr("shutil.disk_usage", broken)
    assert "ZeroDivisionError" in trouble(look(), "data folder")


def test_it_starts_the_embedded_database(look: Look, tmp_path: Path) -> None:
    found = look(DATABASE_URL="")
    assert found["database"][0]["found"].startswith("PostgreSQL 16")
    assert states(found) == {"migrations": {"failed"}, "relay": {"failed"}}  # nothing is migrated yet


def test_an_embedded_database_that_cannot_run_is_said(look: Look, tmp_path: Path) -> None:
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "postgres").write_text("")
    checks = look(DATABASE_URL="")
    assert states(checks)["migrations"] == {"skipped"}
    assert "PostgreSQL cannot run in" in checks["database"][0]["found"]
