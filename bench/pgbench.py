"""PostgreSQL itself: the ceiling's statements sent by pgbench, prepared, with no program in between.

What it makes of its own accord, such as a random id, is written into the statement. Confirming is left out, as pgbench
cannot visit each draft once, and so is the 304, which is no statement.
"""

import math
import subprocess
from pathlib import Path
from statistics import quantiles

from bench.baselines import ceiling
from bench.load import BUSY, Load, LoadFailed
from bench.server import pin
from mainstay.kernel.db.embedded import binary

_TENANT = "'tenant-' || lpad((:n::int % 100)::text, 3, '0')"
_ORDER = "('019a' || lpad(to_hex(:n::int), 8, '0') || '70008000000000000000')::uuid"
_BODY = '{"id": "019a0000-0007-7000-8000-000000000000", "tenantId": "tenant-007", "status": "draft", "version": 1}'
_SAMPLED = 0.1
"""Of the transactions, which are logged with their time: all of them would slow it down."""


def _script(statement: str, *values: str) -> str:
    """A transaction of pgbench: a random row, and the statement with the values in the place of `$1, $2, …`."""
    for number, value in reversed(list(enumerate(values, start=1))):
        statement = statement.replace(f"${number}", value)
    return f"\\set n random(0, 9999)\n{' '.join(statement.split())};\n"


SCRIPTS = {
    "order": _script(ceiling.ORDER, _TENANT, _ORDER),
    "orders": _script(ceiling.ORDERS, _TENANT, "51"),
    "pet": _script(ceiling.PET, ":n::int + 1"),
    "task": _script(ceiling.TASK, ":n::int + 1"),
    "tasks": _script(
        ceiling.TASKS,
        "'{new,in_progress}'::text[]",
        "('person-' || lpad((:n::int % 100)::text, 3, '0'))",
        "50",
        "0",
    ),
    "config": _script(ceiling.CONFIGURATION, "'01JCZ5Y7Q2GDB5E0' || lpad(:n::int::text, 10, '0')"),
    "create": _script(
        ceiling.CREATE.replace("WITH", "WITH made AS (SELECT gen_random_uuid() AS id, now() AS at),").replace(
            "VALUES ($1, $2, 'draft', 1, $3, $3)", "SELECT $1, id, 'draft', 1, at, at FROM made"
        ),
        _TENANT,
        "(SELECT id FROM made)",
        "now()",
        "gen_random_uuid()::text",
        "sha256('{}')",
        f"'{_BODY}'::bytea",
        "gen_random_uuid()",
        f"'{_BODY}'",
    ),
}


def drive(url: str, scenario: str, seconds: int, cores: set[int], folder: Path) -> Load:
    """As many transactions as there can be, sent from these cores. Raises LoadFailed."""
    script, log = folder / f"{scenario}.sql", folder / f"pgbench-{scenario}"
    script.write_text(SCRIPTS[scenario])
    sent = ("--no-vacuum", "--protocol", "prepared", "--client", str(BUSY.connections), "--time", str(seconds))
    logged = ("--log", f"--sampling-rate={_SAMPLED}", f"--log-prefix={log}", "--file", str(script))
    ended = subprocess.run(
        [binary("pgbench"), *sent, *logged, url],
        preexec_fn=lambda: pin(cores),
        capture_output=True,
        text=True,
        check=False,
    )
    times = [int(line.split()[2]) / 1e3 for path in folder.glob(f"{log.name}.*") for line in _lines(path)]
    processed = ended.stdout.partition("transactions actually processed: ")[2].split()
    if ended.returncode or not processed or len(times) < 2:  # noqa: PLR2004 - what quantiles wants
        raise LoadFailed(f"pgbench: {ended.stderr.strip()[-500:]}")
    cuts = quantiles(times, n=100)
    return Load(int(processed[0].partition("/")[0]), float(seconds), cuts[49], cuts[98], math.nan)


def _lines(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    path.unlink()
    return lines
