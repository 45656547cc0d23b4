"""The statements of a draw: while the balances are locked there is one of them, and the commit."""

from sqlalchemy import text

from tether.adapters.store.charge_sql import BOOK

_WHAT_HOLDS = """clock_timestamp() AS clock,
    (SELECT version_num FROM tether.alembic_version) AS revision,
    (SELECT digest FROM tether.configuration) AS digest,
    (SELECT jsonb_object_agg(scope, coalesce(to_jsonb(amount), to_jsonb(word)))
        FROM tether.caps WHERE scope = ANY(:scopes)) AS caps,
    (SELECT jsonb_agg(to_jsonb(raise)) FROM tether.overrides AS raise
        WHERE scope = ANY(:scopes)) AS raises
"""
"""Of `:scopes`, as of now."""

LOOK = text(
    """
SELECT account.*, """  # noqa: S608  of our own texts only
    + _WHAT_HOLDS
    + """FROM (SELECT lineages, number AS last_number, answer, holds, closed_at IS NOT NULL AS closed
    FROM tether.accounts WHERE account = :account FOR UPDATE) AS account
"""
)
"""The account, locked against other draws of the same run, and what holds for its scopes."""

RULES = text("SELECT " + _WHAT_HOLDS)
"""What holds for some scopes, as of now."""

OPEN = text("""
INSERT INTO tether.accounts (account, run, namespace, agent, version, usr, tenant, scopes, opened_at, heard_at)
VALUES (:account, :run, :namespace, :agent, :version, :user, :tenant, :scopes, :now, :now)
ON CONFLICT DO NOTHING
""")

CONFIGURATION = text("SELECT digest, body FROM tether.configuration")

BALANCES = text("""
SELECT balance.scope, balance.month, balance.spent, balance.held, balance.told,
    (SELECT jsonb_agg(jsonb_build_array(lineage, number)) FROM tether.charges
        WHERE account = :account AND (lineage, number) IN
            (SELECT * FROM unnest(CAST(:lineages AS text[]), CAST(:numbers AS bigint[])))) AS known,
    EXISTS (SELECT FROM tether.accounts WHERE refused_at > :waited AND account <> :account AND closed_at IS NULL
        AND short && CAST(:scopes AS text[])) AS others_wait
FROM tether.balances AS balance
WHERE (balance.scope, balance.month) IN
    (SELECT * FROM unnest(CAST(:place_scopes AS text[]), CAST(:place_months AS text[])))
    AND (SELECT count(*) FROM tether.balances WHERE (scope, month) IN
        (SELECT * FROM unnest(CAST(:place_scopes AS text[]), CAST(:place_months AS text[]))))
        = cardinality(CAST(:place_scopes AS text[]))
ORDER BY balance.scope, balance.month
FOR UPDATE OF balance
""")
"""The balances, locked in an order that is always the same; and what else has to be seen under these locks.

Where one is missing none is locked: who made a new one while others wait for those it has locked could wait for them.
"""

NEW_BALANCES = text("""
INSERT INTO tether.balances (scope, month)
SELECT scope, month FROM unnest(CAST(:place_scopes AS text[]), CAST(:place_months AS text[])) AS place (scope, month)
ORDER BY scope, month
ON CONFLICT DO NOTHING
""")

WRITE = text(
    """
WITH balanced AS (
    UPDATE tether.balances AS balance SET spent = after.spent, held = after.held, told = after.told
    FROM jsonb_to_recordset(CAST(:balances AS jsonb))
        AS after (scope text, month text, spent bigint, held bigint, told smallint)
    WHERE balance.scope = after.scope AND balance.month = after.month
"""  # noqa: S608  of our own texts only
    + BOOK
    + """), noticed AS (
    INSERT INTO tether.notices (scope, month, level, cap, spent, at)
    SELECT scope, month, level, cap, spent, :now
    FROM jsonb_to_recordset(CAST(:notices AS jsonb))
        AS notice (scope text, month text, level smallint, cap bigint, spent bigint)
    ON CONFLICT DO NOTHING
), entered AS (
    INSERT INTO tether.entries (at, kind, account, amount, detail)
    SELECT :now, :kind, :account, :granted, CAST(:detail AS jsonb) WHERE :enter
)
UPDATE tether.accounts SET
    scopes = :scopes, lineages = :lineages, number = :number, answer = CAST(:answer AS jsonb),
    holds = CAST(:holds AS jsonb), held = :held, spent = spent + :spent, heard_at = :now,
    closed_at = CASE WHEN :closed THEN coalesce(closed_at, :now) END,
    refused_at = CASE WHEN :refused THEN CAST(:now AS timestamptz) END, need = :need, short = :short
WHERE account = :account
"""
)
"""Everything that a draw changes, in one statement."""
