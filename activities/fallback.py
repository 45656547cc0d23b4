"""tether:fallback: an agent's own function is asked for the reply of a run without an answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from tether.activities.declared import PATIENCE_SECONDS, Declared, Said
from tether.agent import Agent
from tether.errors import ErrorKind
from tether.fallback_texts import FallbackInput, FallbackSaid
from tether.fallbacks import NoReply, ReplyFunction, reply_of
from tether.ports import HandlerRunner, Resources
from tether.records import FALLBACK
from tether.tool_functions import is_async


@dataclass(frozen=True)
class _Asked:
    """An agent's function with what it is asked about."""

    function: ReplyFunction
    given: FallbackInput

    @property
    def is_async(self) -> bool:
        return is_async(self.function)

    def bound(self, context: Any, arguments: dict[str, JsonValue]) -> Callable[[], Any]:  # noqa: ARG002  it takes neither
        return functools.partial(self.function, self.given.error, self.given.result)


class FallbackActivities:
    """Asks agents' functions for replies.

    Args:
        agents: By name.
        handlers: Where the functions run.
        resources: Not used by them; those of the worker.
        patience: Seconds after which a function is not waited for any longer.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        handlers: HandlerRunner,
        resources: Resources,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._agents = agents
        self._declared = Declared(handlers, resources, patience)

    @activity.defn(name=FALLBACK)
    async def fallback(self, given: FallbackInput) -> FallbackSaid:
        """What the agent's function says of an ending, or why that can't be used."""
        agent = self._agents.get(given.agent)
        words = agent.fallbacks.words(given.reason, given.error.kind) if agent else None
        if words is None or isinstance(words, str):
            message = f"this worker has no fallback function of agent {given.agent!r} for it; one that has it is needed"
            raise ApplicationError(message, type=ErrorKind.NOT_HERE.value)
        name = f"fallback function of agent {given.agent} ({given.reason})"
        said = await self._declared.asked(name, _Asked(words, given), reply_of, NoReply)
        if isinstance(said, Said):
            return FallbackSaid(text=said.value)
        activity.logger.warning("the %s %s; the shipped text is used", name, said)
        return FallbackSaid(problem=f"the agent's fallback function {said}")
