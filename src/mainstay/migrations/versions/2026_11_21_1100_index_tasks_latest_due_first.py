"""Read tasks, the latest due first, off an index: those without a date stand last, so it is one of its own."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1100"
down_revision = "2026_11_21_1000"

_NAME = "tasks_due_date_desc_idx"


def upgrade() -> None:
    """Build it beside the writes; one that was left half built is built anew."""
    with op.get_context().autocommit_block():
        op.drop_index(_NAME, "tasks", postgresql_concurrently=True, if_exists=True)
        latest = sa.text("due_date DESC NULLS LAST")
        op.create_index(_NAME, "tasks", [latest, "created_at", "id"], postgresql_concurrently=True, if_not_exists=True)


def downgrade() -> None:
    """Drop it."""
    with op.get_context().autocommit_block():
        op.drop_index(_NAME, "tasks", postgresql_concurrently=True, if_exists=True)
