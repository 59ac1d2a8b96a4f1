"""The unit of work: one request's change, its events and its idempotency key, committed together or not at all."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from mainstay.kernel.core.errors import Conflict, Invalid, Malformed
from mainstay.kernel.core.events import Event


class LostRace(Exception):
    """Somebody else changed the row between our read and our write: run the request again on what is there now."""


class KeyTaken(Exception):
    """The idempotency key is already in the store; nothing of this unit was committed."""


class IdempotencyKeyRequired(Malformed):
    """The operation makes something, and a retry must not make it twice."""

    message = "Send an Idempotency-Key (1 to 255 printable ASCII characters), a new one for every new request."


class IdempotencyKeyReused(Invalid):
    """The key came with another body before."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used with another body: send a new key for a new request."


class RequestInProgress(Conflict):
    """The first request with this key has not ended."""

    code = "request_in_progress"
    message = "A request with this Idempotency-Key is still being answered; try again in a moment."
    retry_after = 1


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key in its scope (IETF draft-ietf-httpapi-idempotency-key-header)."""

    tenant: str
    scope: str
    """Method and path."""
    value: str
    fingerprint: bytes
    """SHA-256 of the canonical JSON of the body: tells a retry from a reuse."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it was sent, so that it can be sent again byte for byte."""

    status: int
    body: bytes
    etag: str | None = None
    location: str | None = None


class Unit(ABC):
    """One request's write. A service emits events into it, a repository gives it the change, the route commits it."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event) -> None:
        """Add events, in order, to what is committed."""
        self.events.extend(events)

    @abstractmethod
    async def commit(self, reply: Reply, key: Key | None) -> None:
        """Commit change, key and events at once.

        Raises LostRace where the row has changed since it was read, KeyTaken where the key is there already,
        RequestInProgress where its first use is not over, and the domain errors that the repository named for
        violated constraints.
        """

    @abstractmethod
    async def first(self, key: Key) -> Reply | None:
        """The answer that the first use of the key got, None where there was none.

        Raises IdempotencyKeyReused where that use had another body.
        """
