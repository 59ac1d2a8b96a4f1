"""Whose data a request is about: many tenants share the tables, and none sees another's."""

import re

from starlette.requests import Request

from mainstay.kernel.core.errors import InvalidHeader, Malformed
from mainstay.kernel.http.types import TENANT_KEY, Headers

_TENANT = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class TenantRequired(Malformed):
    """This operation is about one tenant's data, and nothing says whose."""

    message = "Say whose data this is about: send X-Tenant-Id."


def read_tenant(headers: Headers) -> str:
    """The tenant that X-Tenant-Id names. Raises TenantRequired and InvalidHeader."""
    value = headers.get(b"x-tenant-id")
    if value is None:
        raise TenantRequired
    if not _TENANT.fullmatch(value):
        raise InvalidHeader("X-Tenant-Id takes 1 to 64 letters, digits, dots, hyphens and underscores.")
    return value.decode()


def tenant_of(request: Request) -> str:
    """The request's tenant; for operations that promise `tenant=True`."""
    tenant: str = request.scope[TENANT_KEY]
    return tenant
