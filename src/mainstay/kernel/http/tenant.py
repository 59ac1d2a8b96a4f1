"""Whose data a request is about: many tenants share the tables, and none sees another's."""

import re

from starlette.requests import Request

from mainstay.kernel.core.errors import Forbidden, InvalidHeader, Malformed
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.types import TENANT_KEY, Headers

_TENANT = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class TenantRequired(Malformed):
    """This operation is about one tenant's data, and nothing says whose."""

    message = "Say whose data this is about: send X-Tenant-Id."


def read_tenant(headers: Headers, principal: Principal | None = None) -> str:
    """The tenant of who calls, or, where nobody says who calls, the one that X-Tenant-Id names.

    Raises TenantRequired, InvalidHeader, and Forbidden where the caller has no tenant, or names another than its own.
    """
    if principal is not None and principal.tenant is None:
        raise Forbidden
    named = _named(headers)
    if principal is not None and named not in {None, principal.tenant}:
        raise Forbidden
    tenant = named if principal is None else principal.tenant
    if tenant is None:
        raise TenantRequired
    return tenant


def _named(headers: Headers) -> str | None:
    value = headers.get(b"x-tenant-id")
    if value is not None and not _TENANT.fullmatch(value):
        raise InvalidHeader("X-Tenant-Id takes 1 to 64 letters, digits, dots, hyphens and underscores.")
    return None if value is None else value.decode()


def tenant_of(request: Request) -> str:
    """The request's tenant; for operations that promise `tenant=True`."""
    tenant: str = request.scope[TENANT_KEY]
    return tenant
