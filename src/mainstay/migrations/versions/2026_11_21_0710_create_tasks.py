"""Create the tasks table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence

revision = "2026_11_21_0710"
down_revision = "2026_11_21_0610"


def upgrade() -> None:
    """Create the table, and the sequence that ids are drawn from before a row is written."""
    op.execute(CreateSequence(sa.Sequence("tasks_id_seq")))
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("title_key", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("search_text", sa.Text, nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("due_date", sa.Date),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="tasks_pkey"),
        sa.UniqueConstraint("title_key", name="tasks_title_key_key"),
    )
    most_urgent_first = (sa.text("priority DESC"), "created_at", "id")
    op.create_index("tasks_priority_idx", "tasks", [*most_urgent_first])
    op.create_index("tasks_status_priority_idx", "tasks", ["status", *most_urgent_first])
    op.create_index("tasks_assignee_priority_idx", "tasks", ["assignee", *most_urgent_first])
    op.create_index("tasks_due_date_idx", "tasks", ["due_date", "created_at", "id"])
    op.create_index("tasks_updated_at_idx", "tasks", [sa.text("updated_at DESC"), "created_at", "id"])
    op.create_index("tasks_created_at_idx", "tasks", ["created_at", "id"])


def downgrade() -> None:
    """Drop the table and its sequence."""
    op.drop_table("tasks")
    op.execute(DropSequence(sa.Sequence("tasks_id_seq")))
