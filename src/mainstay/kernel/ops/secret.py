"""The program's secret where none is given: made once, and kept in a file that nobody else may read."""

import os
import secrets
import tempfile
from pathlib import Path

from mainstay.kernel.core.errors import StartupError

_BYTES = 32


def kept_secret(path: Path) -> bytes:
    """The file's secret, made by the first process that asks. Raises StartupError."""
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes()
    except OSError as error:
        message = f"The secret in {path} can be neither read nor made ({error.strerror}): set SECRET_KEY."
        raise StartupError(message) from None
    if len(secret) < _BYTES:
        raise StartupError(f"The secret in {path} is broken: delete the file, or set SECRET_KEY.")
    return secret


def keep_secret(path: Path, secret: bytes) -> None:
    """Put a secret in the place of the file's. Raises OSError."""
    _written(path, secret).replace(path)


def _make(path: Path) -> None:
    """Whole or not at all: of processes that start together, one makes it and the others take that one."""
    written = _written(path, secrets.token_urlsafe(_BYTES).encode())
    try:
        path.hardlink_to(written)
    except FileExistsError:
        return
    finally:
        written.unlink()


def _written(path: Path, secret: bytes) -> Path:
    """A file beside it, on the disk, that holds the secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)
