"""How people and programs reach a run: the Python client, the command line, the HTTP service."""
