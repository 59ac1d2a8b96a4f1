"""What no log line may hold: tests/conftest.py looks for it in all that is written during the tests.

The passwords and addresses are those that the tests use; the rest is told by its form.
"""

import re

_FORMS = {
    "an access token": r"eyJ[\w-]+\.[\w-]+\.[\w-]*",
    "a refresh token": r"(?<![\w-])A[Q-Za-f][\w-]{68}(?![\w-])",  # begins with the session's time: up to 2039
    "a password": r"correct-battery-horse|another-good-one|hunter2",
    "a password's hash": r"\$2[aby]\$\d\d\$|\$argon2id?\$",
    "an e-mail address": r"[\w.+-]+@example\.(?:com|org)",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a signing key": r"0123456789-0123456789-0123456789|s{32}",
}
_ANY = re.compile("|".join(f"({form})" for form in _FORMS.values()))


def leak(text: str) -> str | None:
    """Which kind of secret stands in a text, and in what line; None where there is none."""
    found = _ANY.search(text)
    if found is None or found.lastindex is None:
        return None
    begin, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.end())
    return f"{list(_FORMS)[found.lastindex - 1]} in {text[begin : end if end >= 0 else None]!r}"


def check_log(text: str) -> None:
    """Raise AssertionError where a program has written down a secret."""
    found = leak(text)
    assert found is None, found
