"""What OpenTelemetry is sent of a request: its route and its statements, and nothing of what the caller sent."""

import logging
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import AsyncMock

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from mainstay.app import create_app, program
from mainstay.kernel.http.tracing import Traced
from mainstay.kernel.ops.traces import make_tracing
from mainstay.kernel.ops.tracing import Tracing
from mainstay.settings import Settings, wants_traces
from tests.conftest import client_of, running, wait_for

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
USER = {"email": "hunter2@example.com", "password": "correct-battery-hunter2"}
VARIABLES = ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT")


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def client(
    settings: Settings, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """Of the program, with spans that end in this process."""
    monkeypatch.setattr(program, "make_tracing", lambda **_: Tracing(SimpleSpanProcessor(exported)))
    async with running(create_app(settings)) as app, client_of(app) as client:
        exported.clear()  # what the start asked of the database
        yield client


def of_requests(exported: InMemorySpanExporter) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.kind is SpanKind.SERVER]


def of_statements(exported: InMemorySpanExporter) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.kind is SpanKind.CLIENT]


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Trace and span, as they are written."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


@pytest.mark.parametrize(
    ("method", "target", "route", "status"),
    [
        ("GET", "/pets/7", "/pets/{pet_id}", 404),
        ("HEAD", "/pets", "/pets", 200),
        ("GET", "/pets?limit=hunter2", "/pets", 422),
        ("GET", "/hunter2", "unmatched", 404),
    ],
)
async def test_a_request_is_a_span_named_by_its_route(
    client: httpx.AsyncClient, exported: InMemorySpanExporter, method: str, target: str, route: str, status: int
) -> None:
    assert (await client.request(method, target)).status_code == status
    (span,) = of_requests(exported)
    assert span.name == f"{method} {route}"
    assert dict(span.attributes or {}) == {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    assert all(each.parent == span.context for each in of_statements(exported))


async def test_a_failure_of_ours_is_an_error_without_words(
    client: httpx.AsyncClient, exported: InMemorySpanExporter, session: asyncpg.Connection
) -> None:
    await session.execute("ALTER TABLE pets RENAME TO gone")
    assert (await client.get("/pets/7")).status_code == 500
    (span,) = of_requests(exported)
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert span.events == ()


async def test_an_exception_that_gets_through_to_the_server_leaves_no_words(exported: InMemorySpanExporter) -> None:
    async def break_off(*_: object) -> None:
        raise ConnectionError("hunter2")

    with pytest.raises(ConnectionError):
        await Traced(break_off, Tracing(SimpleSpanProcessor(exported)).tracer)(
            {"type": "http", "method": "GET", "headers": []}, AsyncMock(), AsyncMock()
        )
    (span,) = of_requests(exported)
    assert "hunter2" not in span.to_json()


@pytest.mark.parametrize(("path", "service"), [("/pets/7", "pets"), ("/api/v1/applications/01A", "configs")])
async def test_a_statement_is_a_span_within_that_of_its_request(
    client: httpx.AsyncClient, exported: InMemorySpanExporter, path: str, service: str
) -> None:
    valid = path.replace("01A", "01M7ZDPCNM784BXVAF7GKW4RFR")
    assert (await client.get(valid, headers=CALLER)).status_code == 404
    (request,) = of_requests(exported)
    (statement,) = of_statements(exported)
    assert statement.name == f"postgresql {service}"
    assert ids(statement)[0] == ids(request)[0] == TRACE
    assert statement.start_time is not None
    assert request.start_time is not None
    assert statement.end_time is not None
    assert request.start_time - 2_000_000 <= statement.start_time <= statement.end_time  # two clocks


async def test_the_callers_trace_goes_on_into_the_event(
    client: httpx.AsyncClient, exported: InMemorySpanExporter, session: asyncpg.Connection
) -> None:
    await client.post("/pets", json={"name": "Tom", "species": "cat"}, headers=CALLER)
    (span,) = of_requests(exported)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    trace_id, span_id = ids(span)
    assert trace_id == TRACE
    assert await session.fetchval("SELECT traceparent FROM outbox") == f"00-{trace_id}-{span_id}-01"


async def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(
    client: httpx.AsyncClient, exported: InMemorySpanExporter, session: asyncpg.Connection
) -> None:
    for sent in ("hunter2", f"00-{'0' * 32}-{PARENT}-01"):
        await client.post("/pets", json={"name": "Tom", "species": "cat"}, headers={"traceparent": sent})
    spans = of_requests(exported)
    assert [span.parent for span in spans] == [None, None]
    rows = await session.fetch("SELECT traceparent FROM outbox ORDER BY seq")
    assert [row[0].split("-")[1] for row in rows] == [ids(span)[0] for span in spans]


async def test_nothing_of_a_caller_or_a_user_stands_in_a_span(
    client: httpx.AsyncClient, exported: InMemorySpanExporter
) -> None:
    user = (await client.post("/api/v1/users", json=USER)).json()
    assert (await client.post("/api/v1/users", json=USER)).status_code == 409  # PostgreSQL names the address
    tokens = (await client.post("/api/v1/auth/login", json=USER)).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}", "User-Agent": "hunter2"}
    await client.get(f"/api/v1/users/{user['id']}?hunter2=hunter2", headers=bearer)
    text = "".join(span.to_json() for span in exported.get_finished_spans())
    assert "POST /api/v1/users" in text
    for secret in ("hunter2", user["id"], tokens["access_token"], tokens["refresh_token"], "127.0.0.1"):
        assert secret not in text


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_there_are_traces_where_the_standard_variables_say_so(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_traces() is wanted
    if not wanted:
        assert make_tracing(wanted=wants_traces()) is None


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("mainstay.kernel.ops.traces.find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        assert make_tracing(wanted=wants_traces()) is None
    assert "mainstay[otel]" in caplog.text


class Receiver:
    """Takes what OTLP sends over HTTP."""

    def __init__(self) -> None:
        receiver = self
        self.spans: list[Any] = []
        self.services: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, request: ExportTraceServiceRequest) -> None:
        assert path == "/v1/traces"
        for resource in request.resource_spans:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(attributes["service.name"])
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def test_a_server_sends_its_spans_and_names_them_in_its_log(serve: Callable[..., Any], receiver: Receiver) -> None:
    server = serve("--no-relay", SERVICES="pets", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert httpx.get(f"{server.url}/pets/7", headers=CALLER, trust_env=False).status_code == 404
    assert server.stop() == 0  # sends what is left
    wait_for(lambda: any(span.name == "GET /pets/{pet_id}" for span in receiver.spans))
    (span,) = [span for span in receiver.spans if span.name == "GET /pets/{pet_id}"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert receiver.services == {"mainstay"}
    (line,) = [line for line in server.log.splitlines() if "mainstay.access" in line]
    assert re.findall(r"(?:trace|span)_id=(\w+)", line) == [span.span_id.hex(), TRACE]  # by name


def test_a_receiver_that_is_away_holds_up_neither_requests_nor_the_end(serve: Callable[..., Any]) -> None:
    server = serve("--no-relay", SERVICES="pets", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert httpx.get(f"{server.url}/pets/7", trust_env=False, timeout=5).status_code == 404
    assert server.stop() == 0


def test_without_the_variables_the_sdk_is_not_imported() -> None:
    code = "import sys; from mainstay.app import create_app; create_app(); print('opentelemetry.sdk' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False"
