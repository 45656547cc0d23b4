"""Budgets: what a run may spend, on whose account, and how that is kept."""
