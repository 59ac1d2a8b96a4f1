"""The documentation pages, whole without internet: /docs (Swagger UI), /redoc (ReDoc) and the /openapi.json they show.

The two bundles are the files of the upstream releases, which two PyPI packages carry. Only these files are used: the
packages are found by name and never imported.
"""

import asyncio
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from html import escape
from importlib.util import find_spec
from pathlib import Path

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from mainstay.kernel.core.etag import TagList, entity_tag

# Swagger UI runs under this as it stands. `style-src` comes last so that ReDoc's exceptions can follow it.
_POLICY = (
    "default-src 'none'; script-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; style-src 'self'"
)
# ReDoc adds two <style> elements, each allowed by the hash of its text alone: an empty one, which it fills through the
# object model, and the sheet of its scroll bars. Its search runs in a worker that it makes of a blob.
_REDOC_POLICY = (
    f"{_POLICY} 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; worker-src blob:"
)
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}  # RFC 9239 names JavaScript's
_IMMUTABLE = "public, max-age=31536000, immutable"

# ReDoc shows its maker's logo from a CDN and has no option against it; an image that cannot load is left out.
_REDOC_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_IMAGE = b"data:,"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{links}
</head>
<body>
<noscript>This page needs JavaScript. The API is described in <a href="openapi.json">openapi.json</a>.</noscript>
<div id="docs"></div>
</body>
</html>
"""
# Relative, so that the pages also work behind a proxy that serves the program under a path of its own.
_LINKS = {
    ".css": '<link rel="stylesheet" href="docs/{name}?v={version}">',
    ".js": '<script defer src="docs/{name}?v={version}"></script>',
    ".svg": '<link rel="icon" href="docs/{name}?v={version}">',
}


class Document:
    """A body that stays the same for as long as the process lives, with the headers it goes out with.

    It is read anew, in a thread, whenever somebody asks: the bundles have 3 MB, and few ask.
    """

    def __init__(self, read: Callable[[], bytes], media_type: str, policy: str = _POLICY) -> None:
        self.version = sha256(read()).hexdigest()[:16]
        self._read = read
        self._media_type = media_type
        self._policy = policy

    async def respond(self, request: Request) -> Response:
        """Send the body, or 304 to a caller who has it (RFC 9110, section 13.1.2). Raises InvalidHeader.

        Only an address that names this very version may be cached for good: during a rolling restart a page of the new
        release can ask a process of the old one.
        """
        named = request.query_params.get("v") == self.version
        headers = {
            "ETag": entity_tag(self.version),
            "Cache-Control": _IMMUTABLE if named else "no-cache",
            "Content-Security-Policy": self._policy,
            "X-Content-Type-Options": "nosniff",
        }
        if_none_match = request.headers.getlist("if-none-match")
        if if_none_match and TagList.parse(", ".join(if_none_match)).names(self.version):
            return Response(status_code=304, headers=headers)
        return Response(await asyncio.to_thread(self._read), media_type=self._media_type, headers=headers)


class _Route(Route):
    """Says, as FastAPI's routes do, which one it is: the log and the metrics name it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As its base, with itself in the scope."""
        match, child = super().matches(scope)
        return match, {**child, "route": self}


def mount_docs(app: FastAPI) -> None:
    """Add the two pages, their files and /openapi.json to an application made with `openapi_url=None`.

    The document is made at the first request for it, so routes may still be added after this call. Raises
    ModuleNotFoundError where a package that carries a bundle is not installed.
    """
    swagger_ui = _page(app.title, "swagger-ui.css", "swagger-ui-bundle.js", "swagger.js")
    redoc = _page(app.title, "redoc.standalone.js", "redoc.js", policy=_REDOC_POLICY)

    @cache
    def openapi() -> Document:
        body = orjson.dumps(app.openapi())
        return Document(lambda: body, "application/json")

    async def respond_openapi(request: Request) -> Response:
        return await openapi().respond(request)

    app.router.routes += [
        _Route("/docs", swagger_ui.respond),
        _Route("/redoc", redoc.respond),
        _Route("/openapi.json", respond_openapi),
        *(_Route(f"/docs/{name}", asset.respond) for name, asset in _assets().items()),
    ]


@cache
def _assets() -> dict[str, Document]:
    """Every file the pages ask for, by name. A route for each, so no path ever comes from a request."""
    swagger_ui = _folder("fastapi_swagger") / "resources"
    redoc = _folder("fastapi_offline") / "static"
    ours = Path(__file__).with_name("static")
    files = [
        swagger_ui / "swagger-ui.css",
        swagger_ui / "swagger-ui-bundle.js",
        redoc / "redoc.standalone.js",
        ours / "favicon.svg",
        ours / "page.css",
        ours / "redoc.js",
        ours / "swagger.js",
    ]
    return {file.name: Document(partial(_bundle, file), _MEDIA_TYPES[file.suffix]) for file in files}


def _bundle(file: Path) -> bytes:
    return file.read_bytes().replace(_REDOC_LOGO, _NO_IMAGE)


def _folder(package: str) -> Path:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"{package} is not installed: it carries a file of the documentation pages"
        raise ModuleNotFoundError(message, name=package)
    return Path(spec.submodule_search_locations[0])


def _page(title: str, *names: str, policy: str = _POLICY) -> Document:
    """Make a page that loads the named assets, in this order, after those that every page has."""
    links = [
        _LINKS[Path(name).suffix].format(name=name, version=_assets()[name].version)
        for name in ("favicon.svg", "page.css", *names)
    ]
    page = _PAGE.format(title=escape(title), links="\n".join(links)).encode()
    return Document(lambda: page, "text/html", policy)
