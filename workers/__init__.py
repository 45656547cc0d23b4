"""The composition root: settings to adapters to activities to a running Worker."""
