import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.utils import base64url_decode

from mainstay.kernel.core.keys import EdKeys, HmacKeys, key_id

SECRET, OTHER = b"s" * 32, b"o" * 32
KEY, ANOTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
HS256 = {"alg": "HS256", "typ": "at+jwt"}
EDDSA = {"alg": "EdDSA", "typ": "at+jwt", "kid": key_id(KEY.public_key())}


def private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_secrets_verify_what_any_of_them_signed() -> None:
    assert HmacKeys(SECRET, OTHER).verifying(HS256) == (SECRET, OTHER)


@pytest.mark.parametrize("secrets", [(), (b"",), (b"s" * 31,), (SECRET, b"short")])
def test_a_secret_that_can_be_guessed_is_refused(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        HmacKeys(*secrets)


def test_secrets_are_not_published() -> None:
    assert HmacKeys(SECRET, OTHER).jwks() == {"keys": []}


def test_a_key_is_found_by_its_id() -> None:
    keys = EdKeys(ANOTHER, KEY.public_key())
    assert keys.verifying(EDDSA) == (KEY.public_key(),)
    assert keys.verifying({**EDDSA, "kid": key_id(ANOTHER.public_key())}) == (ANOTHER.public_key(),)


@pytest.mark.parametrize(
    "more",
    [
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "eddsa"},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": "foreign"},
        {"kid": None},
        {"kid": ["a"]},
        {"kid": {}},
        {"jku": "https://keys.example"},
        {"x5u": "https://keys.example"},
        {"jwk": {}},
        {"crit": ["exp"]},
        {"b64": True},
        {"cty": "JWT"},
    ],
    ids=str,
)
def test_a_header_that_is_not_ours_has_no_key(more: dict[str, object]) -> None:
    assert EdKeys(KEY).verifying({**EDDSA, **more}) == ()
    assert HmacKeys(SECRET).verifying({**HS256, **more}) == () or more == {"alg": "HS256"}


@pytest.mark.parametrize("missing", ["alg", "typ", "kid"])
def test_a_header_without_one_of_its_members_has_no_key(missing: str) -> None:
    assert EdKeys(KEY).verifying({name: value for name, value in EDDSA.items() if name != missing}) == ()


def test_the_public_keys_are_published_each_with_its_thumbprint() -> None:
    [current, past] = EdKeys(KEY, ANOTHER.public_key()).jwks()["keys"]
    assert {name: current[name] for name in ("kty", "crv", "alg", "use")} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
    }
    assert set(current) == {"kty", "crv", "alg", "use", "x", "kid"}
    assert current["kid"] != past["kid"]
    required = json.dumps({name: current[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    assert base64url_decode(current["kid"]) == hashlib.sha256(required.encode()).digest()


def test_keys_are_read_out_of_pem_the_others_public_or_private() -> None:
    third = Ed25519PrivateKey.generate()
    read = EdKeys.read(private_pem(KEY), public_pem(ANOTHER), private_pem(third))
    assert read.jwks() == EdKeys(KEY, ANOTHER.public_key(), third.public_key()).jwks()


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"secret",
        public_pem(KEY),
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")),
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
    ],
    ids=["empty", "text", "public", "locked", "another-curve", "rubbish"],
)
def test_what_cannot_sign_is_refused_and_not_repeated(pem: bytes) -> None:
    with pytest.raises(ValueError, match="private Ed25519 key") as raised:
        EdKeys.read(pem)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("pem", [b"", b"secret", b"-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----\n"])
def test_what_cannot_verify_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError, match="Ed25519 key in PEM"):
        EdKeys.read(private_pem(KEY), pem)
