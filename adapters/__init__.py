"""Implementations of the ports: providers, connection, settings, store, notifiers, telemetry."""
