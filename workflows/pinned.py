"""What a run is pinned to, once it is set up."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tether.limits import RunLimits
    from tether.manifest import Manifest
    from tether.records import RunSettings, SetupResult


@dataclass(frozen=True)
class Pinned:
    """What a run is pinned to.

    Attributes:
        manifest: The agent's whole content.
        version: Its digest.
        policy: Digest of its policy: working it out takes longer than all the rest.
        settings: Of the deployment.
        limits: What the run may do.
    """

    manifest: Manifest
    version: str
    policy: str
    settings: RunSettings
    limits: RunLimits

    @classmethod
    def by(cls, found: SetupResult, limits: RunLimits) -> Pinned:
        """What setup found, with the limits of the run."""
        return cls(
            manifest=found.manifest,
            version=found.digest,
            policy=found.manifest.policy.digest,
            settings=found.settings,
            limits=limits,
        )
