"""Circuit breakers and rate limits of the fleet.

Times are milliseconds since 1970, those of `rates` nanoseconds. What the function does is what tether/admitting.py,
tether/circuit.py and tether/rate.py say; a test compares them.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_CIRCUITS = """
CREATE TABLE tether.circuits (
    name text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    faults integer NOT NULL DEFAULT 0 CHECK (faults >= 0),
    since_ms bigint NOT NULL DEFAULT 0,
    until_ms bigint NOT NULL DEFAULT 0,
    successes integer NOT NULL DEFAULT 0 CHECK (successes >= 0),
    probes text[] NOT NULL DEFAULT '{}',
    leases bigint[] NOT NULL DEFAULT '{}',
    fault_ms bigint NOT NULL DEFAULT 0,
    asked_ms bigint NOT NULL DEFAULT 0,
    reset_ms bigint NOT NULL DEFAULT 0,
    reset_by text NOT NULL DEFAULT '',
    CHECK (cardinality(probes) = cardinality(leases))
) WITH (fillfactor = 50)
"""
_RATES = """
CREATE TABLE tether.rates (
    key text PRIMARY KEY,
    full_ns bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 1000)
"""
_ASKERS = """
CREATE TABLE tether.askers (
    worker text PRIMARY KEY,
    batch bigint NOT NULL DEFAULT 0,
    answer jsonb,
    heard_ms bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)
