"""How charges are booked, by a draw as by a correction: parts of a statement that begins `WITH x AS (…`."""

BOOK = """
), charged AS (
    INSERT INTO tether.charges (account, lineage, number, draw, kind, turn, call, name, amount, known, over, at_ms)
    SELECT :account, lineage, number, draw, kind, turn, call, name, amount, known, over, at_ms
    FROM jsonb_to_recordset(CAST(:charges AS jsonb)) AS charge (lineage text, number bigint, draw bigint, kind text,
        turn bigint, call text, name text, amount bigint, known boolean, over bigint, at_ms bigint)
), posted AS (
    INSERT INTO tether.postings (account, lineage, number, scope, month)
    SELECT :account, lineage, number, scope, month
    FROM jsonb_to_recordset(CAST(:postings AS jsonb))
        AS posting (lineage text, number bigint, scope text, month text)
"""
"""Takes `:account`, and as JSON `:charges` and `:postings`, the months of each charge by scope."""
