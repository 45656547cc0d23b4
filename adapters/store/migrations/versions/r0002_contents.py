"""Contents: large results of tools, kept for some time."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        CREATE TABLE tether.contents (
            reference text PRIMARY KEY,
            tenant text NOT NULL,
            run text NOT NULL,
            call text NOT NULL,
            size bigint NOT NULL CHECK (size >= 0),
            body bytea NOT NULL,
            at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX ON tether.contents (at)")
