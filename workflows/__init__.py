"""Orchestration: the workflows that carry a run from start to result."""
