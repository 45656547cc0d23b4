"""tether:setup: what a run is pinned to."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tether.agent import Agent
from tether.budget.config import Budgets
from tether.budget.override import NOBODY, OverrideTerms
from tether.budget.scope import scopes_of
from tether.errors import ErrorKind, RunError
from tether.manifest import Manifest
from tether.model_records import ModelFailure
from tether.policy.pinned import PinnedPolicy
from tether.ports import RunRef, TranscriptLost, Transcripts
from tether.prompts import prompt_bytes
from tether.provider import Prices
from tether.records import SETUP, RunSettings, SetupInput, SetupResult


class SetupActivities:
    """Resolves agents to manifests.

    Args:
        agents: By name.
        policy: The App's.
        prices: What models cost that state no price; read once.
        settings: Recorded in every run.
        transcripts: Where the manifest of a run that continues is read.
        budgets: Who may spend how much; None where no budgets are configured.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        policy: PinnedPolicy,
        prices: Prices,
        settings: RunSettings,
        transcripts: Transcripts,
        budgets: Budgets | None = None,
    ) -> None:
        self._manifests = {name: Manifest.of(agent, policy, prices) for name, agent in agents.items()}
        self._settings = settings
        self._transcripts = transcripts
        self._budgets = budgets

    @activity.defn(name=SETUP)
    async def setup(self, given: SetupInput) -> SetupResult:
        """Resolve an agent, or hand on the manifest that the run is pinned to already."""
        manifest = await self._pinned(given) if given.pinned_in else self._declared(given.agent)
        return SetupResult(
            manifest=manifest,
            digest=manifest.digest,
            settings=self._settings,
            prompt_bytes=prompt_bytes(manifest),
            scopes=self._scopes(given),
            overrides=self._terms(given.tenant),
        )

    def _scopes(self, given: SetupInput) -> tuple[str, ...]:
        if self._budgets is None:
            return ()
        team = self._budgets.team_of(given.user, given.tenant)
        return tuple(map(str, scopes_of(given.user, given.tenant, given.agent, team or "")))

    def _terms(self, tenant: str) -> OverrideTerms:
        """Anybody who says who they are, where no budgets say who may raise a run's own cap."""
        if self._budgets is None:
            return OverrideTerms()
        return self._budgets.override_terms(tenant) or OverrideTerms(roles=(NOBODY,))

    def _declared(self, agent: str) -> Manifest:
        manifest = self._manifests.get(agent)
        if manifest is None:
            known = ", ".join(sorted(self._manifests))
            raise _final(ErrorKind.UNKNOWN_AGENT, f"this worker's app has no agent {agent!r}; it has: {known}")
        if manifest.unpriced:
            raise _final(ErrorKind.UNPRICED, manifest.unpriced)
        return manifest

    async def _pinned(self, given: SetupInput) -> Manifest:
        info = activity.info()
        assert info.workflow_id  # noqa: S101  only workflows schedule this
        try:
            return await self._transcripts.manifest(RunRef(given.pinned_at or info.workflow_id, given.pinned_in))
        except TranscriptLost as error:
            raise _final(ErrorKind.TRANSCRIPT_LOST, str(error)) from error


def _final(kind: ErrorKind, message: str) -> ApplicationError:
    error = RunError(kind=kind, message=message)
    return ApplicationError(message, ModelFailure(error=error), type=kind.value, non_retryable=True)