"""
_ADMISSIONS = """
CREATE FUNCTION tether.admissions(
    asker text,         -- names a worker for as long as it runs
    number bigint,      -- of its batch: one that comes twice is answered twice, and done once
    names text[],       -- of the circuits that the operations mean by position
    failing text[],     -- those of them of which a fault is reported
    keys text[],        -- of the limits, likewise
    operations jsonb,   -- [["ask", circuit, [[limit, takes_ns], ...], wait_ms, lease_ms, probe], ...], or
                        -- ["report", circuit, how, probe], ["back", [[limit, takes_ns], ...]]
    rules jsonb,        -- {failures, open_for_ms, probes, successes, ask_again_ms}
    given_ms bigint     -- the time; null for this clock's
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    minute_ns CONSTANT bigint := 60000000000;
    last tether.askers;
    now_ms bigint;
    now_ns bigint;
    changing text[];
    known tether.circuits[];
    circuit tether.circuits;
    buckets bigint[];
    answers jsonb := '[]';
    changes jsonb := '[]';
    operation jsonb;
    share jsonb;
    i integer;
    probe text;
    opens boolean;
    wait_ns bigint;
    after_ms bigint;
    longest_ns bigint;
    longest integer;
BEGIN
    SELECT * INTO last FROM tether.askers WHERE worker = asker FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO tether.askers (worker) VALUES (asker) ON CONFLICT DO NOTHING;
        SELECT * INTO last FROM tether.askers WHERE worker = asker FOR UPDATE;
    END IF;
    IF number <= last.batch THEN
        RETURN CASE WHEN number = last.batch THEN last.answer END;
    END IF;

    -- A circuit that is closed and without faults is only looked at; all others are locked, as limits are, in one
    -- order for all workers. What is missing is made; WHERE false locks what is there and changes nothing.
    now_ms := coalesce(given_ms, floor(extract(epoch FROM clock_timestamp()) * 1000));
    SELECT coalesce(array_agg(name), '{}') INTO changing FROM unnest(names) AS asked (name)
    WHERE name = ANY (failing) OR NOT EXISTS (
        SELECT FROM tether.circuits
        WHERE circuits.name = asked.name AND state = 'closed' AND faults = 0 AND asked_ms > now_ms - 3600000
    );
    INSERT INTO tether.circuits (name) SELECT name FROM unnest(changing) AS asked (name) ORDER BY name
    ON CONFLICT (name) DO UPDATE SET state = excluded.state WHERE false;
    INSERT INTO tether.rates (key) SELECT key FROM unnest(keys) AS asked (key) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET full_ns = excluded.full_ns WHERE false;

    now_ms := coalesce(given_ms, floor(extract(epoch FROM clock_timestamp()) * 1000));
    now_ns := now_ms * 1000000;
    FOR i IN 1 .. cardinality(names) LOOP
        SELECT * INTO circuit FROM tether.circuits WHERE name = names[i] AND name = ANY (changing);
        IF NOT FOUND THEN
            circuit.name := names[i];
            circuit.state := 'closed';
            circuit.faults := 0;
        END IF;
        known[i] := circuit;
    END LOOP;
    SELECT array_agg(full_ns ORDER BY place) INTO buckets
    FROM unnest(keys) WITH ORDINALITY AS asked (key, place) JOIN tether.rates USING (key);

    FOR operation IN SELECT value FROM jsonb_array_elements(operations) LOOP
        IF operation ->> 0 = 'back' THEN
            FOR share IN SELECT value FROM jsonb_array_elements(operation -> 1) LOOP
                i := (share ->> 0)::integer;
                buckets[i] := buckets[i] - (share ->> 1)::bigint;
            END LOOP;
            CONTINUE;
        END IF;

        circuit := NULL;
        IF (operation ->> 1)::integer > 0 THEN
            circuit := known[(operation ->> 1)::integer];
            IF circuit.state = 'half_open' THEN
                SELECT coalesce(array_agg(id ORDER BY place), '{}'), coalesce(array_agg(lease ORDER BY place), '{}')
                INTO circuit.probes, circuit.leases
                FROM unnest(circuit.probes, circuit.leases) WITH ORDINALITY AS lent (id, lease, place)
                WHERE lease > now_ms;
            END IF;
        END IF;

        IF operation ->> 0 = 'report' THEN
            IF circuit.state = 'closed' THEN
                IF operation ->> 2 = 'failed' THEN
                    circuit.faults := circuit.faults + 1;
                    circuit.fault_ms := now_ms;
                ELSIF operation ->> 2 = 'succeeded' THEN
                    circuit.faults := 0;
                END IF;
                opens := operation ->> 2 = 'failed' AND circuit.faults >= (rules ->> 'failures')::integer;
            ELSIF circuit.state = 'half_open' THEN
                i := array_position(circuit.probes, operation ->> 3);
                CONTINUE WHEN i IS NULL;
                circuit.probes := circuit.probes[: i - 1] || circuit.probes[i + 1 :];
                circuit.leases := circuit.leases[: i - 1] || circuit.leases[i + 1 :];
                opens := operation ->> 2 = 'failed';
                IF operation ->> 2 = 'failed' THEN
                    circuit.faults := circuit.faults + 1;
                    circuit.fault_ms := now_ms;
                ELSIF operation ->> 2 = 'succeeded' THEN
                    circuit.successes := circuit.successes + 1;
                    IF circuit.successes >= (rules ->> 'successes')::integer THEN
                        circuit.state := 'closed';
                        circuit.faults := 0;
                        circuit.successes := 0;
                        circuit.since_ms := now_ms;
                        circuit.until_ms := 0;
                        circuit.probes := '{}';
                        circuit.leases := '{}';
                        changes := changes || jsonb_build_array(jsonb_build_array(circuit.name, 'closed', 0));
                    END IF;
                END IF;
            ELSE
                CONTINUE;
            END IF;
            IF opens THEN
                circuit.state := 'open';
                circuit.since_ms := now_ms;
                circuit.until_ms := now_ms + (rules ->> 'open_for_ms')::bigint;
                circuit.successes := 0;
                circuit.probes := '{}';
                circuit.leases := '{}';
                changes := changes || jsonb_build_array(jsonb_build_array(circuit.name, 'open', circuit.faults));
            END IF;
            known[(operation ->> 1)::integer] := circuit;
            CONTINUE;
        END IF;

        IF circuit.state = 'open' AND now_ms < circuit.until_ms THEN
            after_ms := circuit.until_ms - now_ms;
            answers := answers || jsonb_build_array(jsonb_build_array('circuit_open', after_ms, 0, ''));
            CONTINUE;
        END IF;
        probe := '';
        IF circuit.state = 'open' OR circuit.state = 'half_open' THEN
            IF cardinality(circuit.probes) >= (rules ->> 'probes')::integer THEN
                SELECT least(min(lease) - now_ms, (rules ->> 'ask_again_ms')::bigint) INTO after_ms
                FROM unnest(circuit.leases) AS lent (lease);
                answers := answers || jsonb_build_array(jsonb_build_array('circuit_open', after_ms, 0, ''));
                CONTINUE;
            END IF;
            probe := operation ->> 5;
        END IF;

        longest_ns := 0;
        longest := 0;
        FOR share IN SELECT value FROM jsonb_array_elements(operation -> 2) LOOP
            i := (share ->> 0)::integer;
            wait_ns := greatest(buckets[i], now_ns) + (share ->> 1)::bigint - now_ns - minute_ns;
            IF wait_ns > longest_ns THEN
                longest_ns := wait_ns;
                longest := i;
            END IF;
        END LOOP;
        after_ms := (longest_ns + 999999) / 1000000;
        IF after_ms > (operation ->> 3)::bigint THEN
            answers := answers || jsonb_build_array(jsonb_build_array('rate_limited', after_ms, longest, ''));
            CONTINUE;
        END IF;
        FOR share IN SELECT value FROM jsonb_array_elements(operation -> 2) LOOP
            i := (share ->> 0)::integer;
            buckets[i] := greatest(buckets[i], now_ns) + (share ->> 1)::bigint;
        END LOOP;
        IF longest_ns > 0 THEN
            answers := answers || jsonb_build_array(jsonb_build_array('later', after_ms, longest, ''));
            CONTINUE;
        END IF;
        answers := answers || jsonb_build_array(jsonb_build_array('now', 0, 0, probe));
        IF probe <> '' THEN
            IF circuit.state = 'open' THEN
                circuit.state := 'half_open';
                circuit.since_ms := now_ms;
                circuit.successes := 0;
                changes := changes || jsonb_build_array(
                    jsonb_build_array(circuit.name, 'half_open', circuit.faults)
                );
            END IF;
            circuit.probes := circuit.probes || probe;
            circuit.leases := circuit.leases || now_ms + (operation ->> 4)::bigint;
            known[(operation ->> 1)::integer] := circuit;
        END IF;
    END LOOP;

    UPDATE tether.circuits SET state = done.state, faults = done.faults, since_ms = done.since_ms,
        until_ms = done.until_ms, successes = done.successes, probes = done.probes, leases = done.leases,
        fault_ms = done.fault_ms, asked_ms = now_ms
    FROM unnest(known) AS done WHERE circuits.name = done.name AND done.name = ANY (changing) AND (
        circuits.asked_ms < now_ms - 1800000
        OR (circuits.state, circuits.faults, circuits.successes, circuits.probes, circuits.since_ms, circuits.fault_ms)
        IS DISTINCT FROM (done.state, done.faults, done.successes, done.probes, done.since_ms, done.fault_ms)
    );
    UPDATE tether.rates SET full_ns = done.full_ns FROM unnest(keys, buckets) AS done (key, full_ns)
    WHERE rates.key = done.key AND rates.full_ns <> done.full_ns;
    -- Where no limit is half used up, nobody waits for the disk. A server that is stopped and started again loses none
    -- of it; one that is killed, what was taken in its last half second, and no more once one is half used up: that
    -- commit brings all before it to the disk.
    IF cardinality(changing) = 0 AND NOT EXISTS (
        SELECT FROM unnest(buckets) AS bucket (ns) WHERE ns > now_ns + minute_ns / 2
    ) THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    answers := jsonb_build_object('answers', answers, 'changes', changes);
    UPDATE tether.askers SET batch = number, answer = answers, heard_ms = now_ms WHERE worker = asker;
    RETURN answers;
END $$
"""


def upgrade() -> None:
    """Make the tables and the function."""
    for statement in (_CIRCUITS, _RATES, _ASKERS, _ADMISSIONS):
        op.execute(statement)
