"""No parser's work grows faster than its input: nobody stops the program with a text."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from mainstay.kernel.core.cursor import Cursors, InvalidCursor
from mainstay.kernel.core.errors import InvalidHeader, InvalidToken
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.keys import HmacKeys
from mainstay.kernel.core.rates import parse_rates
from mainstay.kernel.core.tokens import TokenVerifier
from mainstay.kernel.http import strict_json
from mainstay.kernel.http.idempotency import parse_key
from mainstay.kernel.http.request import parse_form
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.kernel.sinks.webhook import webhook_url
from mainstay.services.configs.schemas import Ulid
from mainstay.services.users.domain import InvalidRefreshToken
from mainstay.services.users.tokens import RefreshTokens
from mainstay.settings import Settings
from tests.hostile.fuzzing import SECRET, value_or

KEYS = HmacKeys(SECRET)
VERIFIER = TokenVerifier(KEYS)
ULID_TYPE: TypeAdapter[str] = TypeAdapter(Ulid)


LENGTHS = (5_000, 20_000)
"""Four times the input: what is linear takes four times as long, what is quadratic sixteen."""
GROWTH = 10
FREE = 0.05
"""Seconds for the longer input that need no comparison."""


def unsettled(name: str) -> Callable[[str], Any]:
    return lambda text: Settings.model_validate({name: text})


GROWING: dict[str, tuple[Callable[[str], Any], type[Exception] | tuple[type[Exception], ...]]] = {
    "strict JSON": (lambda text: strict_json.loads(text.encode()), ValueError),
    "form": (lambda text: parse_form(text.encode()), RequestValidationError),
    "entity tags": (TagList.parse, InvalidHeader),
    "Idempotency-Key": (parse_key, InvalidHeader),
    "cursor": (lambda text: Cursors(SECRET).read(text, [], tuple), InvalidCursor),
    "ULID": (ULID_TYPE.validate_python, ValidationError),
    "access token": (VERIFIER.verify, InvalidToken),
    "refresh token": (RefreshTokens([SECRET]).member_of, InvalidRefreshToken),
    "rates": (parse_rates, ValueError),
    "webhook secrets": (signing_keys, ValueError),
    "webhook URL": (webhook_url, ValueError),
    **{
        name: (unsettled(name), ValidationError)
        for name in (
            "database_url",
            "nats_url",
            "redis_url",
            "kafka_bootstrap_servers",
            "cors_origins",
            "secret_key",
            "topic_prefix",
        )
    },
}
REPEATED = [
    "a",
    " ",
    ",",
    '"',
    "\\",
    '"\\',
    "[",
    '["',
    "%",
    "=&",
    "1",
    "-",
    "a.",
    "a@",
    "@,",
    ":1,",
    "nats://a,",
    "redis://",
    "postgresql://a@",
    "whsec_ ",
    '"a",',
    'W/"',
    "\t,",
    "read=1/hour,",
    "[:",
    "a=1&",
]


def seconds(parse: Callable[[str], Any], error: Any, text: str) -> float:
    """Of processor time: another process's is not ours."""
    started = time.process_time()
    value_or(error, parse, text)
    return time.process_time() - started


@pytest.mark.parametrize("prefix", ["", "postgresql://", "nats://a,", '{"a": ', "eyJ."])
@pytest.mark.parametrize("name", GROWING)
def test_the_work_grows_no_faster_than_the_input(name: str, prefix: str) -> None:
    parse, error = GROWING[name]
    for piece in REPEATED:
        short, long = (prefix + piece * (length // len(piece)) + "!" for length in LENGTHS)
        took = seconds(parse, error, long)
        if took > FREE:
            took, base = (min(seconds(parse, error, text) for _ in range(3)) for text in (long, short))
            assert took < GROWTH * base, (piece, base, took)
