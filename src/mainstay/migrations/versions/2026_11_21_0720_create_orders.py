"""Create the orders table."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_0720"
down_revision = "2026_11_21_0710"


def upgrade() -> None:
    """Create the table, every key of which begins with the tenant."""
    op.create_table(
        "orders",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("total_cents", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="orders_pkey"),
    )
    op.create_index("orders_tenant_id_created_at_id_idx", "orders", ["tenant_id", "created_at", "id"])
    op.create_index("orders_tenant_id_status_created_at_id_idx", "orders", ["tenant_id", "status", "created_at", "id"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("orders")
