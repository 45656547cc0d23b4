"""The tools that a policy is checked against: those of the app's agents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tether.agent import Agent
from tether.contract import ToolContract
from tether.policy.match import ANYTHING, any_matches
from tether.policy.pinned import PinnedRule


@dataclass(frozen=True)
class ServedTool:
    """One tool of one agent."""

    agent: str
    contract: ToolContract


@dataclass(frozen=True)
class Served:
    """All tools of an app.

    Attributes:
        agents: The agents' names.
        tools: Each with its agent; a tool of two agents stands twice.
    """

    agents: tuple[str, ...]
    tools: tuple[ServedTool, ...]

    @classmethod
    def of(cls, agents: Iterable[Agent]) -> Served:
        """What agents serve."""
        agents = tuple(agents)
        tools = tuple(ServedTool(agent.name, tool.contract) for agent in agents for tool in agent.tools)
        return cls(tuple(agent.name for agent in agents), tools)

    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(dict.fromkeys(tool.contract.name for tool in self.tools))

    def of_agents(self, patterns: tuple[str, ...]) -> Served:
        """The part of the agents that the patterns match; no patterns match all."""
        return Served(
            tuple(agent for agent in self.agents if _fits(patterns, agent)),
            tuple(tool for tool in self.tools if _fits(patterns, tool.agent)),
        )

    def under(self, rule: PinnedRule) -> tuple[ServedTool, ...]:
        """The tools that a rule is about, whoever calls them."""
        return tuple(
            tool
            for tool in self.of_agents(rule.agents).tools
            if _fits(rule.tools, tool.contract.name) and (not rule.effects or tool.contract.effect in rule.effects)
        )


def _fits(patterns: tuple[str, ...], name: str) -> bool:
    return not patterns or ANYTHING in patterns or any_matches(patterns, name)
