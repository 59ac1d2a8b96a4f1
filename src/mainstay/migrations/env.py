"""Where Alembic enters. Run by `mainstay.kernel.db.schema`, which hands over an open connection; never imported."""

from alembic import context
from sqlalchemy import MetaData

from mainstay.kernel.db.schema import options

given = context.config.attributes
context.configure(connection=given["connection"], **options(given.get("metadata", MetaData())))
with context.begin_transaction():
    context.run_migrations()
