"""What the figures were made on. No path, no host name: the results are published."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.load import wrk

_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "asyncpg", "orjson")


def facts(postgres: str, other_cores: int) -> dict[str, str]:
    """Name and value of what matters."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "placement": f"the server alone on one core, PostgreSQL and wrk on the other {other_cores}",
        "load average before": f"{os.getloadavg()[0]:.1f} (over 0.5: others were at work, the figures are theirs too)",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{postgres}, durable (fsync, synchronous_commit and full_page_writes on)",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "load": _wrk_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _wrk_version() -> str:
    told = subprocess.run([wrk(), "--version"], capture_output=True, text=True, check=False)  # its exit code is 1
    return " ".join((told.stdout or told.stderr).split()[:2])
