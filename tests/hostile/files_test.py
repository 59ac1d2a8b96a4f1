"""Whatever those who run the program write down, or keep: a value, or our own error, nothing else.

RATE_LIMITS has such a test beside its parser.
"""

import base64
import io
import json
import os
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.cli.backup_file import BackupError, Manifest, reading, write
from mainstay.kernel.db.revisions import MigrationError
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.kernel.sinks.webhook import webhook_url
from mainstay.services.configs.migrations import load
from mainstay.settings import Settings, SettingsError, load_settings
from tests.hostile.fuzzing import JSON, in_a_folder, many, value_or

# What whoever runs the program writes down

LINE = re.compile(r"[A-Z_]+(, [A-Z_]+)*: \S|[A-Z_]+ (is|are|go|goes) \S|\.env, ")
SHOWN = 12
"""Characters of a value that a line may hold by chance."""
NAMES = [name.upper() for name in Settings.model_fields] + ["ENVIRONMENT"]
WRITTEN = (
    st.text(st.characters(exclude_characters="\0", codec="utf-8"))
    | st.text("0123456789.,-+e_ infa")
    | st.text("postgresql://nats:redis[]@?#,%:kafka_whsec ")
    | st.sampled_from(["prod", "qa", "none", "true", "required", "\udcff", "\n", "1e999", "nan", "{}", "[1]", "null"])
)


@given(st.dictionaries(st.sampled_from(NAMES), WRITTEN, max_size=6))
@example({"APP_ENV": "prod", "SECRET_KEY": "\udcff" * 40})
@example({"WEBHOOK_URL": "http://[::1", "WEBHOOK_SECRET": "whsec_\udcff"})
@in_a_folder
def test_any_environment_gives_settings_or_a_line_for_each_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ, environment, clear=True):
        check_settings(environment)


@given(
    st.binary()
    | st.lists(st.tuples(st.sampled_from(NAMES), WRITTEN), max_size=6).map(
        lambda lines: "\n".join(f"{name}={value}" for name, value in lines).encode(errors="surrogateescape")
    )
)
@in_a_folder
def test_any_bytes_in_env_give_settings_or_a_line_for_each_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(content)
    with mock.patch.dict(os.environ, clear=True):
        check_settings({})


def check_settings(environment: dict[str, str]) -> None:
    """Settings, or a line for each that is wrong, which begins with its name and does not show its value."""
    told = value_or_told()
    if told is not None:
        assert all(LINE.match(line) for line in told.split("\n")), told
        assert not any(value in told for value in environment.values() if len(value) > SHOWN)


def value_or_told() -> str | None:
    try:
        load_settings()
    except SettingsError as error:
        return str(error)
    return None


@given(
    st.text() | st.text("http://[]@:%#?a1.\u2488xn--", max_size=40) | st.text(max_size=20).map(lambda t: f"http://{t}")
)
@example("http://a:99999")
@example("http://" + "a" * 70_000)
@example("http://xn--\ud800/")
@many
def test_any_text_is_the_url_of_a_webhook_or_a_value_error(text: str) -> None:
    found = value_or(ValueError, webhook_url, text)
    assert found is None or (found.scheme in {"http", "https"} and found.host)


@given(
    st.text()
    | st.text("whsec_AZaz09+/=, ")
    | st.lists(st.binary(max_size=70).map(lambda key: f"whsec_{base64.b64encode(key).decode()}")).map(" ".join)
)
@many
def test_any_text_has_secrets_of_webhooks_or_is_a_value_error(text: str) -> None:
    keys = value_or(ValueError, signing_keys, text)
    assert keys is None or all(24 <= len(key) <= 64 for key in keys)


# Files


@given(
    st.dictionaries(
        st.sampled_from(
            ["0001_a", "0002_b", "0001_", "0001_A", "\u0660\u0660\u0660\u0661_a", "0000_a", "a", "0002_b.c"]
        ),
        st.binary(max_size=50) | st.text(max_size=50).map(lambda text: text.encode("utf-8", "replace")),
    )
)
@example({"0001_a": b"\xff"})
@example({"0001_a": b"SELECT 1;\0"})
@example({"\u0660\u0660\u0660\u0661_a": b""})
@in_a_folder
def test_any_files_are_migrations_or_a_migration_error(tmp_path_factory: Any, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("migrations")
    for name, content in files.items():
        (folder / f"{name}.sql").write_bytes(content)
    found = value_or(MigrationError, load, folder)
    for number, file in enumerate(found or (), start=1):
        assert file.name.startswith(f"{number:04}_")


DUMP = b"PGDMP" * 20
MANIFEST = Manifest(
    program="1",
    made_at=datetime(2026, 11, 21, tzinfo=UTC),
    server="16",
    tools=16,
    schema_name="public",
    migrations={},
    secret=None,
)


def write_dump(file: IO[bytes]) -> None:
    file.write(DUMP)


def a_backup(folder: Path) -> bytes:
    path = folder / "whole.zip"
    write(path, MANIFEST, None, write_dump)
    return path.read_bytes()


def read_backup(path: Path) -> bytes:
    with reading(path) as backup, backup.dump() as dump:
        return dump.read()


@given(st.data())
@in_a_folder
def test_a_backup_with_any_bytes_changed_is_whole_or_a_backup_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(a_backup(tmp_path))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.zip"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    found = value_or(BackupError, read_backup, path)
    assert found in {None, DUMP}


DIRECTORY = b"PK\x01\x02"


@pytest.mark.parametrize(("offset", "byte"), [(6, 0xFF), (8, 0x01), (10, 0x63), (16, 0xFF), (42, 0xFF)])
def test_a_backup_whose_directory_is_damaged_is_a_backup_error(tmp_path: Path, offset: int, byte: int) -> None:
    """The version that it takes to read it, the flags, the method, the checksum, where the member begins."""
    content = bytearray(a_backup(tmp_path))
    content[content.index(DIRECTORY) + offset] = byte
    (tmp_path / "damaged.zip").write_bytes(content)
    with pytest.raises(BackupError):
        read_backup(tmp_path / "damaged.zip")


def test_a_name_in_a_backup_that_is_no_text_is_a_backup_error(tmp_path: Path) -> None:
    content = bytearray(a_backup(tmp_path))
    begin = content.index(DIRECTORY)
    content[begin + 9], content[begin + 46] = 0x08, 0xFF  # "the name is UTF-8", which it is not
    (tmp_path / "damaged.zip").write_bytes(content)
    with pytest.raises(BackupError):
        read_backup(tmp_path / "damaged.zip")


@given(
    st.dictionaries(
        st.sampled_from(["manifest.json", "database.dump", "secret_key", "../evil", "\u00e9"]),
        st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | st.just(MANIFEST.model_dump_json().encode()),
    )
)
@in_a_folder
def test_any_zip_is_a_backup_or_a_backup_error(tmp_path: Path, members: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    (tmp_path / "any.zip").write_bytes(packed.getvalue())
    value_or(BackupError, read_backup, tmp_path / "any.zip")


@given(st.binary())
@in_a_folder
def test_any_bytes_are_a_backup_or_a_backup_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "any").write_bytes(content)
    assert value_or(BackupError, read_backup, tmp_path / "any") is None
