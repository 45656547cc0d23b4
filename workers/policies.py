"""The policy of an App: read from its file, and checked against the App's agents."""

from __future__ import annotations

import logging
from pathlib import Path

from tether.agent import App
from tether.policy.check import refuse_errors
from tether.policy.load import parse_policy
from tether.policy.permit import BUILT_IN
from tether.policy.pinned import PinnedPolicy
from tether.policy.rules import Policy
from tether.policy.source import PolicyError
from tether.workers.declared import beside, read_declared

log = logging.getLogger("tether.worker")


def policy_of(app: App) -> PinnedPolicy:
    """The policy that an App's runs are pinned to; the built-in one where the App has none.

    Warnings go to the worker's log.

    Raises:
        PolicyError: It is written wrongly, or names what the App hasn't; says all that is wrong, with the lines.
        DeclarationError: Its file can't be read.
    """
    policy = read_policy(app)
    if policy is None:
        return BUILT_IN
    for problem in refuse_errors(policy, app.agents.values()):
        log.warning("%s", problem.text(policy.source.name))
    return policy.pinned()


def read_policy(app: App) -> Policy | None:
    """The policy as it is written, not checked against the App; None where the App has none.

    Raises:
        PolicyError: It can't be parsed.
        DeclarationError: Its file can't be read.
    """
    if app.policy is None or isinstance(app.policy, Policy):
        return app.policy
    return read_policy_file(beside(app, app.policy))


def read_policy_file(file: Path) -> Policy:
    """A policy from a file.

    Raises:
        PolicyError: It can't be parsed.
        DeclarationError: The file can't be read.
    """
    return read_declared(file, "policy", parse_policy, PolicyError)
