"""Statements about circuits and rates; the function is made by the migration."""

from __future__ import annotations

from sqlalchemy import text

ADMISSIONS = """
SELECT CAST(tether.admissions(
    CAST($1 AS text), CAST($2 AS bigint), CAST($3 AS text[]), CAST($4 AS text[]),
    CAST($5 AS text[]), CAST($6 AS text)::jsonb, CAST($7 AS text)::jsonb, CAST($8 AS bigint)
) AS text)
"""
"""For the driver itself, which is asked before each call: by way of SQLAlchemy it takes four times the time."""

FORGET = text("""
WITH present AS (
    SELECT coalesce(CAST(:now AS bigint), CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)) AS ms
), full_ones AS (
    DELETE FROM tether.rates WHERE key IN (
        SELECT key FROM tether.rates, present WHERE full_ns < (ms - 60000) * 1000000 FOR UPDATE OF rates SKIP LOCKED)
    RETURNING key
), healthy AS (
    DELETE FROM tether.circuits WHERE name IN (
        SELECT name FROM tether.circuits, present
        WHERE state = 'closed' AND faults = 0 AND asked_ms < ms - 86400000 FOR UPDATE OF circuits SKIP LOCKED)
    RETURNING name
), gone AS (
    DELETE FROM tether.askers WHERE worker IN (
        SELECT worker FROM tether.askers, present WHERE heard_ms < ms - 3600000 FOR UPDATE OF askers SKIP LOCKED)
    RETURNING worker
)
SELECT (SELECT count(*) FROM full_ones) + (SELECT count(*) FROM healthy) + (SELECT count(*) FROM gone)
""")
"""Limits whose buckets are full, circuits that were closed for a day, workers that were silent for an hour."""

CIRCUITS = text("""
SELECT name, state, faults, since_ms, until_ms, fault_ms, reset_ms, reset_by,
    (SELECT count(*) FROM unnest(leases) AS lent (until) WHERE until > ms) AS probes, ms AS now_ms
FROM tether.circuits, (SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint) AS ms) AS present
ORDER BY name
""")

RESET = text("""
WITH present AS (
    SELECT clock_timestamp() AS at, CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint) AS ms
), was AS (
    SELECT name, state, faults FROM tether.circuits
    WHERE CAST(:names AS text[]) IS NULL OR name = ANY (CAST(:names AS text[])) ORDER BY name FOR UPDATE
), closed AS (
    UPDATE tether.circuits SET state = 'closed', faults = 0, successes = 0, probes = '{}', leases = '{}', until_ms = 0,
        since_ms = ms, reset_ms = ms, reset_by = :by
    FROM present, was WHERE circuits.name = was.name
), entered AS (
    INSERT INTO tether.entries (at, kind, actor, detail)
    SELECT at, 'circuit_reset', :by, jsonb_build_object('circuit', name, 'state', state, 'faults', faults)
    FROM present, was
)
SELECT name FROM was ORDER BY name
""")
