#!/bin/sh
# Creates the two databases of the Temporal server, or brings them to the server's version. Safe to run again.
set -eu

for database in temporal:temporal temporal_visibility:visibility; do
  name=${database%%:*}
  tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" --port 5432 --user "$POSTGRES_USER" --db "$name" "$@"; }
  tool create
  # Starting a schema that is there already fails, and is as good; what is really wrong, update-schema says.
  tool setup-schema --version 0.0 || true
  tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/${database##*:}/versioned"
done
