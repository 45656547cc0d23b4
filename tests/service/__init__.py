"""Clients and the command line, against a real server and worker."""
