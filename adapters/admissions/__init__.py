"""Implementations of `Admissions` that need no store, and the one that does without it for a while."""
