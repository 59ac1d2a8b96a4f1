"""A backup as a file: a ZIP of `manifest.json`, `database.dump` and, where it lies beside the data, `secret_key`.

The dump is pg_restore's: with `unzip` and PostgreSQL's own tools, it can be read without this program. A ZIP has its
directory at the end and a checksum for each member, so that half a file, or a changed one, is told from a whole one.
"""

import hashlib
import hmac
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal
from zipfile import BadZipFile, ZipFile

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

_MANIFEST, _DUMP, _SECRET = "manifest.json", "database.dump", "secret_key"
_LARGEST = 65_536  # bytes of a manifest, and of a secret; a file that is none of ours may hold anything
_NO_ZIP = (BadZipFile, NotImplementedError, OverflowError, ValueError, struct.error)
"""What a damaged directory at the end makes `zipfile` raise."""
_UNREADABLE = (BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, ValidationError, zlib.error)


class BackupError(Exception):
    """The file is no backup, or no whole one, or cannot be written; the message says it with the file's name."""


class Manifest(BaseModel):
    """What has to be known of a backup before anything is touched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["mainstay backup 1"] = "mainstay backup 1"
    program: str
    made_at: AwareDatetime
    server: str
    tools: int
    """The release of pg_dump."""
    schema_name: str
    migrations: dict[str, str | None]
    """The newest that is applied, of each kind."""
    secret: str | None
    """A fingerprint of the secret that signs tokens and cursors; None where there was none yet."""


class Backup:
    """A backup that was found to be whole."""

    def __init__(self, manifest: Manifest, secret: bytes | None, file: ZipFile) -> None:
        self.manifest = manifest
        self.secret = secret
        self._file = file

    def dump(self) -> IO[bytes]:
        """PostgreSQL's archive, from its beginning."""
        return self._file.open(_DUMP)


@contextmanager
def reading(path: Path) -> Iterator[Backup]:
    """A backup, for as long as the block lasts. All of it is read once before. Raises BackupError."""
    try:
        file = ZipFile(path)
    except _NO_ZIP:
        raise BackupError(f"{path} is no backup of Mainstay, or a part of one.") from None
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None
    with file:
        yield _checked(path, file)


def _checked(path: Path, file: ZipFile) -> Backup:
    try:
        manifest = Manifest.model_validate_json(_small(file, _MANIFEST))
        secret = _small(file, _SECRET) if _SECRET in file.namelist() else None
        file.getinfo(_DUMP)
        if broken := file.testzip():
            raise BackupError(f"{path} is damaged: {broken} is not what it was when it was written.")
    except _UNREADABLE:
        raise BackupError(f"{path} is no backup of Mainstay, or of a later one, or damaged.") from None
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None
    if secret is not None and fingerprint(secret) != manifest.secret:
        raise BackupError(f"{path} has been tampered with: its secret is another than its manifest says.")
    return Backup(manifest, secret, file)


def _small(file: ZipFile, name: str) -> bytes:
    if file.getinfo(name).file_size > _LARGEST:
        raise BadZipFile(name)
    return file.read(name)


def write(path: Path, manifest: Manifest, secret: bytes | None, dump: Callable[[IO[bytes]], None]) -> None:
    """Write a backup under another name and rename it when it is whole: what had the name is replaced then, not before.

    Raises BackupError, and what `dump` raises.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # with mode 0600
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            with ZipFile(target, "w") as file:
                file.writestr(_MANIFEST, manifest.model_dump_json(indent=2))
                if secret is not None:
                    file.writestr(_SECRET, secret)
                with file.open(_DUMP, "w", force_zip64=True) as member:
                    dump(member)
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}. Nothing is left of it.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def fingerprint(secret: bytes) -> str:
    """What tells one secret from another, and nothing of either."""
    return hmac.digest(secret, b"mainstay backup", hashlib.sha256).hex()[:16]


def is_among(manifest: Manifest, secrets: Sequence[bytes]) -> bool:
    """Whether what was signed at the time of the backup is accepted with these."""
    return manifest.secret is None or manifest.secret in [fingerprint(secret) for secret in secrets]
