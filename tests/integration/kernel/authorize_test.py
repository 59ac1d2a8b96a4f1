"""The Authorize button of /docs, pressed in a browser: who signs in there can call what wants a token."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0"
)
ADA = {"email": "ada@example.com", "password": "correct-battery-horse"}
SECONDS = 30.0
"""For anything to appear, on a machine that is busy with other tests."""


class Page:
    """A page in a browser, driven through the Chrome DevTools Protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self.errors: list[str] = []
        """What the page and the browser complain of."""
        self._send("Log.enable")
        self._send("Page.enable")

    def open(self, url: str) -> None:
        """Go there."""
        self._send("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        result = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """The first value of the expression that is something."""
        pause = threading.Event()
        for _ in range(int(SECONDS / 0.02)):
            if value := self.run(script):
                return value
            pause.wait(0.02)
        pytest.fail(f"{script} did not come true; the page shows: {self.run('document.body.innerText')}")

    def click(self, selector: str) -> None:
        """Click on an element, once it is there."""
        self.wait_for(f"document.querySelector('{selector}') !== null")
        self.run(f"document.querySelector('{selector}').click()")

    def type(self, selector: str, text: str) -> None:
        """Type into a field, as keys do it."""
        self.wait_for(f"document.querySelector('{selector}') !== null")
        self.run(f"document.querySelector('{selector}').focus()")
        self._send("Input.insertText", text=text)

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(SECONDS))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] != "verbose":
                self.errors.append(message["params"]["entry"]["text"])
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a browser of its own."""
    command = [str(CHROMIUM), *OPTIONS.split(), f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = wait_for(lambda: port_of(folder))
            (page,) = wait_for(lambda: pages(port))
            with connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()


def port_of(folder: Path) -> int | None:
    """Where the browser listens; it writes that down."""
    told = folder / "DevToolsActivePort"
    lines = told.read_text().splitlines() if told.exists() else []
    return int(lines[0]) if len(lines) > 1 else None


def pages(port: int) -> list[dict[str, Any]]:
    found = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
    return [page for page in found if page["type"] == "page"]


def wait_for(condition: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.02)):
        if value := condition():
            return value
        pause.wait(0.02)
    pytest.fail("the browser did not start")


@pytest.fixture
def docs(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Page]:
    """/docs of a program that wants tokens and knows Ada."""
    server = serve(AUTH_MODE="required")
    assert httpx.post(f"{server.url}/api/v1/users", json=ADA).status_code == 201
    with browser(tmp_path / "browser") as page:
        page.open(f"{server.url}/docs")
        yield page


def sign_in(page: Page, password: str) -> None:
    page.click(".auth-wrapper .btn.authorize")
    page.type("#oauth_username", ADA["email"])
    page.type("#oauth_password", password)
    page.click(".modal-ux .auth-btn-wrapper .authorize")


def called(page: Page, operation: str) -> str:
    """Try an operation out; the status that is shown."""
    page.click(f"#{operation} .opblock-summary-control")
    page.click(f"#{operation} .try-out__btn")
    page.click(f"#{operation} .execute")
    answer = f"#{operation} .live-responses-table tbody .response-col_status"
    return str(page.wait_for(f"document.querySelector('{answer}')?.innerText"))


def test_who_signs_in_can_call_what_wants_a_token(docs: Page) -> None:
    sign_in(docs, ADA["password"])
    docs.wait_for("document.querySelector('.modal-ux')?.innerText.includes('Logout')")
    docs.click(".modal-ux .btn-done")
    assert called(docs, "operations-users-read_me").startswith("200")
    shown = docs.run("document.querySelector('#operations-users-read_me .live-responses-table').innerText")
    assert ADA["email"] in shown
    assert called(docs, "operations-pets-list_pets").startswith("200")
    assert docs.errors == []


def test_who_does_not_cannot(docs: Page) -> None:
    assert called(docs, "operations-users-read_me").startswith("401")


def test_a_wrong_password_is_said_to_be_wrong(docs: Page) -> None:
    sign_in(docs, "another-good-one")
    docs.wait_for("document.querySelector('.modal-ux .errors')?.innerText.length > 0")
    assert "Logout" not in docs.run("document.querySelector('.modal-ux').innerText")
