"""The resources that the platform's rules are held against. A resource joins with a row in RESOURCES."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]
AN_APPLICATION = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """In what one resource differs from the others."""

    name: str
    service: str = ""
    """Whose it is, where that is not its name: what scopes begin with, and what its storage is called in the app."""
    for_admins: bool = False
    """Whether admins alone may, but for POST, which anybody may; else scopes say who may."""
    given: Sequence[str] = ()
    """Statements that make what its bodies refer to."""
    collection: str
    body: Callable[[str], Json]
    """What POST takes; another text makes another resource."""
    change: Callable[[str], Json]
    """What changes it; another text changes it into something else."""
    invalid: Json
    """A body that neither POST nor the change takes."""
    not_found: str
    """The code of the error."""
    missing: str
    """An id that nothing has."""
    allow: str
    """The methods of one resource."""
    allow_on_collection: str
    changed_by: tuple[str, str] = ("PATCH", "")
    """Method, and path below the resource."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call."""
    tenant_field: str = "tenant_id"
    """The field that says whose it is, where a header does."""
    after_change: str = ""
    """The path below the resource of a call that only a changed one takes."""
    if_match_required: bool = False
    keyed: bool = True
    """Whether POST takes an Idempotency-Key."""
    key_required: bool = False
    unique: str = ""
    """The field that no two resources share, if there is one."""
    invalid_status: int = 422
    cache_control: str = "private, no-cache"
    """Of its answers."""
    default_limit: int = 0
    """Of a page; 0 where there are no pages."""
    max_limit: int = 0
    offset: bool = True
    """Whether pages go by offset."""

    @property
    def listed(self) -> bool:
        """Whether its collection can be read."""
        return "GET" in self.allow_on_collection

    @property
    def owner(self) -> str:
        """The service that it belongs to."""
        return self.service or self.name

    @property
    def paged(self) -> bool:
        """Whether the collection is read in pages: one that is not is streamed, and takes no parameters."""
        return self.default_limit > 0


RESOURCES = [
    Resource(
        name="pets",
        collection="/pets",
        body=lambda text: {"name": f"Mittens {text}", "species": "cat", "age_years": 2},
        change=lambda _: {"status": "sold"},
        invalid={"name": ""},
        not_found="pet_not_found",
        missing="9223372036854775807",
        allow="DELETE, GET, HEAD, PATCH, PUT",
        allow_on_collection="GET, HEAD, POST",
        if_match_required=True,
        default_limit=50,
        max_limit=200,
    ),
    Resource(
        name="tasks",
        collection="/v1/tasks",
        body=lambda text: {"title": f"Fix bug {text}", "priority": 4},
        change=lambda _: {"status": "completed"},
        invalid={"title": ""},
        not_found="task_not_found",
        missing="9223372036854775807",
        allow="DELETE, GET, HEAD, PATCH, PUT",
        allow_on_collection="GET, HEAD, POST",
        unique="title",
        default_limit=20,
        max_limit=100,
    ),
    Resource(
        name="orders",
        collection="/orders",
        headers={"X-Tenant-Id": "tenant-1"},
        tenant_field="tenantId",
        body=lambda _: {},
        change=lambda _: {"totalCents": 5000},
        changed_by=("PATCH", "/confirm"),
        after_change="/close",
        invalid={"unknown": 1},
        not_found="order_not_found",
        missing="ffffffff-ffff-7fff-bfff-ffffffffffff",
        allow="GET, HEAD",
        allow_on_collection="GET, HEAD, POST",
        if_match_required=True,
        key_required=True,
        default_limit=20,
        max_limit=100,
        offset=False,
    ),
    Resource(
        name="applications",
        service="configs",
        collection="/api/v1/applications",
        body=lambda text: {"name": f"checkout {text}", "comments": "new"},
        change=lambda text: {"name": f"checkout, changed {text}"},
        changed_by=("PUT", ""),
        invalid={"name": ""},
        invalid_status=400,
        unique="name",
        not_found="application_not_found",
        missing="7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        allow="GET, HEAD, PUT",
        allow_on_collection="GET, HEAD, POST",
        keyed=False,
    ),
    Resource(
        name="configurations",
        service="configs",
        collection="/api/v1/configurations",
        given=[f"INSERT INTO applications (id, name) VALUES ('{AN_APPLICATION}', 'an application')"],
        body=lambda text: {"application_id": AN_APPLICATION, "name": f"production {text}", "config": {"a": [1, 2.5]}},
        change=lambda text: {"name": f"production, changed {text}", "config": {"b": None}},
        changed_by=("PUT", ""),
        invalid={"name": ""},
        invalid_status=400,
        unique="name",
        not_found="configuration_not_found",
        missing="7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        allow="GET, HEAD, PUT",
        allow_on_collection="POST",
        keyed=False,
    ),
    Resource(
        name="users",
        for_admins=True,
        collection="/api/v1/users",
        body=lambda text: {"email": f"{text}@example.com", "password": "correct-battery-horse"},
        change=lambda text: {"full_name": f"Ada {text}"},
        invalid={"email": ""},
        not_found="user_not_found",
        missing="ffffffff-ffff-7fff-bfff-ffffffffffff",
        allow="DELETE, GET, HEAD, PATCH",
        allow_on_collection="GET, HEAD, POST",
        keyed=False,
        unique="email",
        cache_control="no-store",
        default_limit=20,
        max_limit=100,
        offset=False,
    ),
]
