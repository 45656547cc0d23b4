"""The store: Postgres, in which budgets and what was spent are kept."""
