"""Give the SQL that the migrations send to squawk, which knows what locks a table or breaks the release before."""

import io
import subprocess
import sys
from types import ModuleType

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mainstay.kernel.db.revisions import LOCATION
from mainstay.services.configs.migrations import LOCATION as CONFIGS

OLDEST_POSTGRES = "15"
NOT_ASKED = {
    "prefer-bigint-over-smallint": "ages, statuses and attempts are bounded by the program",
    "prefer-text-field": "the lengths of the texts of configs are in its contract",
    "require-lock-timeout": "the runner sets it on its session",
    "require-statement-timeout": "the runner sets it on its session",
}


def migrations_sql() -> str:
    """Every migration, the oldest first, each in a transaction of its own, as the runner applies them."""
    config = Config()
    config.set_main_option("script_location", str(LOCATION))
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    texts = [_offline(revision.module) for revision in reversed(revisions)]
    texts += [file.read_text() for file in sorted(CONFIGS.glob("*.sql"))]
    return "\n".join(f"BEGIN;\n\n{text}COMMIT;\n" for text in texts)


def _offline(migration: ModuleType) -> str:
    text = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": text})
    with Operations.context(context):
        migration.upgrade()
    return text.getvalue()


def main() -> int:
    """Return squawk's exit code."""
    command = ["squawk", f"--pg-version={OLDEST_POSTGRES}", f"--exclude={','.join(NOT_ASKED)}"]
    return subprocess.run(command, input=migrations_sql(), text=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
