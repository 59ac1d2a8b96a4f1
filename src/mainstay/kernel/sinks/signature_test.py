from base64 import b64encode

import pytest

from mainstay.kernel.sinks.signature import signatures, signing_keys


def secret(size: int) -> str:
    return f"whsec_{b64encode((b'hunter2' * 10)[:size]).decode()}"


@pytest.mark.parametrize("size", [24, 25, 26, 64])
def test_a_secret_is_the_base64_of_24_to_64_bytes(size: int) -> None:
    assert signing_keys(secret(size)) == ((b"hunter2" * 10)[:size],)


@pytest.mark.parametrize("between", [",", " ", ", ", " ,\n "])
def test_there_may_be_several(between: str) -> None:
    assert [len(key) for key in signing_keys(f" {secret(24)}{between}{secret(32)},")] == [24, 32]


@pytest.mark.parametrize(
    "secrets",
    [
        "",
        " , ",
        secret(23),
        secret(65),
        secret(32).removeprefix("whsec_"),
        secret(32).replace("whsec_", "WHSEC_"),
        f"{secret(25)}=",
        f"{secret(25)[:-1]}",
        secret(32).replace("h", "-", 2),
        "whsec_hunter2\u00e9",
        f"{secret(32)};{secret(32)}",
        f"{secret(32)},hunter2",
    ],
)
def test_anything_else_is_refused_without_being_shown(secrets: str) -> None:
    with pytest.raises(ValueError, match=r"secret|whsec_") as raised:
        signing_keys(secrets)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert not raised.value.__context__


def test_a_signature_is_the_one_of_the_specifications_example() -> None:
    """From the reference implementation's own tests."""
    keys = signing_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
