"""tether:setup: what a run is pinned to."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tether.agent import Agent
from tether.errors import ErrorKind, RunError
from tether.manifest import Manifest
from tether.model_records import ModelFailure
from tether.policy.pinned import PinnedPolicy
from tether.ports import RunRef, TranscriptLost, Transcripts
from tether.records import SETUP, RunSettings, SetupInput, SetupResult


class SetupActivities:
    """Resolves agents to manifests.

    Args:
        agents: By name.
        policy: The App's.
        settings: Recorded in every run.
        transcripts: Where the manifest of a run that continues is read.
    """

    def __init__(
        self, agents: Mapping[str, Agent], policy: PinnedPolicy, settings: RunSettings, transcripts: Transcripts
    ) -> None:
        self._manifests = {name: Manifest.of(agent, policy) for name, agent in agents.items()}
        self._settings = settings
        self._transcripts = transcripts

    @activity.defn(name=SETUP)
    async def setup(self, given: SetupInput) -> SetupResult:
        """Resolve an agent, or hand on the manifest that the run is pinned to already."""
        manifest = await self._pinned(given) if given.pinned_in else self._declared(given.agent)
        return SetupResult(manifest=manifest, digest=manifest.digest, settings=self._settings)

    def _declared(self, agent: str) -> Manifest:
        manifest = self._manifests.get(agent)
        if manifest is None:
            known = ", ".join(sorted(self._manifests))
            raise _final(ErrorKind.UNKNOWN_AGENT, f"this worker's app has no agent {agent!r}; it has: {known}")
        return manifest

    async def _pinned(self, given: SetupInput) -> Manifest:
        info = activity.info()
        assert info.workflow_id  # noqa: S101  only workflows schedule this
        try:
            return await self._transcripts.manifest(RunRef(info.workflow_id, given.pinned_in))
        except TranscriptLost as error:
            raise _final(ErrorKind.TRANSCRIPT_LOST, str(error)) from error


def _final(kind: ErrorKind, message: str) -> ApplicationError:
    error = RunError(kind=kind, message=message)
    return ApplicationError(message, ModelFailure(error=error), type=kind.value, non_retryable=True)
