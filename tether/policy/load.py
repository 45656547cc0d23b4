"""A policy from YAML."""

from __future__ import annotations

from tether.policy.form import MAX_BYTES, Form
from tether.policy.rules import NEEDS_RULES, AllowLists, Ask, Condition, Escalate, Policy, Rule, When
from tether.policy.source import PolicyError

__all__ = ["MAX_BYTES", "parse_policy"]

_FORM = Form(
    name="a policy",
    model=Policy,
    refusal=PolicyError,
    starts="rules",
    needs=NEEDS_RULES,
    blocks={
        "rules": ("a rule", Rule),
        "when": ("`when`", When),
        "ask": ("`ask`", Ask),
        "escalate": ("`escalate`", Escalate),
        "allow_lists": ("`allow_lists`", AllowLists),
    },
    named={"args": ("a condition", Condition)},
)


def parse_policy(text: str, name: str) -> Policy:
    """Read a policy from YAML.

    Args:
        text: The file's.
        name: The file's name, for complaints and records.

    Raises:
        PolicyError: It isn't a policy; lists all that is wrong, each with its line.
    """
    return _FORM.read(text, name)
