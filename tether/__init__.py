"""Tether runs AI agents as Temporal workflows.

The names below are what a user needs. Each is resolved when it is first used: a command that only shows its help
doesn't wait for schemas and Temporal's client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tether.actors import Actor
    from tether.agent import Agent, App
    from tether.budget.config import Budgets
    from tether.context import RunContext
    from tether.contract import Retries
    from tether.errors import TetherError, ToolError
    from tether.fallbacks import Fallbacks
    from tether.limits import LimitOverrides, Limits
    from tether.messages import assistant, user
    from tether.models import Model
    from tether.policy.rules import Ask, Policy, Rule
    from tether.prices import ModelPrice
    from tether.protection import Bulkheads, Circuits, ProviderRates, Rates
    from tether.reconciled import DidNotHappen, Happened, StillUnknown
    from tether.result import RunResult
    from tether.starters.client import AgentClient, RunHandle
    from tether.step import AgentStep
    from tether.tools import Tool, ToolContext, tool, tool_from_schema
    from tether.window_policy import Context

_HOMES = {
    "Actor": "tether.actors",
    "Agent": "tether.agent",
    "AgentClient": "tether.starters.client",
    "AgentStep": "tether.step",
    "App": "tether.agent",
    "Ask": "tether.policy.rules",
    "Budgets": "tether.budget.config",
    "Bulkheads": "tether.protection",
    "Circuits": "tether.protection",
    "Context": "tether.window_policy",
    "DidNotHappen": "tether.reconciled",
    "Fallbacks": "tether.fallbacks",
    "Happened": "tether.reconciled",
    "LimitOverrides": "tether.limits",
    "Limits": "tether.limits",
    "Model": "tether.models",
    "ModelPrice": "tether.prices",
    "Policy": "tether.policy.rules",
    "ProviderRates": "tether.protection",
    "Rates": "tether.protection",
    "Retries": "tether.contract",
    "Rule": "tether.policy.rules",
    "RunContext": "tether.context",
    "RunHandle": "tether.starters.client",
    "RunResult": "tether.result",
    "StillUnknown": "tether.reconciled",
    "TetherError": "tether.errors",
    "Tool": "tether.tools",
    "ToolContext": "tether.tools",
    "ToolError": "tether.errors",
    "assistant": "tether.messages",
    "tool": "tether.tools",
    "tool_from_schema": "tether.tools",
    "user": "tether.messages",
}

__all__ = [
    "Actor",
    "Agent",
    "AgentClient",
    "AgentStep",
    "App",
    "Ask",
    "Budgets",
    "Bulkheads",
    "Circuits",
    "Context",
    "DidNotHappen",
    "Fallbacks",
    "Happened",
    "LimitOverrides",
    "Limits",
    "Model",
    "ModelPrice",
    "Policy",
    "ProviderRates",
    "Rates",
    "Retries",
    "Rule",
    "RunContext",
    "RunHandle",
    "RunResult",
    "StillUnknown",
    "TetherError",
    "Tool",
    "ToolContext",
    "ToolError",
    "assistant",
    "tool",
    "tool_from_schema",
    "user",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tether' has no attribute {name!r}")
