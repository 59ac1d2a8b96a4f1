"""The OpenAPI document: what FastAPI derives, mended where the kernel knows better."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mainstay.kernel.http.bounds import say_bounds
from mainstay.kernel.http.contract import REQUEST_ID, limited
from mainstay.kernel.http.errors import ErrorResponse, ProblemResponse
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.http.unit import UnitRoute

TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105 - an address
REFRESH_PATH = "/api/v1/auth/refresh"
_SCHEME = "token"
_TOKENS = (
    "A JSON Web Token that lives 15 minutes and is checked as RFC8725 says. It comes with a refresh token, which is "
    "exchanged, as JSON, for the next pair."
)
_FOREIGN = "A JSON Web Token from whoever serves users; checked as RFC8725 says."
_FIRST_CLAUSE = re.compile(r"[.:;](?:\s|$)")
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")  # its own error shape, which nothing here answers


def document(app: FastAPI) -> dict[str, Any]:
    """The document of all routes, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=[{"url": "/", "x-internal": False}],
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in _OF_FASTAPI:
            schemas.pop(name, None)
        for model in (ErrorResponse, ProblemResponse):
            described = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= {**described.pop("$defs", {}), model.__name__: described}
        _tell_limits(app, schema["paths"])
        for item in schema["paths"].values():
            for operation in item.values():
                if "description" in operation:
                    operation["summary"] = _FIRST_CLAUSE.split(operation["description"])[0]
                _without_fastapis_own(operation["responses"])
                for response in operation["responses"].values():
                    response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
        guarded = [route for route in app.routes if isinstance(route, UnitRoute) and not route.contract.public]
        if guarded:
            _say_who_may(guarded, app.state.guarded, schema)
        say_bounds(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _say_who_may(routes: Iterable[UnitRoute], token_required: Collection[str], schema: dict[str, Any]) -> None:
    """Each operation's scope, and that a token is needed, or may be left out."""
    scopes: dict[str, str] = {}
    for item in schema["paths"].values():
        for operation in item.values():
            operation["security"] = []  # said, not left out: no token, on purpose
    for route in routes:
        scope = {f"{route.service}:{route.action}": f"{route.action.capitalize()} {route.service}."}
        needed = scope if route.contract.scoped else {}
        required = route.service in token_required
        for method in route.methods:
            operation = schema["paths"][route.path][method.lower()]
            operation["security"] = [*([] if required else [{}]), {_SCHEME: list(needed)}]
            for parameter in operation.get("parameters", ()):
                if required and parameter["name"] == "X-Tenant-Id":
                    parameter["required"] = False  # the token says it
        scopes |= needed
    schema["components"]["securitySchemes"] = {_SCHEME: _security_scheme(schema, scopes)}


def _security_scheme(schema: dict[str, Any], scopes: dict[str, str]) -> dict[str, Any]:
    """Where tokens come from: from this process, where it serves users; what the Authorize button of /docs offers."""
    if TOKEN_PATH not in schema["paths"]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _FOREIGN}
    # Relative, as all addresses of the documentation pages.
    flow = {
        "tokenUrl": TOKEN_PATH.removeprefix("/"),
        "refreshUrl": REFRESH_PATH.removeprefix("/"),
        "scopes": dict(sorted(scopes.items())),
    }
    return {"type": "oauth2", "description": _TOKENS, "flows": {"password": flow}}


def _tell_limits(app: FastAPI, paths: dict[str, Any]) -> None:
    """Which operations answer 429: the settings say so, which the routes were made without."""
    rate_limits: RateLimits = app.state.rate_limits
    for route in app.routes:
        if isinstance(route, UnitRoute) and route.group in rate_limits.groups:
            for method in route.methods:
                operation = paths[route.path_format][method.lower()]
                operation["responses"] = limited(operation["responses"])


def _without_fastapis_own(responses: dict[str, Any]) -> None:
    """It adds a 422 to every operation with parameters that names none."""
    for content in responses.get("422", {}).get("content", {}).values():
        if content["schema"] == {"$ref": "#/components/schemas/HTTPValidationError"}:
            del responses["422"]
            return
