"""Keys of access tokens in files: the program signs with one, accepts others, and says plainly when it cannot."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mainstay.app import create_app
from mainstay.kernel.core.errors import StartupError
from mainstay.settings import Settings

ADA = {"email": "ada@example.com", "password": "correct-battery-horse"}
ME = "/api/v1/users/me"

Program = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def program(settings: Settings) -> Program:
    """The program with these key files; a client of it."""

    @asynccontextmanager
    async def program(current: Path | None, *others: Path) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings.model_copy(update={"token_key_file": current, "token_key_files_other": others}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://a") as client,
        ):
            await client.post("/api/v1/users", json=ADA)  # the first of them does
            yield client

    return program


def written(path: Path, key: PrivateKeyTypes) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


async def signed_in(client: httpx.AsyncClient) -> dict[str, str]:
    tokens = (await client.post("/api/v1/auth/login", json=ADA)).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_a_key_is_changed_and_nobody_is_signed_out(program: Program, tmp_path: Path) -> None:
    old, new = (written(tmp_path / name, Ed25519PrivateKey.generate()) for name in ("old.pem", "new.pem"))
    async with program(old, new) as client:  # first every process knows the next key
        before = await signed_in(client)
    async with program(new, old) as client:  # then it signs
        after = await signed_in(client)
        assert [(await client.get(ME, headers=who)).status_code for who in (before, after)] == [200, 200]
        published = {key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]}
    used = [jwt.get_unverified_header(who["Authorization"].split()[1])["kid"] for who in (before, after)]
    assert set(used) == published
    assert len(published) == 2
    async with program(new) as client:  # and when the last token of the old one has ended, it may go
        assert [(await client.get(ME, headers=who)).status_code for who in (before, after)] == [401, 200]


async def test_a_public_key_is_enough_to_accept(program: Program, tmp_path: Path) -> None:
    old = Ed25519PrivateKey.generate()
    async with program(written(tmp_path / "old.pem", old)) as client:
        before = await signed_in(client)
    public = tmp_path / "public.pem"
    public.write_bytes(old.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    async with program(written(tmp_path / "new.pem", Ed25519PrivateKey.generate()), public) as client:
        assert (await client.get(ME, headers=before)).status_code == 200


async def test_from_a_secret_to_a_key_everybody_signs_in_again(program: Program, tmp_path: Path) -> None:
    """The algorithm is the keys'; a refresh, which no key of these signs, is enough."""
    async with program(None) as client:
        tokens = (await client.post("/api/v1/auth/login", json=ADA)).json()
    async with program(written(tmp_path / "key.pem", Ed25519PrivateKey.generate())) as client:
        who = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get(ME, headers=who)).status_code == 401
        again = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        who = {"Authorization": f"Bearer {again.json()['access_token']}"}
        assert (await client.get(ME, headers=who)).status_code == 200


@pytest.mark.parametrize("wrong", ["missing", "a folder", "no key", "another kind of key"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_file_that_is_none_is_named_and_nothing_starts(
    program: Program, tmp_path: Path, wrong: str, first: bool
) -> None:
    path = tmp_path / "key.pem"
    if wrong == "a folder":
        path.mkdir()
    elif wrong == "no key":
        path.write_text("hunter2")
    elif wrong == "another kind of key":
        written(path, generate_private_key(SECP256R1()))
    good = written(tmp_path / "good.pem", Ed25519PrivateKey.generate())
    with pytest.raises(StartupError) as raised:
        async with program(*((path,) if first else (good, path))):
            pass
    assert str(raised.value).startswith("TOKEN_KEY_FILE, TOKEN_KEY_FILES_OTHER: ")
    assert "hunter2" not in str(raised.value)
    assert "PRIVATE" not in str(raised.value)
