"""Upgrades of the store's schema: alembic runs `env.py` for each."""
