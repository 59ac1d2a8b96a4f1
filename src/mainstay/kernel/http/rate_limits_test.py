"""Limits around operations of no service, with the time in the test's hand."""

import asyncio
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from mainstay.kernel.core.errors import NotFound, RateLimited, Unavailable
from mainstay.kernel.core.rates import CountsAway, Group, MemoryWindow, Rate, Take, Taken
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.contract import answers
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.rate_limits import RateLimits, count_sign_in
from mainstay.kernel.http.rendering import respond
from mainstay.kernel.http.types import PRINCIPAL_KEY
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RateLimitMetrics

Call = Callable[..., Any]
ALL: dict[Group, Rate] = {"read": Rate(3, 60), "write": Rate(2, 60), "auth": Rate(100, 60)}
ADA, BOB = UUID(int=1), UUID(int=2)

router = APIRouter(route_class=UnitRoute, tags=["cups"])


@router.get("/cups")
@answers(NotFound)
async def read_cup(name: str = "") -> Response:
    if name == "missing":
        raise NotFound
    if name == "broken":
        raise RuntimeError
    return respond({})


@router.post("/cups")
@answers()
async def make_cup(body: dict[str, int]) -> Response:
    return respond(body)


@router.post("/sign-in")
@answers(limited="auth")
async def sign_in(request: Request, account: str = "ada@example.com") -> Response:
    for _ in range(3):  # as often as a request may run that loses races
        await count_sign_in(request, account)
    return respond({})


