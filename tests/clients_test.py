"""The clients that others generate from the OpenAPI document: each walks all five services, as they would.

`make clients` makes them and runs these; without it they are not there, and neither is what compiles them.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstay.kernel.core.keys import HmacKeys
from tests.signed_in import PASSWORD, sign_in

ROOT = Path(__file__).parents[1]
CLIENTS = ROOT / "clients"
PROGRAMS = CLIENTS / "environment" / "bin"
WALKS = {
    "python": [PROGRAMS / "python", ROOT / "scripts" / "clients" / "walk.py"],
    "typescript": [PROGRAMS / "node", CLIENTS / "typescript" / "built" / "walk.js"],
}
SECRET = "for-the-tests-0123456789-abcdefgh"


@pytest.mark.long
@pytest.mark.parametrize("language", WALKS)
def test_a_generated_client_walks_all_services(serve: Callable[..., Any], database_url: str, language: str) -> None:
    program = WALKS[language]
    if not all(path.is_file() for path in program):
        pytest.skip("the clients are not built: run make clients")
    server = serve(
        SECRET_KEY=SECRET, AUTH_MODE="required", RATE_LIMITS="read=600/minute,write=120/minute,auth=30/minute"
    )
    admin = sign_in(database_url, HmacKeys(SECRET.encode()), role="admin")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CLIENTS / "python"),
        "BASE_URL": server.url,
        "ADMIN_EMAIL": admin.email,
        "ADMIN_PASSWORD": PASSWORD,
    }
    told = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "has walked all five services" in told.stdout
