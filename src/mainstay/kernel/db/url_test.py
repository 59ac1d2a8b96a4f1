import pytest

from mainstay.kernel.db.url import driver_url


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgresql://u@h/d?sslmode=require&channel_binding=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://u@h/d?connect_timeout=10", "postgresql://u@h/d"),
        ("postgresql:///d?host=/var/run&keepalives=1&port=5433", "postgresql:///d?host=/var/run&port=5433"),
        ("postgresql://u:%3Fconnect_timeout%3D@h/d?", "postgresql://u:%3Fconnect_timeout%3D@h/d?"),
    ],
)
def test_what_only_libpq_knows_is_left_out(given: str, taken: str) -> None:
    assert driver_url(given) == taken


@pytest.mark.parametrize("option", ["search_path=app", "options=-csearch_path%3Dapp", "require_auth=scram-sha-256"])
def test_everything_else_stays(option: str) -> None:
    assert driver_url(f"postgresql://h/d?{option}") == f"postgresql://h/d?{option}"
