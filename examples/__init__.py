"""Agents that run for real."""