class Clock:
    """Seconds, which the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.away = False

    def open(self, _name: str, rate: Rate) -> Take:
        """A window that goes by it, and can be taken away."""
        window = MemoryWindow(rate, lambda: self.now)

        async def take(caller: str) -> Taken:
            if self.away:
                raise CountsAway("gone")
            return await window.take(caller)

        return take


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(rates: dict[Group, Rate], clock: Clock) -> FastAPI:
    log = AccessLog(json=True)
    app = create_application(
        routers=[router], limits=Limits(rates=rates), access_log=log, show_cause=False, cors_origins=()
    )
    app.state.rate_limits.count_in(clock.open)
    return app


def calls(app: FastAPI) -> Call:
    """Calls it from an address, as a user where one is given."""

    async def call(
        method: str, path: str, address: str = "10.0.0.1", user: UUID | None = None, **content: Any
    ) -> httpx.Response:
        async def signed_in(scope: Any, receive: Any, send: Any) -> None:
            if user is not None:
                scope[PRINCIPAL_KEY] = SimpleNamespace(subject=user)
            await app(scope, receive, send)

        transport = httpx.ASGITransport(signed_in, raise_app_exceptions=False, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://cups") as client:
            return await client.request(method, path, **content)

    return call


@pytest.fixture
def call(clock: Clock) -> Call:
    return calls(made(ALL, clock))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the program has logged."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("mainstay")]


def told(response: httpx.Response) -> tuple[str | None, ...]:
    return tuple(response.headers.get(name) for name in ("ratelimit-policy", "ratelimit", "retry-after"))


async def statuses(call: Call, *requests: tuple[Any, ...], **options: Any) -> list[int]:
    return [(await call(*request, **options)).status_code for request in requests]


# One budget


async def test_every_answer_tells_what_is_left_and_the_last_one_when_there_is_more(call: Call, clock: Clock) -> None:
    policy = '"read";q=3;w=60'
    assert told(await call("GET", "/cups")) == (policy, '"read";r=2;t=60', None)
    clock.now += 20.5
    assert told(await call("GET", "/cups?name=missing")) == (policy, '"read";r=1;t=40', None)
    assert told(await call("GET", "/cups?name=broken")) == (policy, '"read";r=0;t=40', None)
    refused = await call("GET", "/cups")
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limited"
    assert refused.json()["error"]["details"] == {"retry_after": 40}
    assert told(refused) == (policy, '"read";r=0;t=40', "40")
    clock.now += 40
    assert (await call("GET", "/cups")).status_code == 200


async def test_a_caller_is_never_told_to_wait_no_time(call: Call, clock: Clock) -> None:
    await statuses(call, *[("GET", "/cups")] * 3)
    clock.now += 59.999
    assert told(await call("GET", "/cups"))[1:] == ('"read";r=0;t=1', "1")


async def test_whoever_waits_as_told_finds_room(call: Call, clock: Clock) -> None:
    for _ in range(3):
        await call("GET", "/cups")
        clock.now += 0.7
    clock.now += int(told(await call("GET", "/cups"))[2] or 0)
    assert (await call("GET", "/cups")).status_code == 200


async def test_a_body_is_not_read_of_who_is_refused(call: Call) -> None:
    for status in (200, 200, 429, 429):
        sent = b"{}" if status == 200 else b"no json"
        answer = await call("POST", "/cups", content=sent, headers={"content-type": "application/json"})
        assert answer.status_code == status


async def test_a_refusal_comes_in_the_form_that_is_accepted(call: Call) -> None:
    await statuses(call, *[("GET", "/cups")] * 3)
    refused = await call("GET", "/cups", headers={"accept": "application/problem+json"})
    assert (refused.json()["type"], refused.json()["retry_after"]) == ("urn:mainstay:error:rate_limited", 60)


async def test_reads_and_writes_count_apart_head_is_a_read(call: Call) -> None:
    assert await statuses(call, ("GET", "/cups"), ("HEAD", "/cups"), ("GET", "/cups"), ("HEAD", "/cups")) == [
        *[200] * 3,
        429,
    ]
    assert await statuses(call, *[("POST", "/cups")] * 3, json={}) == [200, 200, 429]


async def test_what_has_no_operation_is_not_counted(call: Call) -> None:
    assert await statuses(call, *[("GET", "/nothing")] * 5, *[("DELETE", "/cups")] * 5) == [404] * 5 + [405] * 5
    assert told(await call("GET", "/nothing")) == (None, None, None)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
async def test_who_runs_the_program_is_not_counted(call: Call, path: str) -> None:
    assert set(await statuses(call, *[("GET", path)] * 5)) == {200}
    assert told(await call("GET", path)) == (None, None, None)


# Whose


async def test_addresses_count_apart_whatever_they_say_of_themselves(call: Call) -> None:
    for number in range(4):
        forged = {"x-forwarded-for": f"1.2.3.{number}", "forwarded": f"for=1.2.3.{number}", "x-real-ip": "9.9.9.9"}
        answer = await call("GET", "/cups", headers=forged)
    assert answer.status_code == 429
    assert (await call("GET", "/cups", "10.0.0.2")).status_code == 200


async def test_a_user_counts_wherever_it_calls_from(call: Call) -> None:
    requests = [("GET", "/cups", f"10.0.0.{number}") for number in range(4)]
    assert await statuses(call, *requests, user=ADA) == [200, 200, 200, 429]
    assert await statuses(call, ("GET", "/cups", "10.0.0.0"), user=BOB) == [200]
    assert await statuses(call, ("GET", "/cups", "10.0.0.0")) == [200]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
    ],
)
async def test_of_ipv6_a_network_counts(call: Call, first: str, second: str, together: bool) -> None:
    await statuses(call, *[("GET", "/cups", first)] * 3)
    assert await statuses(call, ("GET", "/cups", second)) == [429 if together else 200]


# Signing in


async def test_an_account_may_be_tried_six_times_a_minute_from_wherever(call: Call, clock: Clock) -> None:
    tries = [("POST", "/sign-in", f"10.0.0.{number}") for number in range(7)]
    assert await statuses(call, *tries) == [200] * 6 + [429]
    assert await statuses(call, ("POST", "/sign-in?account=bob@example.com", "10.0.0.9")) == [200]
    clock.now += 60
    assert await statuses(call, *tries) == [200] * 6 + [429]


async def test_an_address_may_try_six_accounts_a_minute(call: Call) -> None:
    tries = [("POST", f"/sign-in?account={number}@example.com") for number in range(7)]
    assert await statuses(call, *tries) == [200] * 6 + [429]
    assert await statuses(call, ("POST", "/sign-in?account=6@example.com", "10.0.0.2")) == [200]


@pytest.mark.parametrize("of", ["account", "address"])
async def test_thirty_an_hour(call: Call, clock: Clock, of: str) -> None:
    for number in range(30):
        path = "/sign-in" if of == "account" else f"/sign-in?account={number}@example.com"
        address = f"10.0.0.{number}" if of == "account" else "10.0.0.1"
        assert (await call("POST", path, address)).status_code == 200, number
        clock.now += 12
    refused = await call("POST", "/sign-in", "10.0.0.99" if of == "account" else "10.0.0.1")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(3600 - 30 * 12)


async def test_who_is_refused_for_the_minute_has_the_hour_still(call: Call, clock: Clock) -> None:
    assert await statuses(call, *[("POST", "/sign-in")] * 20) == [200] * 6 + [429] * 14
    clock.now += 60
    assert await statuses(call, *[("POST", "/sign-in")] * 40) == [200] * 6 + [429] * 34
    clock.now += 60
    assert await statuses(call, ("POST", "/sign-in")) == [200]


async def test_attempts_are_not_counted_where_auth_has_no_limit(clock: Clock) -> None:
    call = calls(made({"read": Rate(1, 60)}, clock))
    assert set(await statuses(call, *[("POST", "/sign-in")] * 40)) == {200}


async def test_an_account_of_any_length_takes_no_room() -> None:
    kept: list[str] = []

    def opened(_name: str, _rate: Rate) -> Take:
        async def take(caller: str) -> Taken:
            kept.append(caller)
            return Taken(True, 1, 1)

        return take

    app = SimpleNamespace(state=SimpleNamespace(rate_limits=RateLimits(ALL, RateLimitMetrics(CollectorRegistry()))))
    app.state.rate_limits.count_in(opened)
    await count_sign_in(Request({"type": "http", "app": app, "client": None}), "ada@example.com" * 100_000)
    assert len(kept) == 4
    assert not [caller for caller in kept if len(caller) > 100 or "ada" in caller]


# Nobody to count


async def test_reads_and_writes_go_on_uncounted_signing_in_does_not(call: Call, clock: Clock) -> None:
    clock.away = True
    assert await statuses(call, *[("GET", "/cups")] * 5) == [200] * 5
    assert told(await call("GET", "/cups")) == (None, None, None)
    assert await statuses(call, *[("POST", "/cups")] * 5, json={}) == [200] * 5
    answer = await call("POST", "/sign-in")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    clock.away = False
    assert await statuses(call, ("GET", "/cups"), ("POST", "/sign-in")) == [200, 200]


async def test_it_is_counted_what_could_not_be(call: Call, clock: Clock) -> None:
    await statuses(call, *[("GET", "/cups")] * 5)
    clock.away = True
    await statuses(call, *[("GET", "/cups")] * 3, ("POST", "/sign-in"))
    metrics = (await call("GET", "/metrics")).text
    found = dict(re.findall(r"^(rate_limit\w+_total\{.*\}) (\S+)$", metrics, re.MULTILINE))
    assert found == {
        'rate_limited_total{group="read"}': "2.0",
        'rate_limit_failures_total{group="read"}': "3.0",
        'rate_limit_failures_total{group="auth"}': "1.0",
        'rate_limited_total{group="auth"}': "0.0",
        'rate_limited_total{group="write"}': "0.0",
        'rate_limit_failures_total{group="write"}': "0.0",
    }


async def test_a_line_now_and_then_says_so(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock()
    monkeypatch.setattr("mainstay.kernel.http.rate_limits.time", SimpleNamespace(monotonic=lambda: time.now))
    call = calls(made(ALL, clock))
    clock.away = True
    counts = []
    for _ in range(3):
        await statuses(call, *[("GET", "/cups")] * 5)
        counts.append(sum("cannot be counted" in line for line in lines(caplog)))
        time.now += 6
    assert counts == [1, 1, 2]


async def test_no_line_says_who_was_counted(
    call: Call, clock: Clock, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    await statuses(call, *[("POST", "/sign-in?account=ada@example.com", "10.9.8.7")] * 8)
    clock.away = True
    await statuses(call, *[("POST", "/sign-in?account=ada@example.com", "10.9.8.7")] * 2)
    await asyncio.sleep(0)  # the lines of a turn of the loop are written at its end
    found = [*lines(caplog), *capsys.readouterr().out.splitlines()]
    assert len(found) > 10
    assert not [line for line in found if "ada@example" in line or "10.9.8.7" in line]


# Documented


def documented(rates: dict[Group, Rate], clock: Clock) -> dict[str, Any]:
    found: dict[str, Any] = made(rates, clock).openapi()["paths"]
    return found


def test_429_is_documented_where_it_is_answered(clock: Clock) -> None:
    paths = documented({"read": Rate(3, 60), "auth": Rate(3, 60)}, clock)
    limited = {
        (method, path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "429" in operation["responses"]
    }
    assert limited == {("get", "/cups"), ("post", "/sign-in")}
    responses = paths["/cups"]["get"]["responses"]
    assert all({"RateLimit", "RateLimit-Policy"} <= response["headers"].keys() for response in responses.values())
    assert {"Retry-After", "X-Request-ID"} <= responses["429"]["headers"].keys()
    assert set(responses["429"]["content"]) == {"application/json", "application/problem+json"}
    assert list(responses) == sorted(responses)


def test_nothing_is_documented_where_nothing_is_limited(clock: Clock) -> None:
    assert not re.search("429|ratelimit|rate_limit", json.dumps(documented({}, clock)), re.IGNORECASE)


async def test_the_headers_are_of_the_documented_form(call: Call, clock: Clock) -> None:
    headers = documented(ALL, clock)["/cups"]["get"]["responses"]["200"]["headers"]
    answer = await call("GET", "/cups")
    for name in ("RateLimit-Policy", "RateLimit"):
        assert re.fullmatch(headers[name]["schema"]["pattern"], answer.headers[name])


@pytest.mark.parametrize(("group", "error"), [("auth", Unavailable), ("read", None)])
async def test_an_error_says_what_a_caller_can_do(group: Group, error: type[Exception] | None, clock: Clock) -> None:
    limits = RateLimits({group: Rate(1, 60)}, RateLimitMetrics(CollectorRegistry()))
    limits.count_in(clock.open)
    scope = {"client": ("10.0.0.1", 1)}
    await limits.count(scope, group)
    with pytest.raises(RateLimited, match="Retry-After"):
        await limits.count(scope, group)
    clock.away = True
    if error is None:
        await limits.count(scope, group)
    else:
        with pytest.raises(error):
            await limits.count(scope, group)
