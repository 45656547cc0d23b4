"""The tools that a worker serves, and their functions with what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio import activity

from tether.activities.attempts import Attempt
from tether.activities.handled import Handled
from tether.agent import Agent
from tether.ids import idempotency_key
from tether.ports import HandlerRunner, Resources
from tether.tool_functions import ToolFunction
from tether.tool_records import ToolInput
from tether.tools import Tool, ToolContext


class NotServed(Exception):
    """Another worker has to take a call; the message says what is missing here."""


class ServedTools:
    """The tools of all agents.

    Args:
        agents: By name.
        handlers: Where the tools' functions run.
        resources: What they get as `context.deps`.
    """

    def __init__(self, agents: Mapping[str, Agent], handlers: HandlerRunner, resources: Resources) -> None:
        self._agents = agents
        self._registries = {name: agent.registry for name, agent in agents.items()}
        self._handlers = handlers
        self._resources = resources

    def find(self, name: str, given: ToolInput) -> Tool:
        """The tool that a call was decided about.

        Raises:
            NotServed: This worker doesn't have it, or has it with another contract.
        """
        registry = self._registries.get(given.agent)
        tool = registry.find(name) if registry else None
        if tool is None or tool.contract.digest != given.contract:
            have = "another contract of" if tool else "no"
            raise NotServed(
                f"this worker has {have} tool {name!r} of agent {given.agent!r}; waiting for one that has it"
            )
        return tool

    def handled(self, function: Tool | ToolFunction, given: ToolInput, attempt: Attempt) -> Handled:
        """A function of a tool with its context for a call: the handler, or one that stands beside it."""
        wants_context = function.context_parameter is not None
        context = ToolContext[Any](
            deps=self._resources.of(self._agents[given.agent].deps) if wants_context else None,
            run=given.context.model_copy(update={"run": activity.info().workflow_id}),
            call=given.call,
            idempotency_key=idempotency_key(given.first_run, given.turn, given.index, given.digest),
            attempt=attempt.number,
            _beat=attempt.tell,
        )
        return Handled(self._handlers, function, context)
