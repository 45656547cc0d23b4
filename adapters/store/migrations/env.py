"""What alembic runs: the upgrade, on the connection and in the transaction that `migrate.py` has opened."""

from alembic import context

SCHEMA = "tether"

context.configure(connection=context.config.attributes["connection"], version_table_schema=SCHEMA)
context.run_migrations()
