"""Count what each sink has taken and refused, and know which sinks are sent to."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1000"
down_revision = "2026_11_21_0900"

_COUNTS = ("published", "failed", "dead")


def upgrade() -> None:
    """Add the columns. A relay of the release before works on beside them, and counts nothing."""
    op.add_column("outbox_sinks", sa.Column("is_served", sa.Boolean, server_default=sa.true(), nullable=False))
    for name in _COUNTS:
        op.add_column("outbox_sinks", sa.Column(name, sa.BigInteger, server_default="0", nullable=False))
    op.add_column("outbox_sinks", sa.Column("lag_seconds", sa.Float, server_default="0", nullable=False))


def downgrade() -> None:
    """Drop them: the counts begin anew."""
    for name in ("is_served", *_COUNTS, "lag_seconds"):
        op.drop_column("outbox_sinks", name)
