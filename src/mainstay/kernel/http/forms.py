"""Bodies that are forms, for the one caller who sends them by standard: OAuth2."""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from mainstay.kernel.http.request import StrictRequest

Form = TypeVar("Form", bound=BaseModel)


async def read_form(request: StrictRequest, model: type[Form]) -> Form:
    """The body as a form of this shape. Raises what reading a body raises, and RequestValidationError.

    A function to call in the endpoint: the binding of arguments knows JSON alone.
    """
    fields = await request.load_form()
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


def form_body(model: type[BaseModel]) -> dict[str, Any]:
    """What a route tells OpenAPI of such a body, as its `openapi_extra`."""
    content = {"application/x-www-form-urlencoded": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
