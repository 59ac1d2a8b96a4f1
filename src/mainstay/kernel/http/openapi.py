"""The OpenAPI document: what FastAPI derives, mended where the kernel knows better."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from mainstay.kernel.http.contract import REQUEST_ID
from mainstay.kernel.http.errors import ProblemResponse

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
            servers=[{"url": "/"}],
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in _OF_FASTAPI:
            schemas.pop(name, None)
        schemas["ProblemResponse"] = ProblemResponse.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas["ProblemResponse"].pop("$defs", None)
        schemas["FieldError"] = ProblemResponse.model_json_schema()["$defs"]["FieldError"]
        for item in schema["paths"].values():
            for operation in item.values():
                _without_fastapis_own(operation["responses"])
                for response in operation["responses"].values():
                    response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
        app.openapi_schema = schema
    return app.openapi_schema


def _without_fastapis_own(responses: dict[str, Any]) -> None:
    """It adds a 422 to every operation with parameters that names none."""
    for content in responses.get("422", {}).get("content", {}).values():
        if content["schema"] == {"$ref": "#/components/schemas/HTTPValidationError"}:
            del responses["422"]
            return


def operation_id(route: APIRoute) -> str:
    """The endpoint's name: what a generated client calls its function."""
    return route.name
