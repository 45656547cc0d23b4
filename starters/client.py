"""AgentClient: start runs, wait for them, find them."""

from __future__ import annotations

import asyncio
import atexit
import functools
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self

from temporalio.client import Client

from tether.actors import Actor
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.agent import Agent
from tether.approvals import Answered, OutcomeVerdict
from tether.budget.override import Overridden
from tether.context import ANONYMOUS, DEFAULT_ROLE, DEFAULT_TENANT
from tether.errors import TetherError
from tether.ids import full_run_id
from tether.limits import LimitOverrides
from tether.messages import Message
from tether.money import Dollars
from tether.result import RunResult
from tether.starters.failures import explained
from tether.starters.handle import RunHandle
from tether.starters.inbox import WaitingRequest, waiting_requests
from tether.starters.listing import ListedState, RunListing, listing_of, query_for
from tether.starters.request import request
from tether.starters.resuming import begun, resumption
from tether.starters.starting import started

__all__ = ["AgentClient", "RunHandle", "RunListing"]

EXIT_SECONDS = 0.05


class AgentClient:
    """Starts runs of agents, and finds them again.

    `await AgentClient.connect()` connects at once. A script that knows nothing of async writes
    `AgentClient().run_sync(...)`; made this way, a client connects when it is first used.

    Args:
        client: A client of Temporal's, made by `tether.adapters.connection.connect`; None to connect by the rest.
        profile: Name of a Temporal environment profile.
        address: Instead of the profile's.
        namespace: Instead of the profile's.
        settings: Of the deployment; None to read them from the environment.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        profile: str | None = None,
        address: str | None = None,
        namespace: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._client = client
        self._profile = profile
        self._address = address
        self._namespace = namespace
        self._settings = settings or Settings.load()

    @classmethod
    async def connect(
        cls,
        profile: str | None = None,
        *,
        address: str | None = None,
        namespace: str | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """Connect, by Temporal's own environment profiles where no address is given.

        Raises:
            ConnectionFailed: No server there, wrong namespace, no or bad key; says which and what to do.
            SettingsError: A setting can't be used.
        """
        made = cls(profile=profile, address=address, namespace=namespace, settings=settings)
        await made.temporal()
        return made

    async def temporal(self) -> Client:
        """The client of Temporal's that this one uses."""
        if self._client is None:
            _let_threads_finish_at_exit()
            self._client = await connect(self._profile, address=self._address, namespace=self._namespace)
        return self._client

    async def start(  # noqa: PLR0913  a run has the properties that it has
        self,
        agent: Agent | str,
        task: str,
        *,
        user: str = ANONYMOUS,
        key: str | None = None,
        role: str = DEFAULT_ROLE,
        tenant: str = DEFAULT_TENANT,
        session: str = "",
        request_id: str = "",
        task_type: str = "",
        metadata: Mapping[str, Any] | None = None,
        earlier: Sequence[Message] = (),
        limits: LimitOverrides | Mapping[str, Any] | None = None,
        plan: bool | None = None,
        batch: bool = False,
        by: Actor | None = None,
    ) -> RunHandle[Any]:
        """Start a run; with a key that is taken by the same request, find the run that it started.

        Args:
            agent: The agent, or its name.
            task: What is asked; at most 256 KiB.
            user: Who asks.
            key: By which the run is found again, and started only once: a ticket's number, say; None for a new one.
            role: The user's role, as the caller claims it.
            tenant: To whom the user belongs.
            session: The session that the run belongs to.
            request_id: The caller's id of the request.
            task_type: What kind of task it is, for search and rules.
            metadata: JSON that comes back in the result.
            earlier: Conversation that precedes the task, made by `tether.user` and `tether.assistant`.
            limits: This run's own, as `LimitOverrides` or a mapping of its fields; the agent's hold for the rest.
            plan: Whether it begins with a plan; None as the agent says.
            batch: Whether interactive runs come first.
            by: Who starts it, where that isn't the user: neither may allow its calls.

        Raises:
            InvalidRun: Something can't be used; nothing was sent.
            TooLarge: The task, or all together, is more than a run may carry (512 KiB); nothing was sent.
            KeyConflict: The key is taken by a request of another user or with another agent, task, earlier
                conversation or limits.
            AttributesMissing: The namespace isn't set up: run `tether setup`.
            ConnectionFailed: The server doesn't answer.
        """
        asked = request(
            agent.name if isinstance(agent, Agent) else agent,
            task,
            key=str(uuid.uuid4()) if key is None else key,
            user=user,
            role=role,
            tenant=tenant,
            session=session,
            request_id=request_id,
            task_type=task_type,
            metadata=metadata,
            earlier=earlier,
            limits=limits,
            plan=plan,
            batch=batch,
            starter=by.id if by else "",
        )
        client = await self.temporal()
        handle: RunHandle[Any] = RunHandle(client, asked.id, agent.output if isinstance(agent, Agent) else None)
        return await started(client, asked, self._settings.task_queue, handle)

    async def run(self, agent: Agent | str, task: str, **options: Any) -> RunResult:
        """Start a run and wait for its end; options and errors are those of `start` and `RunHandle.result`."""
        handle = await self.start(agent, task, **options)
        return await handle.result()

    def run_sync(self, agent: Agent | str, task: str, **options: Any) -> RunResult:
        """`run`, for a script that knows nothing of async.

        Raises:
            TetherError: It is called where an event loop runs: await `run` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.run(agent, task, **options))
        raise TetherError("run_sync was called inside a running event loop; write `await client.run(...)` there")

    async def resume(
        self,
        run: str,
        *,
        tenant: str = DEFAULT_TENANT,
        limits: LimitOverrides | Mapping[str, Any] | None = None,
        by: Actor | None = None,
        output: Agent | None = None,
    ) -> RunHandle[Any]:
        """Go on where a run has ended, in a new run of the same version; nothing that was done is done again.

        Its time, turns and money are its own. A run that was resumed already is not resumed twice: the run that goes
        on from it is found. That is `run/{tenant}/{key}.r1`, the next one `.r2`, and so on.

        Args:
            run: Its id or key.
            tenant: Of a key.
            limits: In place of those that it had, as for `start`; those that aren't given hold again.
            by: Who resumes it, and counts as who started the new run; None for who started the old one.
            output: The agent whose output model the answer is parsed into.

        Raises:
            RunNotFound: There is no such run, or its history has expired, or that of a run before it.
            NotResumable: It goes on, it completed, or resuming it would lead to the same end.
            NotAnswered: No worker says in time where it stood.
            KeyConflict: It was resumed already with other limits, or the new run's id is another run's.
            InvalidRun: The limits can't be used.
        """
        handle = await self.get(run, tenant=tenant)
        following = await resumption(await self.temporal(), handle, limits=limits, starter=by.id if by else "")
        return await begun(await self.temporal(), following, output.output if output else None)

    async def get(self, run: str, *, tenant: str = DEFAULT_TENANT, output: Agent | None = None) -> RunHandle[Any]:
        """A run by its id or its key.

        Args:
            run: `run/{tenant}/{key}`, or the key alone.
            tenant: Of a key.
            output: The agent whose output model the answer is parsed into.

        Raises:
            RunNotFound: There is no such run.
        """
        model = output.output if output else None
        handle: RunHandle[Any] = RunHandle(await self.temporal(), full_run_id(run, tenant), model)
        await handle.describe()
        return handle

    async def list(
        self,
        *,
        agent: str = "",
        user: str = "",
        tenant: str = DEFAULT_TENANT,
        state: ListedState | str = "",
        limit: int | None = None,
    ) -> AsyncIterator[RunListing]:
        """The runs, newest first; a run that was started just now may take a second to be listed.

        Args:
            agent: Only of this agent.
            user: Only of this user of `tenant`.
            tenant: To whom `user` belongs.
            state: Only in this state: running, what it waits for, or how it ended.
            limit: At most so many.

        Raises:
            InvalidRun: There is no such state.
            AttributesMissing: The namespace isn't set up: run `tether setup`.
        """
        query = query_for(agent=agent, user=user, tenant=tenant, state=state)
        client = await self.temporal()
        async with explained():
            async for found in client.list_workflows(query, limit=limit):
                yield listing_of(found)

    async def cancel(self, run: str, *, tenant: str = DEFAULT_TENANT) -> bool:
        """Ask a run to stop, by its id or key.

        Returns:
            Whether it was asked; False where it had ended already.

        Raises:
            RunNotFound: There is no such run.
        """
        handle: RunHandle[Any] = RunHandle(await self.temporal(), full_run_id(run, tenant))
        return await handle.cancel()

    async def approve(self, run: str, *, call: str, by: Actor, tenant: str = DEFAULT_TENANT, **answer: Any) -> Answered:
        """Allow a call that waits; arguments and errors are those of `RunHandle.approve`."""
        return await (await self._found(run, tenant)).approve(call, by=by, **answer)

    async def deny(self, run: str, *, call: str, by: Actor, tenant: str = DEFAULT_TENANT, **answer: Any) -> Answered:
        """Deny a call that waits; arguments and errors are those of `RunHandle.deny`."""
        return await (await self._found(run, tenant)).deny(call, by=by, **answer)

    async def override(
        self, run: str, amount_usd: Dollars, *, by: Actor, tenant: str = DEFAULT_TENANT, **override: Any
    ) -> Overridden:
        """Raise what a run itself may spend; arguments and errors are those of `RunHandle.override`."""
        return await (await self._found(run, tenant)).override(amount_usd, by=by, **override)

    async def outcome(
        self,
        run: str,
        *,
        call: str,
        verdict: OutcomeVerdict,
        by: Actor,
        tenant: str = DEFAULT_TENANT,
        **answer: Any,
    ) -> Answered:
        """Say what became of a call; arguments and errors are those of `RunHandle.outcome`."""
        return await (await self._found(run, tenant)).outcome(call, verdict, by=by, **answer)

    async def waiting(self, *, role: str = "", tenant: str = "") -> AsyncIterator[WaitingRequest]:
        """What waits for people in all runs, the oldest request first; it takes a second to be listed.

        Args:
            role: Only what this role may answer.
            tenant: Only runs of this tenant.

        Raises:
            AttributesMissing: The namespace isn't set up: run `tether setup`.
        """
        async with explained():
            for found in await waiting_requests(await self.temporal(), role=role, tenant=tenant):
                yield found

    async def _found(self, run: str, tenant: str) -> RunHandle[Any]:
        return RunHandle(await self.temporal(), full_run_id(run, tenant))


@functools.cache
def _let_threads_finish_at_exit() -> None:
    """Wait a moment at exit: a thread of Temporal's client that still returns a reply would abort the interpreter."""
    atexit.register(time.sleep, EXIT_SECONDS)
