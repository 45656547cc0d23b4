"""tether:reconcile: what became of a call whose outcome is unknown, as far as its tool can find out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from temporalio import activity
from temporalio.client import Client

from tether.activities.attempts import Attempt
from tether.activities.beats import Interrupted
from tether.activities.handled import PROGRAMMING_ERRORS, Handled, written
from tether.activities.keeping import CUTTING, Keeping
from tether.activities.served import NotServed, ServedTools
from tether.agent import Agent
from tether.changes import note_of
from tether.errors import ErrorKind, RunError
from tether.manifest import Manifest
from tether.policy.permit import terms
from tether.ports import HandlerRunner, Resources, RunRef, Transcripts
from tether.reconciled import DidNotHappen, Happened, StillUnknown
from tether.records import RECONCILE
from tether.text import one_line, valid_unicode
from tether.tool_costs import once_of
from tether.tool_records import ReconcileInput, ReconcileResult
from tether.tools import Tool

MAX_ATTEMPTS = 3
MAX_WORDS_BYTES = 1_000
"""Of what a `reconcile` function says for people."""


class ReconcileActivities:
    """Asks tools what became of calls, and says on which terms a person is asked where they can't tell.

    Args:
        client: The worker's own client, for heartbeats.
        agents: By name; their tools' functions are what is asked.
        handlers: Where those run.
        resources: What they get as `context.deps`.
        transcripts: Where the manifest is read.
        keeping: How much of a result the model is told.
    """

    def __init__(
        self,
        client: Client,
        agents: Mapping[str, Agent],
        handlers: HandlerRunner,
        resources: Resources,
        transcripts: Transcripts,
        keeping: Keeping = CUTTING,
    ) -> None:
        self._client = client
        self._served = ServedTools(agents, handlers, resources)
        self._transcripts = transcripts
        self._keeping = keeping

    @activity.defn(name=RECONCILE)
    async def reconcile(self, given: ReconcileInput) -> ReconcileResult:
        """Find out what became of a call; it never fails for good, for then a person is asked."""
        search = _Search(given, Attempt(self._client))
        try:
            manifest = await self._manifest(search)
        except Interrupted:
            return ReconcileResult(verdict="unknown", why=given.why, spent=search.attempt.spent)
        contract = next((known for known in manifest.tools if known.digest == given.call.contract), None)
        if contract is None or not contract.reconciles:
            return search.unknown(manifest)
        try:
            tool = self._served.find(contract.name, given.call)
        except NotServed as error:
            await search.later(str(error))
        assert tool.reconcile  # noqa: S101  its contract says that there is one
        function = self._served.handled(tool.reconcile, given.call, search.attempt)
        try:
            said = await search.asked(tool, function)
        finally:
            function.leave()
        match said:
            case Happened():
                return await search.happened(tool, said, self._keeping)
            case DidNotHappen() if given.still_runs:
                why = f"{tool.name}'s reconcile found nothing, but what still runs may yet do it"
                return search.unknown(manifest, why)
            case DidNotHappen():
                return ReconcileResult(verdict="did_not", spent=search.attempt.spent)
            case _:
                return search.unknown(manifest, said.why)

    async def _manifest(self, search: _Search) -> Manifest:
        info = activity.info()
        assert info.workflow_id and info.workflow_run_id  # noqa: PT018, S101  only workflows schedule this
        run = RunRef(info.workflow_id, info.workflow_run_id)
        try:
            return await search.attempt.before_fence(self._transcripts.manifest(run))
        except Interrupted as interruption:
            if interruption.why in {"cancelled", "superseded"}:
                raise
            await search.later(f"reading the run's own history was interrupted ({interruption.why})", after=0.1)
        except Exception as error:  # noqa: BLE001  whatever it is: without it nobody can be asked, so it comes back
            activity.logger.warning("the manifest of %s can't be read", run.workflow_id, exc_info=True)
            await search.later(f"the run's own history can't be read now ({type(error).__name__})")


class _Search:
    """One attempt to find out what became of one call."""

    def __init__(self, given: ReconcileInput, attempt: Attempt) -> None:
        self.given = given
        self.attempt = attempt

    async def asked(self, tool: Tool, function: Handled) -> Happened | DidNotHappen | StillUnknown:
        """What the tool's function says; failures are repeated, and in the end say that it is unknown."""
        if self.attempt.number > MAX_ATTEMPTS:
            return StillUnknown(f"{tool.name}'s reconcile failed: {self.attempt.failed[-1].error.message}")
        try:
            await self.attempt.before_fence(function.ready())
        except Interrupted as interruption:
            if interruption.why == "deadline":
                await self.later(f"no thread is free for {tool.name}'s reconcile; it comes back for one", after=0.1)
            return await self._interrupted(tool, interruption)
        self.attempt.start_clock()
        try:
            said = await self.attempt.run(function(self.given.call.arguments), tool.contract.timeout_ms)
        except Interrupted as interruption:
            return await self._interrupted(tool, interruption)
        except Exception as error:  # noqa: BLE001  the user's own code; a person is asked instead
            activity.logger.warning("reconcile of tool %s raised", tool.name, exc_info=True)
            message = f"{type(error).__name__}: {one_line(valid_unicode(str(error)), MAX_WORDS_BYTES)}"
            return await self._failed(tool, message, repeat=not isinstance(error, PROGRAMMING_ERRORS))
        return _read(tool, said)

    async def later(self, message: str, after: float = 5.0) -> NoReturn:
        """Come back, uncounted."""
        await self.attempt.later(RunError(kind=ErrorKind.NOT_HERE, message=message), after)

    async def happened(self, tool: Tool, said: Happened, keeping: Keeping) -> ReconcileResult:
        """The call took effect, with its result as the handler's own would be written."""
        note = note_of(self.given.call.approval, tool.contract.sensitive)
        whole = written(tool, said.result)
        told = await keeping.told(tool.contract, self.given.call, self.attempt, note, whole)
        # Where nothing is kept for it, the run that this one resumes has paid for it.
        cost = once_of(tool.contract, self.given.call.reserved) if self.given.call.reservation else 0
        return ReconcileResult(verdict="happened", **told, spent=self.attempt.spent, cost=cost)

    def unknown(self, manifest: Manifest, why: str = "") -> ReconcileResult:
        """A person has to say."""
        policy = manifest.policy
        return ReconcileResult(
            verdict="unknown",
            why=f"{self.given.why}; {why}" if why else self.given.why,
            terms=terms(policy, policy.ask, self.given.call.context.tenant),
            spent=self.attempt.spent,
        )

    async def _interrupted(self, tool: Tool, interruption: Interrupted) -> StillUnknown:
        if interruption.why == "deadline":
            seconds = tool.contract.timeout_ms / 1000
            return await self._failed(tool, f"it did not answer within {seconds:g} s", repeat=True)
        if interruption.why in {"paused", "shutdown"}:
            await self.later(f"{tool.name}'s reconcile was interrupted ({interruption.why})", after=0.1)
        return StillUnknown(f"{tool.name}'s reconcile was cancelled")

    async def _failed(self, tool: Tool, message: str, *, repeat: bool) -> StillUnknown:
        if repeat and self.attempt.number < MAX_ATTEMPTS:
            await self.attempt.again(RunError(kind=ErrorKind.TOOL_FAILED, message=message))
        return StillUnknown(f"{tool.name}'s reconcile failed: {message}")


def _read(tool: Tool, said: Any) -> Happened | DidNotHappen | StillUnknown:
    match said:
        case Happened() | DidNotHappen():
            return said
        case StillUnknown(why) if why:
            told = one_line(valid_unicode(str(why)), MAX_WORDS_BYTES)
            return StillUnknown(f"{tool.name}'s reconcile says: {told}")
        case None | StillUnknown():
            return StillUnknown(f"{tool.name}'s reconcile can't tell")
        case _:
            return StillUnknown(
                f"{tool.name}'s reconcile returned {type(said).__name__}; it should return Happened(result), "
                "DidNotHappen() or StillUnknown(why)"
            )
