"""The ledger: configuration, caps, overrides, balances, accounts, charges, entries, notices.

Amounts are micro-dollars. Tables of which the past matters take no change and no deletion.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE tether.configuration (
    id smallint PRIMARY KEY CHECK (id = 1),
    digest text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE TABLE tether.caps (
    scope text PRIMARY KEY,
    amount bigint CHECK (amount >= 0),
    word text CHECK (word IN ('refuse', 'uncapped')),
    CHECK (num_nonnulls(amount, word) = 1)
);
CREATE TABLE tether.overrides (
    id text PRIMARY KEY,
    scope text NOT NULL,
    month text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX ON tether.overrides (scope, month);
-- What every draw changes: room in each page keeps the versions of a hot row on one page and out of the index.
CREATE TABLE tether.balances (
    scope text NOT NULL,
    month text NOT NULL,
    spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    told smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, month)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
-- holds: [{scope, month, since: number of the first draw of that month, amount}]
CREATE TABLE tether.accounts (
    account text PRIMARY KEY,
    run text NOT NULL,
    namespace text NOT NULL,
    agent text NOT NULL,
    version text NOT NULL,
    usr text NOT NULL,
    tenant text NOT NULL,
    scopes text[] NOT NULL,
    lineages text[] NOT NULL DEFAULT '{}',
    number bigint NOT NULL DEFAULT 0,
    answer jsonb,
    holds jsonb NOT NULL DEFAULT '[]',
    spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    opened_at timestamptz NOT NULL,
    heard_at timestamptz NOT NULL,
    closed_at timestamptz,
    refused_at timestamptz,
    need bigint NOT NULL DEFAULT 0 CHECK (need >= 0),
    short text[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70);
CREATE INDEX ON tether.accounts (refused_at) WHERE refused_at IS NOT NULL;
CREATE INDEX ON tether.accounts (opened_at) WHERE closed_at IS NULL;
CREATE TABLE tether.charges (
    account text NOT NULL,
    lineage text NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    draw bigint NOT NULL CHECK (draw >= 0),
    kind text NOT NULL,
    turn bigint NOT NULL CHECK (turn >= 0),
    call text NOT NULL,
    name text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    known boolean NOT NULL,
    over bigint NOT NULL CHECK (over >= 0),
    at_ms bigint NOT NULL,
    PRIMARY KEY (account, lineage, number)
);
CREATE TABLE tether.postings (
    account text NOT NULL,
    lineage text NOT NULL,
    number bigint NOT NULL,
    scope text NOT NULL,
    month text NOT NULL,
    PRIMARY KEY (account, lineage, number, scope)
);
CREATE INDEX ON tether.postings (scope, month);
CREATE TABLE tether.corrections (
    id text NOT NULL,
    scope text NOT NULL,
    month text NOT NULL,
    account text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (id, scope)
);
CREATE INDEX ON tether.corrections (scope, month);
CREATE TABLE tether.entries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    account text,
    scope text,
    month text,
    amount bigint,
    actor text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON tether.entries (scope, number) WHERE scope IS NOT NULL;
CREATE INDEX ON tether.entries (account) WHERE account IS NOT NULL;
CREATE TABLE tether.notices (
    scope text NOT NULL,
    month text NOT NULL,
    level smallint NOT NULL,
    cap bigint NOT NULL CHECK (cap >= 0),
    spent bigint NOT NULL CHECK (spent >= 0),
    at timestamptz NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (scope, month, level)
);
CREATE INDEX ON tether.notices (at) WHERE delivered_at IS NULL;
CREATE FUNCTION tether.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of tether.% are never changed or deleted', TG_TABLE_NAME;
END $$
"""

_APPENDED_ONLY = ("charges", "postings", "corrections", "overrides", "entries")


def upgrade() -> None:
    """Make the tables."""
    head, _, function = _TABLES.partition("CREATE FUNCTION")
    for statement in head.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(f"CREATE FUNCTION{function}")
    for table in _APPENDED_ONLY:
        op.execute(
            f"CREATE TRIGGER appended_only BEFORE UPDATE OR DELETE ON tether.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tether.refuse_change()"
        )
