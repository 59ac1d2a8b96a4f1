"""The route class: authenticates, reads, runs the endpoint, renders, commits, and only then sends.

A client never sees a 2xx that was not committed, and what an idempotency key keeps is byte for byte what was sent. A
`yield` dependency that commits does neither: FastAPI ends it after the answer has gone.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mainstay.kernel.core.errors import DomainError, Kind, Unavailable
from mainstay.kernel.core.events import EventBus
from mainstay.kernel.core.rates import Group
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.core.unit import Key, KeyTaken, LostRace, Unit
from mainstay.kernel.http.arguments import Arguments
from mainstay.kernel.http.auth import Guard
from mainstay.kernel.http.conditional import unless_known
from mainstay.kernel.http.contract import Need, contract_of, header_parameters, responses
from mainstay.kernel.http.errors import error_response, log_failure, validation_error
from mainstay.kernel.http.idempotency import idempotency_key
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.http.rendering import Rendered, replay
from mainstay.kernel.http.request import StrictRequest
from mainstay.kernel.http.tenant import read_tenant
from mainstay.kernel.http.types import TENANT_KEY, UNIT_KEY
from mainstay.kernel.ops.metrics import ReplayMetrics

NEVER_REPLAYED = {Kind.UNAVAILABLE, Kind.MALFORMED}
"""What a caller is told of whatever its key: there is nothing to look it up in, or the request cannot be read."""

AnyUnit = TypeVar("AnyUnit", bound=Unit)

# Seconds, at most, before each further run of a request that lost a race: the winner has committed by the time we know
# of it, so the first comes at once; the jitter keeps those who lost together from meeting again.
PAUSES = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.16, 0.16, 0.16)


def begin(request: Request, unit: AnyUnit) -> AnyUnit:
    """Make `unit` the one that the route commits; for the dependency that builds a service."""
    request.scope[UNIT_KEY] = unit
    return unit


class UnitRoute(APIRoute):
    """Every operation of Mainstay is one of these; the endpoint says what it promises with `@answers`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Raises TypeError where the endpoint has no contract, no tag, or a signature that cannot be bound."""
        self.contract = contract_of(endpoint)
        method = next(iter(options["methods"]))
        extra = options.get("openapi_extra") or {}  # names a body where the endpoint reads it by itself
        model = options.get("response_model")
        options["response_description"] = (isinstance(model, type) and model.__doc__) or "Done."
        options["operation_id"] = endpoint.__name__  # what a generated client calls its function
        options["openapi_extra"] = {**extra, "parameters": header_parameters(self.contract, method)}
        super().__init__(path, endpoint, **options)
        has_body = self.body_field is not None or "requestBody" in extra
        described = responses(self.contract, method, self.status_code or 200, has_body=has_body)
        self.responses = {**described, **self.responses}
        self._is_read = method == "GET"
        self.action: Group = "read" if self._is_read else "write"
        self.group = (self.contract.limited or self.action) if self.contract.counted else None
        self.service = str(self.tags[0]) if self.tags else ""
        if not (self.service or self.contract.public):
            raise TypeError(f"{endpoint.__qualname__} has no tag: whether it wants a token, its service says")
        self._arguments = Arguments(self)
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In place of Starlette's wrapping, which handles exceptions twice over on the way of each request."""
        response: Response
        try:
            response = await self._answer(StrictRequest(scope, receive, send))
        except RequestValidationError as error:
            response = error_response(scope, validation_error(error, self.contract.invalid))
        except DomainError as error:
            log_failure(error)
            response = error_response(scope, error)
        await response(scope, receive, send)

    async def _answer(self, request: StrictRequest) -> Response:
        try:
            await self._admit(request)
        finally:  # who is turned away counts too: guessing is no cheaper than asking
            if self.group is not None:
                rate_limits: RateLimits = request.app.state.rate_limits
                await rate_limits.count(request.scope, self.group)
        if self.body_field is not None:
            await request.load(form_label=self.contract.form_label)
        key = None
        if self.contract.idempotency is not Need.NONE:
            key = idempotency_key(request, self.contract.idempotency)
        response = await self._attempt(request, key)
        for pause in PAUSES:
            if response is not None:
                return response
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - jitter, no secret
            response = await self._attempt(request, key)
        if response is None:
            raise Unavailable("Too many writers at once on this resource; please try again.")
        return response

    async def _admit(self, request: StrictRequest) -> None:
        """Leave in the scope who calls and whose data it is about. Raises Unauthorized, Forbidden, TenantRequired."""
        principal: Principal | None = None
        if not self.contract.public:
            guard: Guard = request.app.state.guard
            principal = await guard.admit(request, self.service, self.action, scoped=self.contract.scoped)
        if self.contract.tenant:
            request.scope[TENANT_KEY] = read_tenant(request.named_headers, principal)

    async def _attempt(self, request: StrictRequest, key: Key | None) -> Response | None:
        """One run of the endpoint and its commit; None where it lost a race and has to run again."""
        request.scope[UNIT_KEY] = None
        try:
            response: Response = await self.endpoint(**await self._arguments.bind(request))
            unit: Unit | None = request.scope[UNIT_KEY]
            if unit is not None and isinstance(response, Rendered):
                await unit.commit(response.reply(), key)
                _publish(request, unit, response)
        except (LostRace, KeyTaken, DomainError) as error:
            if key is not None and (answered := await _first_answer(request, error, key)):
                replays: ReplayMetrics = request.app.state.replays
                replays.replayed(self.service)
                return answered
            if isinstance(error, DomainError):
                raise
            return None
        if self._is_read and isinstance(response, Rendered):
            return unless_known(request, response)
        return response


async def _first_answer(request: StrictRequest, error: Exception, key: Key) -> Response | None:
    """The answer that a retry gets, whatever became of its own run: the one that the first request got."""
    unit: Unit | None = request.scope[UNIT_KEY]
    if unit is None or (isinstance(error, DomainError) and error.kind in NEVER_REPLAYED):
        return None
    first = await unit.first(key)
    return None if first is None else replay(first)


def _publish(request: StrictRequest, unit: Unit, response: Rendered) -> None:
    """Tell the listeners of this process, once the answer has been sent."""
    if unit.events:
        bus: EventBus = request.app.state.bus
        tasks = BackgroundTasks()
        for event in unit.events:
            bus.publish(event, tasks)
        if tasks.tasks:
            response.background = tasks
