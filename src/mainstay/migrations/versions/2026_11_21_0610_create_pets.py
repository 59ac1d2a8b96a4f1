"""Create the pets table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence

revision = "2026_11_21_0610"
down_revision = "2026_11_21_0600"


def upgrade() -> None:
    """Create the table, and the sequence that ids are drawn from before a row is written."""
    op.execute(CreateSequence(sa.Sequence("pets_id_seq")))
    op.create_table(
        "pets",
        sa.Column("id", sa.BigInteger, server_default=sa.text("nextval('pets_id_seq')"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("species", sa.Text, nullable=False),
        sa.Column("species_key", sa.Text, nullable=False),
        sa.Column("age_years", sa.SmallInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pets_pkey"),
    )
    op.create_index("pets_name_id_idx", "pets", ["name", "id"])
    op.create_index("pets_created_at_id_idx", "pets", ["created_at", "id"])
    op.create_index("pets_species_key_name_id_idx", "pets", ["species_key", "name", "id"])
    op.create_index("pets_status_name_id_idx", "pets", ["status", "name", "id"])


def downgrade() -> None:
    """Drop the table and its sequence."""
    op.drop_table("pets")
    op.execute(DropSequence(sa.Sequence("pets_id_seq")))
