#!/bin/sh
# Creates the namespace unless it is there. 30 days: a closed run can be read, and resumed, that long.
set -eu

until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" \
  || temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
