"""What applications and configurations are, and how they are told apart from what they were. Pure: no SQL, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import orjson
from ulid import ULID

from mainstay.kernel.core.errors import Conflict, Invalid, Malformed, NotFound

NAME_MAX = 256
"""Characters in a name."""
COMMENTS_MAX = 1024
"""Characters in comments."""

_TAG_BYTES = 16


class InvalidRequest(Malformed):
    """What the kernel's Invalid says, with the status 400 that the callers of this service know."""

    code = Invalid.code
    message = Invalid.message


class ApplicationNotFound(NotFound):
    """There is no application with this id."""


class ConfigurationNotFound(NotFound):
    """There is no configuration with this id."""


class UnknownApplication(Malformed):
    """A configuration is meant for an application that does not exist."""

    code = "unknown_application"
    message = "There is no application with the application_id of the body: create it first."


class DuplicateApplication(Conflict):
    """The name is another application's."""

    message = "There is an application with this name already: choose another name."


class DuplicateConfiguration(Conflict):
    """The name is that of another configuration of the same application."""

    message = "This application has a configuration with this name already: choose another name."


@dataclass(frozen=True, slots=True)
class Application:
    """A program that configurations are for. The fields are, in this order, what callers see."""

    id: str
    name: str
    comments: str | None
    configuration_ids: Sequence[str]
    """In their order."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One set of values for an application. The fields are, in this order, what callers see."""

    id: str
    application_id: str
    name: str
    comments: str | None
    config: str
    """JSON text, which goes into answers as it stands: a float of Python's would not hold every decimal."""


Resource = Application | Configuration


@dataclass(frozen=True, slots=True)
class Representation:
    """A resource as it is sent."""

    id: str
    """The resource's."""
    body: bytes
    tag: str
    """A hash of the body. It stands for a version, which the tables don't have."""

    @classmethod
    def of(cls, resource: Resource) -> Self:
        """The one representation of the resource in this state."""
        fields = {name: getattr(resource, name) for name in resource.__slots__}
        if isinstance(resource, Configuration):
            fields["config"] = orjson.Fragment(resource.config)
        body = orjson.dumps(fields)
        return cls(resource.id, body, blake2b(body, digest_size=_TAG_BYTES).hexdigest())


def new_id() -> str:
    """An id that nothing else has. Those of one process sort by the time they were made."""
    return str(ULID())
