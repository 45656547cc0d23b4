"""The statements of the books."""

from sqlalchemy import text

from tether.adapters.store.charge_sql import BOOK

CONFIGURE = text("""
INSERT INTO tether.configuration (id, digest, body, at) VALUES (1, :digest, CAST(:body AS jsonb), :now)
ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, body = excluded.body, at = excluded.at
WHERE configuration.digest <> excluded.digest
RETURNING id
""")

ENTER = text("""
INSERT INTO tether.entries (at, kind, account, scope, month, amount, actor, reason, detail)
VALUES (:now, :kind, :account, :scope, :month, :amount, :actor, :reason, CAST(:detail AS jsonb))
""")

SET_CAP = text("""
INSERT INTO tether.caps (scope, amount, word) VALUES (:scope, :amount, :word)
ON CONFLICT (scope) DO UPDATE SET amount = excluded.amount, word = excluded.word
""")

UNSET_CAP = text("DELETE FROM tether.caps WHERE scope = :scope")

OVERRIDE = text("""
INSERT INTO tether.overrides (id, scope, month, amount, actor, reason, at, expires_at)
VALUES (:id, :scope, :month, :amount, :actor, :reason, :now, :expires_at)
ON CONFLICT DO NOTHING
RETURNING id
""")

GIVEN = text("SELECT scope, amount, actor FROM tether.overrides WHERE id = :id")

LOCK_BALANCE = text("SELECT scope FROM tether.balances WHERE scope = :scope AND month = :month FOR UPDATE")
WAITING = text("""
SELECT short, run FROM tether.accounts
WHERE refused_at IS NOT NULL AND closed_at IS NULL AND short && CAST(:scopes AS text[])
ORDER BY refused_at, run
""")

KNOWN = text("""
SELECT EXISTS (SELECT FROM tether.balances WHERE scope = :scope)
    OR EXISTS (SELECT FROM tether.caps WHERE scope = :scope)
    OR EXISTS (SELECT FROM tether.overrides WHERE scope = :scope)
""")

ALL_NAMED = text("""
SELECT DISTINCT scope FROM (SELECT scope FROM tether.balances UNION ALL SELECT scope FROM tether.caps) AS named
ORDER BY scope LIMIT 10000
""")

NAMED = text("""
SELECT scope FROM tether.caps UNION SELECT scope FROM tether.overrides WHERE month >= :since
UNION SELECT scope FROM tether.balances WHERE month >= :since AND (spent <> 0 OR held <> 0)
UNION SELECT unnest(short) FROM tether.accounts WHERE refused_at IS NOT NULL AND closed_at IS NULL
""")

BALANCES_OF = text("""
SELECT scope, month, spent, held FROM tether.balances
WHERE (scope, month) IN (SELECT * FROM unnest(CAST(:place_scopes AS text[]), CAST(:place_months AS text[])))
""")

OPEN_ACCOUNTS = text("""
SELECT account, run, namespace, lineages, number, agent, version, usr, tenant, scopes, held,
    refused_at IS NOT NULL AS waits, heard_at
FROM tether.accounts WHERE namespace = :namespace AND closed_at IS NULL AND heard_at <= :unheard
ORDER BY heard_at, account
""")

BOOKED = text("""
SELECT account.account, account.run, account.agent, account.spent, account.held,
    account.closed_at IS NOT NULL AS closed, charged.charges, charged.amount AS charged
FROM tether.accounts AS account
CROSS JOIN LATERAL (SELECT count(*) AS charges, CAST(coalesce(sum(amount), 0) AS bigint) AS amount FROM tether.charges
    WHERE charges.account = account.account) AS charged
WHERE account.namespace = :namespace
    AND (CAST(:accounts AS text[]) IS NULL OR account.account = ANY(:accounts))
ORDER BY account.opened_at, account.account
""")

UNDELIVERED = text("""
SELECT scope, month, level, cap, spent, at FROM tether.notices WHERE delivered_at IS NULL
ORDER BY at, scope, month, level LIMIT :most
""")

DELIVERED = text("""
UPDATE tether.notices SET delivered_at = :now
WHERE delivered_at IS NULL AND scope = :scope AND month = :month AND level = :level
""")

LINES = text("""
SELECT charge.account, account.run, account.agent, account.version, account.usr AS user, account.tenant, charge.kind,
    charge.turn, charge.call, charge.name, charge.amount, charge.known, charge.over, charge.at_ms
FROM tether.postings AS posting
JOIN tether.charges AS charge USING (account, lineage, number)
JOIN tether.accounts AS account USING (account)
WHERE posting.scope = :scope AND posting.month = :month
ORDER BY charge.at_ms, charge.account, charge.lineage, charge.number
""")

ENTRIES = text("""
SELECT entry.kind, entry.scope, entry.month, entry.amount, entry.actor, entry.reason, entry.at, account.run,
    CASE WHEN jsonb_typeof(entry.detail -> 'cap') = 'string' THEN entry.detail ->> 'cap' END AS word,
    CAST(entry.detail ->> 'expires_ms' AS bigint) AS expires_ms
FROM tether.entries AS entry LEFT JOIN tether.accounts AS account USING (account)
WHERE entry.scope = :scope AND (entry.month = :month OR entry.month IS NULL) AND entry.at < :ends
ORDER BY entry.number
""")

ACCOUNT = text("""
SELECT scopes, number, holds, run FROM tether.accounts WHERE account = :account FOR UPDATE
""")

CORRECTED = text("SELECT account FROM tether.corrections WHERE id = :id LIMIT 1")

CORRECT = text(
    """
WITH balanced AS (
    UPDATE tether.balances AS balance SET spent = after.spent
    FROM jsonb_to_recordset(CAST(:balances AS jsonb)) AS after (scope text, month text, spent bigint)
    WHERE balance.scope = after.scope AND balance.month = after.month
"""  # noqa: S608  of our own texts only
    + BOOK
    + """), corrected AS (
    INSERT INTO tether.corrections (id, scope, month, account, amount)
    SELECT :id, scope, month, :account, CAST(:amount AS bigint)
    FROM unnest(CAST(:scopes AS text[]), CAST(:months AS text[])) AS place (scope, month)
), entered AS (
    INSERT INTO tether.entries (at, kind, account, scope, month, amount, actor, reason, detail)
    SELECT :now, 'correction', :account, scope, month, CAST(:amount AS bigint) + CAST(:charged AS bigint), :actor,
        :reason, CAST(:detail AS jsonb)
    FROM unnest(CAST(:scopes AS text[]), CAST(:months AS text[])) AS place (scope, month)
)
UPDATE tether.accounts SET spent = spent + CAST(:amount AS bigint) + CAST(:charged AS bigint)
WHERE account = :account
"""
)

CORRECTIONS_OF = text("""
SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM tether.corrections WHERE scope = :scope AND month = :month
""")
