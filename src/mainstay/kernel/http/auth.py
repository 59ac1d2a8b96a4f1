"""Who calls, and whether they may: the first thing that a route looks at, before the body is read."""

from collections.abc import Awaitable, Callable, Collection
from typing import NoReturn, Protocol

from starlette.requests import Request

from mainstay.kernel.core.errors import Forbidden, InvalidToken, Unauthorized
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.bearer import bearer_token
from mainstay.kernel.http.types import PRINCIPAL_KEY

Identify = Callable[[Principal], Awaitable[Principal]]
"""What is known of a token's owner now. Raises InvalidToken where the owner is gone, or the session over."""


class Verifier(Protocol):
    """Tells from an access token who calls."""

    def verify(self, token: str) -> Principal:
        """Who calls. Raises InvalidToken."""


class _NoTokens:
    def verify(self, token: str) -> NoReturn:  # noqa: ARG002 - whatever it is
        raise InvalidToken


NO_TOKENS = _NoTokens()
"""Accepts none."""


class Guard:
    """Knows tokens, and which services want one. The app keeps it in its state."""

    def __init__(self, verifier: Verifier, required: Collection[str], identify: Identify | None = None) -> None:
        self._verifier = verifier
        self._required = required
        self._identify = identify

    async def admit(self, request: Request, service: str, action: str, *, scoped: bool) -> Principal | None:
        """Leave in the scope who calls, and return it: None where nobody says so and nobody has to.

        Raises Unauthorized, InvalidToken, and Forbidden where the operation is `scoped` and no scope of the token
        allows the action (`read`, `write`). A token that is sent counts, also where none is required.
        """
        token = bearer_token(request)
        if token is None:
            if service in self._required:
                raise Unauthorized
            return None
        principal = self._verifier.verify(token)
        if self._identify is not None:
            principal = await self._identify(principal)
        request.scope[PRINCIPAL_KEY] = principal  # before the next check: the log names also who is turned away
        if scoped and not principal.may(service, action):
            raise Forbidden
        return principal
