import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mainstay.kernel.core.errors import InvalidToken, Kind
from mainstay.kernel.core.keys import EdKeys, HmacKeys
from mainstay.kernel.core.tokens import Principal, TokenVerifier

SECRET, PREVIOUS, FOREIGN = b"s" * 32, b"p" * 32, b"f" * 32
KEY, PAST, STRANGER = (Ed25519PrivateKey.generate() for _ in range(3))
ED = EdKeys(KEY, PAST.public_key())
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ADA = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
HEADER = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": "mainstay",
    "aud": "api",
    "sub": ADA,
    "iat": SECONDS,
    "exp": SECONDS + 900,
    "jti": "one",
    "scope": "pets:* tasks:read",
    "tenant": None,
    "role": "user",
}


def encoded(part: bytes | dict[str, Any]) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(
    payload: bytes | dict[str, Any],
    header: bytes | dict[str, Any] = HEADER,
    secret: bytes = SECRET,
    hash_: str = "sha256",
) -> str:
    """A token put together by hand, so that it can be what no library would make."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), hash_))}"


def with_claims(**claims: Any) -> str:
    return signed({**CLAIMS, **claims})


def without(claim: str) -> str:
    return signed({name: value for name, value in CLAIMS.items() if name != claim})


def verifier() -> TokenVerifier:
    return TokenVerifier(HmacKeys(SECRET, PREVIOUS), issuer="mainstay", audience="api")


def ed_verifier() -> TokenVerifier:
    return TokenVerifier(ED, issuer="mainstay", audience="api")


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


# What is accepted


def test_a_token_says_who_calls() -> None:
    assert verifier().verify(signed(CLAIMS)) == Principal(
        subject=ADA,
        token_id="one",
        role="user",
        scopes=frozenset({"pets:*", "tasks:read"}),
        tenant=None,
        expires=NOW + timedelta(minutes=15),
    )


@pytest.mark.parametrize("tenant", ["tenant-1", None])
def test_a_token_may_name_a_tenant(tenant: str | None) -> None:
    assert verifier().verify(with_claims(tenant=tenant)).tenant == tenant


def test_a_token_of_a_previous_secret_is_accepted_one_of_another_is_not() -> None:
    assert verifier().verify(signed(CLAIMS, secret=PREVIOUS)).subject == ADA
    with pytest.raises(InvalidToken):
        verifier().verify(signed(CLAIMS, secret=FOREIGN))


def test_a_token_of_either_key_of_the_set_is_accepted_one_of_another_is_not() -> None:
    for key in (KEY, PAST):
        assert ed_verifier().verify(EdKeys(key).sign(json.dumps(CLAIMS).encode())).subject == ADA
    with pytest.raises(InvalidToken):
        ed_verifier().verify(EdKeys(STRANGER).sign(json.dumps(CLAIMS).encode()))


def test_a_library_of_others_makes_what_is_accepted_and_reads_what_is_made() -> None:
    theirs = jwt.encode(CLAIMS, SECRET, "HS256", {"typ": "at+jwt"})
    assert verifier().verify(theirs).subject == ADA
    ours = HmacKeys(SECRET).sign(json.dumps(CLAIMS).encode())
    options: Any = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(ours, SECRET, ["HS256"], audience="api", issuer="mainstay", options=options) == CLAIMS


@pytest.mark.parametrize(
    ("claim", "offset"), [("exp", -29), ("iat", 29), ("iat", 30), ("nbf", 30), ("nbf", -9), ("exp", 10**9)]
)
def test_clocks_may_differ_by_half_a_minute(claim: str, offset: int) -> None:
    assert verifier().verify(with_claims(**{claim: SECONDS + offset})).subject == ADA


@pytest.mark.parametrize(
    ("scope", "allowed", "refused"),
    [
        ("pets:read", ("pets", "read"), ("pets", "write")),
        ("pets:*", ("pets", "write"), ("tasks", "write")),
        ("tasks:read pets:write", ("pets", "write"), ("pets", "read")),
        ("tasks:read", ("tasks", "read"), ("task", "read")),
    ],
)
def test_a_scope_allows_what_it_names(scope: str, allowed: tuple[str, str], refused: tuple[str, str]) -> None:
    principal = verifier().verify(with_claims(scope=scope))
    assert principal.may(*allowed)
    assert not principal.may(*refused)


def test_no_scope_allows_nothing() -> None:
    principal = verifier().verify(with_claims(scope=""))
    assert not principal.may("pets", "read")
    assert not principal.may("", "")


# What is not


def refused(token: str, by: TokenVerifier | None = None) -> None:
    with pytest.raises(InvalidToken) as raised:
        (by or verifier()).verify(token)
    assert (raised.value.kind, raised.value.code, raised.value.details) == (Kind.UNAUTHORIZED, "invalid_token", {})
    assert str(raised.value) == InvalidToken.message


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "scope", "role"])
def test_every_claim_has_to_be_there(claim: str) -> None:
    refused(without(claim))
    refused(with_claims(**{claim: None}))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "scope", "role", "tenant"])
@pytest.mark.parametrize("value", [7, True, [], ["api"], {}, 1.5])
def test_a_text_is_a_text(claim: str, value: object) -> None:
    refused(with_claims(**{claim: value}))


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("value", ["1767323045", True, 1.5, -1, [], {}, 10**12, 10**400])
def test_a_time_is_a_whole_number_of_seconds(claim: str, value: object) -> None:
    refused(with_claims(**{claim: value}))


@pytest.mark.parametrize(
    ("claim", "offset"), [("exp", -30), ("exp", -31), ("iat", 31), ("nbf", 31), ("exp", -(10**6)), ("iat", 10**6)]
)
def test_a_token_out_of_its_time_is_refused(claim: str, offset: int) -> None:
    refused(with_claims(**{claim: SECONDS + offset}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [("iss", "other"), ("iss", ""), ("iss", "mainstay "), ("aud", "other"), ("aud", "API"), ("aud", ["api", "other"])],
)
def test_a_token_of_or_for_somebody_else_is_refused(claim: str, value: object) -> None:
    refused(with_claims(**{claim: value}))


@pytest.mark.parametrize(
    "subject",
    ["", "ada", "7", f"{{{ADA}}}", f"urn:uuid:{ADA}", ADA.upper(), ADA.replace("-", ""), f"{ADA} ", "\0" * 36],
)
def test_a_subject_that_is_no_id_is_refused(subject: str) -> None:
    refused(with_claims(sub=subject))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": "HS256"},
        {"typ": "at+jwt"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "typ": "application/at+jwt"},
        {"alg": "hs256", "typ": "at+jwt"},
        {"alg": "HS384", "typ": "at+jwt"},
        {"alg": ["HS256"], "typ": "at+jwt"},
        {**HEADER, "kid": "1"},
        {**HEADER, "jku": "https://keys.example/jwks.json"},
        {**HEADER, "x5u": "https://keys.example/chain.pem"},
        {**HEADER, "jwk": {"kty": "oct", "k": encoded(SECRET)}},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": []},
        {**HEADER, "b64": False},
        {**HEADER, "zip": "DEF"},
        b"[]",
        b'"at+jwt"',
        b"null",
        b"",
        b"{",
        b"\xff",
        b"[" * 2000,
        b'{"alg":"HS256","typ":"at+jwt","n":NaN}',
        b'{"alg":"none","alg":"HS256","typ":"at+jwt"}',
        b'{"alg":"HS256","typ":"JWT","typ":"at+jwt"}',
    ],
    ids=str,
)
def test_a_header_that_is_not_ours_is_refused(header: bytes | dict[str, Any]) -> None:
    refused(signed(CLAIMS, header))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA", "signature"])
def test_a_token_that_nobody_signed_is_refused(alg: str, signature: str) -> None:
    token = f"{encoded({**HEADER, 'alg': alg})}.{encoded(CLAIMS)}.{signature}"
    refused(token)
    refused(token, ed_verifier())


def test_a_longer_hash_under_the_name_of_ours_is_refused() -> None:
    refused(signed(CLAIMS, {**HEADER, "alg": "HS512"}, hash_="sha512"))
    refused(signed(CLAIMS, hash_="sha512"))


def test_a_public_key_is_no_secret() -> None:
    """The swap of algorithms: what is published is used as the secret of an HMAC."""
    [published, _] = ED.jwks()["keys"]
    raw = KEY.public_key().public_bytes_raw()
    for header in (
        HEADER,
        {**HEADER, "kid": published["kid"]},
        {"alg": "EdDSA", "typ": "at+jwt", "kid": published["kid"]},
    ):
        for secret in (raw, published["x"].encode(), json.dumps(published).encode()):
            refused(signed(CLAIMS, header, secret), ed_verifier())


def test_a_token_of_the_one_kind_of_keys_is_refused_by_the_other() -> None:
    refused(ED.sign(json.dumps(CLAIMS).encode()))
    refused(signed(CLAIMS), ed_verifier())


def test_a_key_under_the_id_of_another_is_refused() -> None:
    [current, past] = ED.jwks()["keys"]
    token = EdKeys(PAST).sign(json.dumps(CLAIMS).encode())
    header, payload, signature = token.split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["kid"] == past["kid"]
    refused(f"{encoded({'alg': 'EdDSA', 'typ': 'at+jwt', 'kid': current['kid']})}.{payload}.{signature}", ed_verifier())


GOOD = signed(CLAIMS)
HEAD, BODY, TAIL = GOOD.split(".")


def changed_at(text: str, position: int) -> str:
    """The same with another letter there, or, at the end, with bits that count for nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(text[position]) ^ 1]
    return text[:position] + other + text[position:][1:]


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b.c",
        f"{HEAD}.{BODY}",
        f"{HEAD}.{BODY}.",
        f".{BODY}.{TAIL}",
        f"{HEAD}..{TAIL}",
        f"{GOOD}.",
        f"{GOOD}.{TAIL}",
        f".{GOOD}",
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD}\n",
        f"{GOOD}=",
        f"{HEAD} .{BODY}.{TAIL}",
        f"{HEAD}.{BODY}\n.{TAIL}",
        f"{HEAD}=.{BODY}.{TAIL}",
        f"{HEAD}.{BODY[:9]} {BODY[9:]}.{TAIL}",
        f"{HEAD}.{BODY}.{TAIL[:-1]}",
        f"{HEAD}.{BODY}.{TAIL}AAAA",
        f"{HEAD}.{BODY}.{changed_at(TAIL, 0)}",
        f"{HEAD}.{BODY}.{changed_at(TAIL, -1)}",
        f"{HEAD}.{changed_at(BODY, 40)}.{TAIL}",
        f"{HEAD}.{encoded({**CLAIMS, 'role': 'admin'})}.{TAIL}",
        f"{HEAD}+.{BODY}.{TAIL}",
        GOOD.replace(".", "/"),
        f"{GOOD}\ud800",
        f"{HEAD}.{BODY}.ü",
        "\0",
    ],
    ids=range(32),
)
def test_what_is_not_three_parts_of_base64url_with_their_signature_is_refused(token: str) -> None:
    refused(token)


