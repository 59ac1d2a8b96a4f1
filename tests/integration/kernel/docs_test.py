"""The documentation pages, asked for over a socket and shown by a browser that is cut off from the internet."""

import http.client
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Header
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.responses import Response

from mainstay.kernel.http.docs import mount_docs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

PAGES = ["/docs", "/redoc"]
ASSETS = {
    "favicon.svg": "image/svg+xml",
    "page.css": "text/css; charset=utf-8",
    "redoc.js": "text/javascript; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger.js": "text/javascript; charset=utf-8",
}

MOUNT = "from fastapi import FastAPI; from mainstay.kernel.http.docs import mount_docs; mount_docs(FastAPI())"

Browse = Callable[[str], tuple[str, list[str]]]


class Pet(BaseModel):
    name: str
    age_years: int | None = None


def make_app() -> FastAPI:
    """Two operations, and a page that breaks the policy of the pages."""
    app = FastAPI(title="Mainstay", openapi_url=None, redirect_slashes=False)

    @app.post("/pets", status_code=201)
    async def create_pet(pet: Pet, idempotency_key: Annotated[str | None, Header()] = None) -> Pet:
        """Registers a pet."""
        del idempotency_key
        return pet

    mount_docs(app)

    @app.get("/pets/{pet_id}")
    async def get_pet(pet_id: int) -> Pet:
        """Reads a pet; declared after the pages were mounted."""
        return Pet(name=f"number {pet_id}")

    @app.get("/inline", include_in_schema=False)
    async def show_inline_script() -> Response:
        return HTMLResponse("<script>1</script>", headers={"Content-Security-Policy": "script-src 'self'"})

    return app


