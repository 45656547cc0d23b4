"""Notifiers behind the port of `tether.ports`: the log, a webhook, and several as one."""