def test_a_last_letter_with_bits_that_count_for_nothing_is_another_spelling_and_refused() -> None:
    """Lax readers take both; then a token that was revoked by its text, or remembered by it, has a double."""
    header = b'{"alg":"HS256","typ":"at+jwt"} '  # 31 bytes: its last letter has four bits to spare
    token = signed(CLAIMS, header)
    assert verifier().verify(token).subject == ADA
    spelled = changed_at(token.split(".")[0], -1)
    assert base64.urlsafe_b64decode(spelled + "==") == header
    text = f"{spelled}.{BODY}"
    refused(f"{text}.{encoded(hmac.digest(SECRET, text.encode(), 'sha256'))}")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        json.dumps(CLAIMS).encode() + b"x",
        json.dumps(CLAIMS).encode().replace(b'"role"', b'"role": "user", "role"'),
        json.dumps(CLAIMS).encode().replace(b'"role"', b'"x": {"y": 1, "y": 2}, "role"'),
        json.dumps(CLAIMS).encode().replace(b'"role"', b'"x": Infinity, "role"'),
        json.dumps(CLAIMS).encode("utf-16"),
    ],
    ids=range(10),
)
def test_a_payload_that_two_readers_could_take_for_two_is_refused(payload: bytes) -> None:
    refused(signed(payload))


def test_a_huge_token_is_refused_unread() -> None:
    assert verifier().verify(with_claims(x="x" * 2500)).subject == ADA
    refused(with_claims(x="x" * 3000))
    refused(with_claims(x="x" * 1_000_000))
