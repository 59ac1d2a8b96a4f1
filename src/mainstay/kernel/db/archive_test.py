from pathlib import Path

import pytest

from mainstay.kernel.db.archive import _connected, relations_in


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://ada@db.example:5433/shop", "postgresql://ada@db.example:5433/shop?"),
        ("postgres:///shop", "postgresql:///shop?"),
        ("postgresql://ada@a,b:5433/shop?sslmode=require", "postgresql://ada@a,b:5433/shop?sslmode=require&"),
        ("postgresql://ada@/shop?host=/tmp/a%20b&port=5432", "postgresql://ada@/shop?host=/tmp/a%20b&port=5432&"),
        ("postgresql://ada@[::1]/shop?options=-c%20x%3D1%2B1", "postgresql://ada@[::1]/shop?options=-c%20x%3D1%2B1&"),
    ],
)
def test_the_tools_are_told_the_same_address(url: str, address: str) -> None:
    with _connected(url, "name") as option:
        assert option == f"--dbname={address}application_name=name"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:a%3Ab%5C%40c@db.example/shop",
        "postgresql://ada@db.example/shop?password=a%3Ab%5C%40c",
        "postgresql://db.example/shop?user=ada&password=a%3Ab%5C%40c",
    ],
)
def test_a_password_stands_in_a_file_that_is_gone_afterwards(url: str) -> None:
    with _connected(url, "name") as option:
        assert "a%3Ab" not in option
        assert "a:b" not in option
        _, _, rest = option.partition("passfile=")
        file = Path(rest.partition("&")[0])
        assert file.read_text() == "*:*:*:*:a\\:b\\\\@c\n"
        assert file.stat().st_mode & 0o077 == 0
    assert not file.exists()


def test_tables_and_sequences_are_found_in_the_contents() -> None:
    lines = [
        "4; 2615 2200 SCHEMA - public owner",
        "216; 1259 16392 TABLE public pets owner",
        "217; 1259 16393 TABLE public two words owner",
        "218; 1259 16394 SEQUENCE public pets_id_seq owner",
        "2655; 0 16392 TABLE DATA public data owner",
        "2682; 0 0 SEQUENCE SET public set owner",
        "2457; 2606 16396 CONSTRAINT public pets pets_pkey owner",
    ]
    assert relations_in(lines) == {"pets", "two words", "pets_id_seq"}
