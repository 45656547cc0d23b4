"""Policies that come with Tether."""

from __future__ import annotations

from tether.policy.pinned import PinnedPolicy, PinnedRule

BUILT_IN = PinnedPolicy(
    name="",
    rules=(
        PinnedRule(name="built-in: read", effects=("read",), then="allow"),
        PinnedRule(name="built-in: other effects", then="ask"),
    ),
)
"""Where an App has no policy: what reads is allowed; about all else somebody who isn't the requester is asked."""
