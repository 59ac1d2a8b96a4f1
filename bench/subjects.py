"""What is measured: programs that serve the same data. A new one is a file in `baselines/`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to measure."""

    name: str
    title: str
    arguments: tuple[str, ...]
    """Of Python; `{port}` stands for the port to listen on. DATABASE_URL says where the data is."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _baseline(name: str, title: str) -> Subject:
    uvicorn = ("-m", "uvicorn", "--factory", "--no-access-log", "--log-level", "warning", "--port", "{port}")
    return Subject(name, title, (*uvicorn, f"bench.baselines.{name}:create_app"))


SUBJECTS = (
    _baseline("ceiling", "Starlette + asyncpg, nothing else (the ceiling)"),
    Subject(
        "mainstay",
        "Mainstay, everything on",
        (
            "-m",
            "mainstay",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--services",
            "pets,tasks,configs,orders",
        ),
        {"APP_ENV": "qa", "AUTH_MODE": "open", "RATE_LIMITS": "none"},  # qa: JSON access log
    ),
    _baseline("template", "FastAPI + AsyncSession ORM + response_model (the usual template)"),
)
