"""The tasks table, in PostgreSQL and in SQLite."""

from datetime import date, datetime

from sqlalchemy import Index, Sequence, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from mainstay.kernel.db.models import Base

# Ids are drawn from it before the row is written: the response, which holds the id, is stored in the same statement.
TASK_IDS = Sequence("tasks_id_seq", metadata=Base.metadata)

# "C": by code point, as Python and SQLite sort, whatever the locale of the database
_BY_CODE_POINT = Text(collation="C").with_variant(Text(), "sqlite")


class TaskRow(Base):
    """A task, with what it is compared and found by."""

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    title_key: Mapped[str] = mapped_column(_BY_CODE_POINT, unique=True)
    description: Mapped[str | None]
    search_text: Mapped[str]
    status: Mapped[str] = mapped_column(_BY_CODE_POINT)
    priority: Mapped[int] = mapped_column(SmallInteger)
    assignee: Mapped[str | None]
    due_date: Mapped[date | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    version: Mapped[int]

    # The list in its orders, ties included, and someone's own tasks. What has few values stands before the order.
    __table_args__ = (
        Index("tasks_priority_idx", text("priority DESC"), "created_at", "id"),
        Index("tasks_status_priority_idx", "status", text("priority DESC"), "created_at", "id"),
        Index("tasks_assignee_priority_idx", "assignee", text("priority DESC"), "created_at", "id"),
        Index("tasks_due_date_idx", "due_date", "created_at", "id"),
        # SQLite takes no NULLS in an index, and its few tasks need none
        Index("tasks_due_date_desc_idx", text("due_date DESC NULLS LAST"), "created_at", "id").ddl_if("postgresql"),
        Index("tasks_updated_at_idx", text("updated_at DESC"), "created_at", "id"),
        Index("tasks_created_at_idx", "created_at", "id"),
    )


TITLE_IS_UNIQUE = "tasks_title_key_key"
"""The constraint's name, as the database reports its violation."""
