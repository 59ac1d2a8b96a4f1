"""The errors a caller can be told about. They have a kind, never a status: HTTP is only one way to be called."""

import re
from enum import Enum, auto
from typing import ClassVar

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Kind(Enum):
    """What went wrong, in words that every protocol can translate (`kernel/http/errors.py` does for HTTP)."""

    MALFORMED = auto()
    INVALID = auto()
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    TIMEOUT = auto()
    CONFLICT = auto()
    PRECONDITION_FAILED = auto()
    TOO_LARGE = auto()
    UNSUPPORTED_MEDIA = auto()
    PRECONDITION_REQUIRED = auto()
    RATE_LIMITED = auto()
    UNAVAILABLE = auto()
    INTERNAL = auto()


class DomainError(Exception):
    """Base of every error that a caller is told about: `raise PetNotFound(id=7)`.

    `code` is the class name in snake case and `message` the first line of the docstring, unless the class says
    otherwise; keyword arguments become the `details` a caller reads. `original_error` is shown as `details.cause`
    where the deployment allows it (dev alone).
    """

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal_error"
    message: ClassVar[str] = "Something went wrong on our side."
    retry_after: int | None = None
    """Seconds after which a retry makes sense; None where only a changed request does."""

    def __init_subclass__(cls) -> None:
        """Give the class its code and its message."""
        if "code" not in cls.__dict__:
            cls.code = _WORD_START.sub("_", cls.__name__).lower()
        if "message" not in cls.__dict__ and cls.__doc__:
            cls.message = cls.__doc__.partition("\n")[0]

    def __init__(
        self, message: str | None = None, *, original_error: BaseException | None = None, **details: object
    ) -> None:
        super().__init__(message or self.message)
        self.details = details
        self.original_error = original_error


class Malformed(DomainError):
    """The request cannot be read at all."""

    kind = Kind.MALFORMED
    code = "bad_request"
    message = "The request could not be read."


class InvalidHeader(Malformed):
    """A header's value is not of its grammar."""

    code = "invalid_header"
    message = "A header is malformed."


class Invalid(DomainError):
    """The request was read, but what it asks for is not allowed by the rules."""

    kind = Kind.INVALID
    code = "validation_error"
    message = "The request is not valid; see details.errors."


class Unauthorized(DomainError):
    """The caller has not said who it is, or not so that it can be believed."""

    kind = Kind.UNAUTHORIZED
    message = "Sign in, and send the access token as `Authorization: Bearer <token>`."


class InvalidToken(Unauthorized):
    """The access token is not accepted. What is wrong with it is told to nobody: only a forger could use it."""

    message = "The access token is not valid, or not any more: refresh it, or sign in again."


class Forbidden(DomainError):
    """It is known who the caller is; it may not do this."""

    kind = Kind.FORBIDDEN
    message = "You are not allowed to do this."


class NotFound(DomainError):
    """There is no such thing (or the caller may not know of it)."""

    kind = Kind.NOT_FOUND
    message = "There is nothing here."


class MethodNotAllowed(DomainError):
    """The thing is there, but not for this method."""

    kind = Kind.METHOD_NOT_ALLOWED
    message = "This method is not allowed here; the Allow header lists those that are."


class RequestTimeout(DomainError):
    """The caller took too long to send the request."""

    kind = Kind.TIMEOUT
    message = "The request did not arrive in time."


class Conflict(DomainError):
    """The request is at odds with what is stored."""

    kind = Kind.CONFLICT
    message = "The request is at odds with the current state."


class PreconditionFailed(DomainError):
    """The caller's If-Match names another version than the current one, which `etag` is."""

    kind = Kind.PRECONDITION_FAILED
    message = "The resource has changed since you read it: read it again, then decide."

    def __init__(self, etag: str) -> None:
        super().__init__(current_etag=etag)
        self.etag = etag


class PreconditionRequired(DomainError):
    """The caller must say which version the change is meant for."""

    kind = Kind.PRECONDITION_REQUIRED
    message = "Send If-Match with the ETag of the version that you want to change."


class TooLarge(DomainError):
    """The body is over the limit."""

    kind = Kind.TOO_LARGE
    code = "payload_too_large"
    message = "The body is too large."


class UnsupportedMediaType(DomainError):
    """The body is of a type that this operation does not read."""

    kind = Kind.UNSUPPORTED_MEDIA
    message = "Send the body as application/json."


class RateLimited(DomainError):
    """The caller asks too often; there is room for one more after `seconds`."""

    kind = Kind.RATE_LIMITED
    message = "Too many requests: wait for as many seconds as Retry-After says."
    retry_after = 1

    def __init__(self, seconds: int) -> None:
        super().__init__(retry_after=seconds)
        self.retry_after = seconds


class Unavailable(DomainError):
    """Something that the program needs is away or too busy; the same request may be sent again."""

    kind = Kind.UNAVAILABLE
    message = "The service cannot answer right now; please try again."
    retry_after = 1


class StartupError(Exception):
    """The program cannot start; the message says what to do about it."""


class InternalError(DomainError):
    """A fault of ours. Says nothing of its cause: that stands in the log under the request id."""

    message = DomainError.message
