"""What is measured: programs that serve the same data. A new one is a file in `baselines/`."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.callers import SECRET


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to measure."""

    name: str
    title: str
    arguments: tuple[str, ...]
    """Of Python; `{port}` stands for the port to listen on. DATABASE_URL says where the data is."""
    environment: Mapping[str, str] = field(default_factory=dict)
    scenarios: Collection[str] = frozenset()
    """What it answers, where that is not all."""
    python: Path = Path(sys.executable)

    def answers(self, scenario: str) -> bool:
        """Whether it takes part."""
        return not self.scenarios or scenario in self.scenarios


OTHERS_PYTHON = Path(__file__).parents[1] / ".venv-bench" / "bin" / "python"
"""Of the environment with other frameworks, which bench/environment makes."""
_FEW = frozenset({"order", "orders", "create"})
_UVICORN = ("-m", "uvicorn", "--factory", "--no-access-log", "--log-level", "warning", "--port", "{port}")


def _mainstay(name: str, title: str, *, relay: bool, scenarios: Collection[str] = frozenset()) -> Subject:
    environment = {
        "APP_ENV": "qa",  # a token is required, the access log is JSON
        "SECRET_KEY": SECRET,
        "RATE_LIMITS": "read=99999/second,write=99999/second,auth=99999/second",  # counted, and nobody refused
        "RELAY": str(relay),
        "DB_POOL_MAX": "12",  # of which one service may have 10 at once, as many as the ceiling has
    }
    arguments = ("-m", "mainstay", "serve", "--host", "127.0.0.1", "--port", "{port}")
    return Subject(name, title, arguments, environment, scenarios)


CEILING = Subject(
    "ceiling", "Starlette + asyncpg, nothing else (the ceiling)", (*_UVICORN, "bench.baselines.ceiling:create_app")
)
MAINSTAY = _mainstay("mainstay", "Mainstay, everything on", relay=False)

POSTGRESQL = Subject(
    "postgresql",
    "PostgreSQL itself (pgbench, the ceiling's statements)",
    (),  # nothing that serves: see pgbench.py
    scenarios=frozenset({"order", "orders", "pet", "task", "tasks", "config", "create"}),
)

SUBJECTS = (
    POSTGRESQL,
    CEILING,
    MAINSTAY,
    _mainstay(
        "mainstay-relay",
        "Mainstay, and in the same process the relay that publishes the events",
        relay=True,
        scenarios=frozenset({"confirm", "create"}),
    ),
    Subject(
        "template",
        "FastAPI + AsyncSession ORM + response_model (the usual template)",
        (*_UVICORN, "bench.baselines.template:create_app"),
    ),
    Subject(
        "litestar",
        "Litestar + AsyncSession ORM",
        (*_UVICORN, "bench.baselines.litestar_orm:create_app"),
        scenarios=_FEW,
        python=OTHERS_PYTHON,
    ),
    Subject(
        "django",
        "Django REST framework, gunicorn with 16 threads",
        (
            *("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--threads", "16"),
            "django.core.wsgi:get_wsgi_application()",
        ),
        {"DJANGO_SETTINGS_MODULE": "bench.baselines.django_rest.settings"},
        scenarios=_FEW,
        python=OTHERS_PYTHON,
    ),
)
