"""Make the outbox a log: a position for each event, how far each sink has got, and what is left behind."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence

revision = "2026_11_21_0800"
down_revision = "2026_11_21_0720"

# Nothing has read the outbox before: nothing misses these columns, and no event has been published.
_DROPPED = ("attempts", "due_at", "published_at", "dead_at", "last_error")
_PENDING = """
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX outbox_pending_idx ON outbox (seq) WHERE position IS NULL;
"""
_POSITION = """
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX outbox_position_idx ON outbox (position) WHERE position IS NOT NULL;
"""


def upgrade() -> None:
    """Change the outbox; create the tables of its sinks and of what they have not taken."""
    op.execute(CreateSequence(sa.Sequence("outbox_position_seq")))
    for column in _DROPPED:
        op.execute(f"-- squawk-ignore ban-drop-column\nALTER TABLE outbox DROP COLUMN {column}")
    op.add_column("outbox", sa.Column("position", sa.BigInteger))
    op.execute(_PENDING)
    op.execute(_POSITION)
    op.create_table(
        "outbox_sinks",
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("sink", name="outbox_sinks_pkey"),
    )
    op.create_table(
        "outbox_deliveries",
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("aggregatetype", sa.Text, nullable=False),
        sa.Column("aggregateid", sa.Text, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("dead_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("position", "sink", name="outbox_deliveries_pkey"),
    )
    op.create_index(
        "outbox_deliveries_due_idx",
        "outbox_deliveries",
        ["sink", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "outbox_deliveries_live_idx",
        "outbox_deliveries",
        ["sink", "tenant_id", "aggregatetype", "aggregateid", "position"],
        postgresql_where=sa.text("dead_at IS NULL"),
    )


def downgrade() -> None:
    """Drop both tables, and every event's position with them: all are pending again."""
    op.drop_table("outbox_deliveries")
    op.drop_table("outbox_sinks")
    op.drop_column("outbox", "position")  # and its two indexes
    op.execute(DropSequence(sa.Sequence("outbox_position_seq")))
    op.add_column("outbox", sa.Column("attempts", sa.SmallInteger, server_default=sa.text("0"), nullable=False))
    op.add_column(
        "outbox", sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    for name in ("published_at", "dead_at"):
        op.add_column("outbox", sa.Column(name, sa.DateTime(timezone=True)))
    op.add_column("outbox", sa.Column("last_error", sa.Text))
    op.create_index(
        "outbox_pending_idx",
        "outbox",
        ["seq"],
        postgresql_where=sa.text("published_at IS NULL AND dead_at IS NULL"),
    )
