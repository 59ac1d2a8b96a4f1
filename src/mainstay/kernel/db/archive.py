"""A database's schema as a stream of bytes, and back, by PostgreSQL's own pg_dump, pg_restore and psql.

They run as whoever runs the program: unlike the server, they have nothing against root. The functions block.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from threading import Thread
from typing import IO
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from mainstay.kernel.db.inspection import Relations, quoted
from mainstay.kernel.db.tools import Tools

_LOCK_SECONDS = 3
_WITHOUT_ROLES = ("--no-owner", "--no-privileges")
_ENTRY = re.compile(r"\d+; \d+ \d+ (?:TABLE|SEQUENCE) (?!DATA |SET |ATTACH )\S+ (?P<name>.+) \S*")
_OF_SCHEMA = re.compile(r"\d+; \d+ \d+ (?:SCHEMA|COMMENT|ACL) - ")
"""What is about the schema as such: it is there already, and its owner's business."""


class ArchiveError(Exception):
    """A tool failed; the message is its own last words."""


def contents(archive: IO[bytes], tools: Tools) -> list[str]:
    """What is in it, in pg_restore's words, a line for each thing. Raises ArchiveError where it cannot be read."""
    command = [tools.path("pg_restore"), "--list"]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=complaints) as process,
    ):
        feeder = _feed(archive, process)
        lines = _pipe(process.stdout).read().decode(errors="replace").splitlines()
        feeder.join()
        _check(process, complaints)
    return [line for line in lines if line and not line.startswith(";")]


def relations_in(listed: Sequence[str]) -> set[str]:
    """The tables and sequences of `contents`."""
    return {entry["name"] for line in listed if (entry := _ENTRY.fullmatch(line))}


class Archiver:
    """Works on one schema of a database, with the tools of one release."""

    def __init__(self, url: str, schema: str, tools: Tools) -> None:
        self._url = url
        self._schema = schema
        self._tools = tools

    def dump(self, target: IO[bytes]) -> None:
        """Write all of the schema, as it is at one moment, while others work on.

        Owners and rights are left out: they are the server's, and where it is loaded there may be others. Raises
        ArchiveError, and OSError where `target` does.
        """
        options = ["--format=custom", f"--schema={quoted(self._schema)}", *_WITHOUT_ROLES]
        options += ["--no-password", f"--lock-wait-timeout={_LOCK_SECONDS}s"]
        with _connected(self._url, "mainstay backup") as database, tempfile.TemporaryFile() as complaints:
            command = [self._tools.path("pg_dump"), *options, database]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
                try:
                    copyfileobj(_pipe(process.stdout), target)
                except BaseException:
                    process.kill()
                    raise
            _check(process, complaints)

    def load(self, archive: IO[bytes], listed: Sequence[str], replaced: Relations) -> None:
        """Put an archive, of which `listed` are the contents, in the place of these tables and sequences.

        One transaction: all of it is there at the end, or all is as it was. Raises ArchiveError.
        """
        with _connected(self._url, "mainstay restore") as database, tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "list")
            wanted.write_text("\n".join(line for line in listed if not _OF_SCHEMA.match(line)), encoding="utf-8")
            read = [self._tools.path("pg_restore"), *_WITHOUT_ROLES, f"--use-list={wanted}", "--file=-"]
            write = [self._tools.path("psql"), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
            pipe = subprocess.PIPE
            with (
                Path(folder, "trouble").open("w+b") as trouble,
                Path(folder, "refusal").open("w+b") as refusal,
                subprocess.Popen(read, stdin=pipe, stdout=pipe, stderr=trouble) as reader,
                subprocess.Popen([*write, database], stdin=pipe, stdout=subprocess.DEVNULL, stderr=refusal) as writer,
            ):
                feeder = _feed(archive, reader)
                _pour(reader, writer, self._removal(replaced))
                feeder.join()
                _check(writer, refusal)
                _check(reader, trouble)

    def _removal(self, replaced: Relations) -> str:
        """Without CASCADE: what depends on our tables, such as somebody's view, is not ours to remove."""
        statements = "SET client_min_messages = warning;\n"
        # Tables in one go, because they refer to one another; a sequence of a table's own goes with it.
        for what, names in (("TABLE", replaced.tables), ("SEQUENCE", replaced.sequences)):
            if names:
                all_names = ", ".join(f"{quoted(self._schema)}.{quoted(name)}" for name in names)
                statements += f"DROP {what} IF EXISTS {all_names};\n"
        return statements


def _pour(reader: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], removal: str) -> None:
    """Only what was read to its end is committed: where psql's input ends before, it ends without."""
    target = _pipe(writer.stdin)
    try:
        target.write(f"BEGIN;\nSET LOCAL lock_timeout = '{_LOCK_SECONDS}s';\n{removal}".encode())
        copyfileobj(_pipe(reader.stdout), target)
        if reader.wait() == 0:
            target.write(b"COMMIT;\n")
        target.flush()
    except BrokenPipeError:  # psql has ended, and said why
        reader.kill()
    _close(target)


@contextmanager
def _connected(url: str, application_name: str) -> Iterator[str]:
    """The option that says where the database is. Everybody can read a command line, so the password is in a file."""
    address = urlsplit(url)
    options = dict(parse_qsl(address.query, keep_blank_values=True))
    password = options.pop("password", None) or unquote(address.password or "")
    with tempfile.TemporaryDirectory() as folder:
        if password:
            escaped = password.replace("\\", "\\\\").replace(":", "\\:")
            file = Path(folder, "password")
            file.touch(mode=0o600)
            file.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
            options["passfile"] = str(file)
        user, at, hosts = address.netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}{at}{hosts}"
        query = urlencode(options | {"application_name": application_name}, safe="/")
        # urlencode would write a space as +, which libpq takes for one
        yield f"--dbname=postgresql://{netloc}{address.path}?{query.replace('+', '%20')}"


def _feed(source: IO[bytes], process: subprocess.Popen[bytes]) -> Thread:
    """Give a process its input from another thread, as much as it takes; what cannot be read is missing there."""

    def feed() -> None:
        target = _pipe(process.stdin)
        try:
            copyfileobj(source, target)
        except (OSError, ValueError):  # it has read enough, or has ended
            pass
        finally:
            _close(target)

    thread = Thread(target=feed, daemon=True)
    thread.start()
    return thread


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # nobody takes the rest
        return


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("was asked for as a pipe")
    return stream


def _check(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    """Wait for its end. Raises ArchiveError where that is a failure."""
    if process.wait():
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").strip().splitlines()
        raise ArchiveError(" ".join(lines[:4]) or f"{Path(str(process.args[0])).name} failed.")  # type: ignore[index]
