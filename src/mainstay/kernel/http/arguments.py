"""How an endpoint gets its arguments: FastAPI reads the signature, this binds the request to it.

FastAPI's own binding looks at every parameter's type anew, several times over, in every request: 34 us for one path
parameter and one dependency, 91 us for a list's five filters, against 3 and 9 here (docs/adr/0004-arguments.md).
What is left out is what nothing here may use: parameters in providers, headers and cookies as parameters, forms,
generators and functions that would run in a thread.
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import parse_qsl

from fastapi._compat import ModelField, field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request

from mainstay.kernel.http.request import StrictRequest

Provider = Callable[..., Awaitable[Any]]
Found = dict[str, Any]


class Arguments:
    """The arguments of one route's endpoint."""

    def __init__(self, route: APIRoute) -> None:
        """Raises TypeError where the signature asks for what is not bound here."""
        dependant = route.dependant
        _check(dependant, route.endpoint)
        self._path = [_Parameter(field, "path", field.alias) for field in dependant.path_params]
        self._query = [_Parameter(field, "query", field.alias) for field in dependant.query_params]
        self._lists = {field.alias: _is_list(field) for field in dependant.query_params}
        self._body = [_Parameter(field, "body") for field in dependant.body_params]
        self._request = dependant.request_param_name
        self._providers = [(provider.name or "", _provider(provider)) for provider in dependant.dependencies]

    async def bind(self, request: StrictRequest) -> Found:
        """Every argument by name. Raises RequestValidationError with all that is wrong, before any provider runs."""
        values: Found = {}
        errors: list[Found] = []
        path = request.scope["path_params"]
        query = self._read_query(request.scope["query_string"]) if request.scope["query_string"] else {}
        for parameter in self._path:
            parameter.bind(path.get(parameter.alias), values, errors)
        for parameter in self._query:
            parameter.bind(query.get(parameter.alias), values, errors)
        for parameter in self._body:
            parameter.bind(request.value, values, errors)
        if errors:
            raise RequestValidationError(errors)
        for name, provide in self._providers:
            values[name] = await provide(request)
        if self._request:
            values[self._request] = request
        return values

    def _read_query(self, sent: bytes) -> Found:
        """The parameters by name. Refuses what would be passed over: unknown ones, and a second value for one."""
        values: Found = {}
        for name, value in parse_qsl(sent.decode("latin-1"), keep_blank_values=True):
            if name not in self._lists:
                raise _refused(name, "extra_forbidden", "There is no such parameter")
            if self._lists[name]:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise _refused(name, "repeated", "This parameter takes one value")
            else:
                values[name] = value
        return values


class _Parameter:
    """One parameter: where its value is looked for, under which name the endpoint takes it, and what it must be."""

    __slots__ = ("_field", "_loc", "_name", "_required", "alias")

    def __init__(self, field: ModelField, *loc: str) -> None:
        self.alias = field.alias
        self._field = field
        self._loc = loc
        self._name = field.name
        self._required = field.field_info.is_required()

    def bind(self, value: Any, values: Found, errors: list[Found]) -> None:
        """Add the checked value to the values, or what is wrong with it to the errors."""
        if value is not None:
            values[self._name], found = self._field.validate(value, {}, loc=self._loc)
            errors.extend(found or ())
        elif self._required:
            errors.append({"type": "missing", "loc": self._loc, "msg": "Field required"})
        else:
            values[self._name] = self._field.get_default()


def _is_list(field: ModelField) -> bool:
    return field_annotation_is_sequence(field.field_info.annotation)


def _refused(name: str, error_type: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": error_type, "loc": ("query", name), "msg": message}])


def _check(dependant: Dependant, call: Callable[..., Any]) -> None:
    if dependant.header_params or dependant.cookie_params or len(dependant.body_params) > 1:
        raise TypeError(f"{call.__qualname__}: take headers and cookies from the request; a body is one parameter")
    if any(getattr(field.field_info, "embed", None) for field in dependant.body_params):
        raise TypeError(f"{call.__qualname__}: the body is the parameter, not an object that holds it under its name")
    if not iscoroutinefunction(call):
        raise TypeError(f"{call.__qualname__} must be a coroutine function: a thread for each call costs 40 us")


def _provider(dependant: Dependant) -> Provider:
    """A dependency's function, called with the request alone."""
    call = dependant.call
    assert call is not None  # noqa: S101 - None only for the routes' own dependants
    _check(dependant, call)
    if dependant.path_params or dependant.query_params or dependant.body_params or dependant.dependencies:
        raise TypeError(f"{call.__qualname__}: a provider takes the request, and no parameter of its own")
    if dependant.request_param_name is None:
        return _without_request(call)
    return call


def _without_request(call: Provider) -> Callable[[Request], Awaitable[Any]]:
    return lambda _: call()