@contextmanager
def serve(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of a running server; the socket listens before it is asked, so there is nothing to wait for."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=base_url, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serve(make_app()) as client:
        yield client


@pytest.fixture
def browse(client: httpx.Client, tmp_path: Path) -> Browse:
    """Load a page in Chromium: what it rendered, and what it wrote to the console (violations of the policy too)."""

    def load(path: str) -> tuple[str, list[str]]:
        options = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=5000 --dump-dom"
        )
        only_us = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        command = [str(CHROMIUM), *options.split(), only_us, f"--user-data-dir={tmp_path}", f"{origin(client)}{path}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return run.stdout, [line for line in run.stderr.splitlines() if ":CONSOLE" in line]

    return load


class Markup(HTMLParser):
    """What a page refers to, and what it holds inline."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.references += [value for name in ("src", "href") if (value := given.get(name))]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def directives(response: httpx.Response) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in response.headers["content-security-policy"].split(";")]
    return {name: sources for name, _, sources in parts}


def origin(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def status_of(client: httpx.Client, target: str) -> int:
    """The answer to a request target exactly as written: httpx would tidy it up first."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    finally:
        connection.close()


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_every_file_from_us(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Mainstay</title>" in page.text
    references = Markup(page.text).references
    assert len(references) >= 5
    for reference in references:
        assert httpx.URL(reference).is_relative_url
        assert client.get(page.url.join(reference)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_page_holds_nothing_inline(client: httpx.Client, path: str) -> None:
    assert Markup(client.get(path).text).inline == []


def test_title_is_escaped() -> None:
    app = FastAPI(title="</title><script>", openapi_url=None)
    mount_docs(app)
    with serve(app) as client:
        assert Markup(client.get("/docs").text).inline == []


def test_swagger_ui_needs_no_exception_from_the_policy(client: httpx.Client) -> None:
    assert directives(client.get("/docs")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }


def test_redoc_gets_no_more_than_hashed_styles_and_its_worker(client: httpx.Client) -> None:
    strict, redoc = directives(client.get("/docs")), directives(client.get("/redoc"))
    own, *hashes = redoc["style-src"].split()
    assert own == "'self'"
    assert len(hashes) == 2
    assert all(source.startswith("'sha256-") for source in hashes)
    assert redoc == strict | {"style-src": redoc["style-src"], "worker-src": "blob:"}


@pytest.mark.parametrize(("name", "media_type"), ASSETS.items())
def test_asset_has_its_type_and_headers(client: httpx.Client, name: str, media_type: str) -> None:
    asset = client.get(f"/docs/{name}")
    assert asset.status_code == 200
    assert asset.headers["content-type"] == media_type
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert directives(asset)["default-src"] == "'none'"


@pytest.mark.parametrize("path", PAGES)
def test_address_with_the_version_is_cached_for_good(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.headers["cache-control"] == "no-cache"
    for reference in Markup(page.text).references:
        cached = client.get(page.url.join(reference)).headers["cache-control"]
        assert cached == ("no-cache" if reference == "openapi.json" else "public, max-age=31536000, immutable")


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef", "?V=1"])
def test_address_without_the_right_version_is_not(client: httpx.Client, query: str) -> None:
    assert client.get(f"/docs/swagger.js{query}").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/docs/redoc.standalone.js"])
def test_known_version_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    tag = first.headers["etag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/docs/swagger-ui-bundle.js"])
def test_head_answers_as_get_without_the_body(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "content-security-policy"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/docs/swagger.js"])
def test_other_methods_are_refused(client: httpx.Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.delete(path).status_code == 405


@pytest.mark.parametrize(
    "target",
    [
        "/docs/../docs.py",
        "/docs/..%2fdocs.py",
        "/docs/%2e%2e/%2e%2e/docs.py",
        "/docs/..%5cdocs.py",
        "/docs/%2fetc%2fpasswd",
        "/docs//etc/passwd",
        "/docs/static/swagger.js",
        "/docs/swagger.js%00",
        "/docs/swagger.js/",
        "/docs/__init__.py",
        "/docs/Swagger.js",
    ],
)
def test_nothing_but_the_listed_files_is_served(client: httpx.Client, target: str) -> None:
    assert status_of(client, target) == 404


def test_redoc_bundle_names_no_logo_of_a_cdn(client: httpx.Client) -> None:
    bundle = client.get("/docs/redoc.standalone.js").text
    assert "Redoc" in bundle
    assert "cdn.redoc" not in bundle


def test_openapi_document_holds_every_operation(client: httpx.Client) -> None:
    response = client.get("/openapi.json")
    document = response.json()
    assert response.headers["content-type"] == "application/json"
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/pets", "/pets/{pet_id}"}


def test_openapi_document_is_made_once() -> None:
    app = make_app()
    with serve(app) as client:
        first = client.get("/openapi.json")
        app.openapi_schema = {"another": "document"}
        assert client.get("/openapi.json").content == first.content


def test_bundles_are_used_without_importing_their_packages() -> None:
    found = run_python(f"{MOUNT}; import sys; print({{'fastapi_swagger', 'fastapi_offline'}} & set(sys.modules))")
    assert found.stdout.strip() == "set()", found.stderr


@pytest.mark.parametrize("package", ["fastapi_swagger", "fastapi_offline"])
def test_missing_package_is_named_at_the_start(package: str) -> None:
    failed = run_python(f"import sys; sys.modules['{package}'] = None; {MOUNT}")
    assert failed.returncode != 0
    assert f"ModuleNotFoundError: {package} is not installed" in failed.stderr


@needs_chromium
def test_swagger_ui_shows_the_operations_in_a_browser(browse: Browse) -> None:
    dom, console = browse("/docs")
    assert 'data-path="/pets/{pet_id}"' in dom
    assert "Try it out" not in dom
    assert console == []


@needs_chromium
def test_operation_can_be_linked_to(browse: Browse) -> None:
    dom, _ = browse("/docs#/default/create_pet_pets_post")
    assert "Try it out" in dom


@needs_chromium
def test_redoc_shows_the_operations_in_a_browser(browse: Browse) -> None:
    dom, console = browse("/redoc")
    assert "Reads a pet; declared after the pages were mounted." in dom
    assert "redocly logo" not in dom
    assert console == []


@needs_chromium
def test_browser_reports_what_the_policy_forbids(browse: Browse) -> None:
    """Without this the two empty consoles above would prove nothing."""
    _, console = browse("/inline")
    assert any("Content Security Policy" in line for line in console)
