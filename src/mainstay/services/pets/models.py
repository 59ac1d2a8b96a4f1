"""The pets table."""

from datetime import datetime

from sqlalchemy import Index, Sequence, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from mainstay.kernel.db.models import Base

# Ids are drawn from it before the row is written: the response, which holds the id, is stored in the same statement.
PET_IDS = Sequence("pets_id_seq", metadata=Base.metadata)


class PetRow(Base):
    """A pet, with what it is found by."""

    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(PET_IDS, primary_key=True, server_default=PET_IDS.next_value())
    # "C": by code point, as Python sorts, whatever the locale of the database
    name: Mapped[str] = mapped_column(Text(collation="C"))
    species: Mapped[str]
    species_key: Mapped[str]
    age_years: Mapped[int | None] = mapped_column(SmallInteger)
    status: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "name", "id"),
        Index(None, "created_at", "id"),
        Index(None, "species_key", "name", "id"),
        Index(None, "status", "name", "id"),
    )
