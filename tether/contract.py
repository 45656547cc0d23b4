"""A tool's contract: everything about it that is pinned for a run, and nothing of its code."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, JsonValue

from tether.ids import canonical, sha256
from tether.masking import masked
from tether.value import Value

Effect = Literal["read", "idempotent", "keyed", "unsafe"]
EffectState = Literal["done", "not_done", "unknown"]
"""What became of a call's effect."""
Returns = Literal["untrusted", "directory"]

SENSITIVE_BY_DEFAULT = ("password", "token", "secret", "api_key")
REPEATABLE_EFFECTS: frozenset[Effect] = frozenset({"read", "idempotent", "keyed"})
MAX_TOOL_NAME = 128

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Retries(Value):
    """How often a failed attempt is repeated: on transient errors, with exponential backoff.

    Attributes:
        attempts: All attempts, the first included.
        first_ms: Wait before the second attempt, in milliseconds.
        factor: By which each further wait grows.
    """

    attempts: int = Field(default=3, ge=1, le=100)
    first_ms: int = Field(default=1_000, ge=1)
    factor: float = Field(default=2.0, ge=1.0)


class ToolContract(Value):
    """What a tool promises and asks for.

    Attributes:
        name: Its name, also its activity type.
        description: What the model reads.
        parameters: JSON Schema of the arguments.
        effect: `read` changes nothing; `idempotent` may be repeated as it is; `keyed` may be repeated with the same
            idempotency key; `unsafe` may not be repeated.
        timeout_ms: Longest active time of one attempt.
        retries: For `read`, `idempotent` and `keyed`; an unsafe tool is repeated only where nothing was done.
        rate_per_minute: Calls a minute, fleet-wide.
        max_calls: Calls of one run.
        requires_approval: A floor that no policy lowers.
        resource: Template over the arguments (`order:{order_id}`) naming what the call is about.
        owner: Template over the arguments naming whose that is.
        resolves_owner: Whether a function of the tool says instead whose it is.
        reconciles: Whether a function of the tool can find out what became of a call.
        summary: Template over the arguments for the timeline; the resource where there is none.
        sensitive: Arguments that are marked, not shown.
        sinks: Arguments by which data or value leaves, or by which a person would recognise the effect.
        returns: Whether somebody outside could have written the result.
        confidential: Whether the result may not leave.
        cost: What one execution costs at worst, in micro-dollars; 0 where a function says it.
        prices_calls: Whether a function of the tool says that, by the arguments.
        reports_cost: Whether a function of the tool says what an execution cost, by what the handler returned.
        version: Changed by the author when the meaning changes though the schema doesn't.
        no_effect_on: Names of exceptions that leave nothing behind.
        rereads: Whether it only reads again what a run was given already, so that no policy has a say; of Tether's own
            tools only.
    """

    name: str
    description: str
    parameters: dict[str, JsonValue]
    effect: Effect = "unsafe"
    timeout_ms: int = 30_000
    retries: Retries = Retries()
    rate_per_minute: int | None = None
    max_calls: int | None = None
    requires_approval: bool = False
    resource: str = ""
    owner: str = ""
    resolves_owner: bool = False
    reconciles: bool = False
    summary: str = ""
    sensitive: tuple[str, ...] = SENSITIVE_BY_DEFAULT
    sinks: tuple[str, ...] = ()
    returns: Returns = "untrusted"
    confidential: bool = False
    cost: int = 0
    prices_calls: bool = False
    reports_cost: bool = False
    version: str = ""
    no_effect_on: tuple[str, ...] = ()
    rereads: bool = False

    @property
    def digest(self) -> str:
        """Content hash: a worker with another contract doesn't execute the call."""
        return content_digest(self)

    def resource_of(self, arguments: dict[str, JsonValue]) -> str:
        """The resource that a call is about; empty where the tool names none."""
        return _filled(self.resource, arguments)

    def owner_of(self, arguments: dict[str, JsonValue]) -> str | None:
        """Whose that resource is, by the template.

        Returns:
            An id; empty where there is no template, or where an argument is null, which is nobody; None where that
            can't be found out: an argument is missing, or is no id.
        """
        named = [arguments.get(name, False) for name in placeholders(self.owner)]
        if None in named:
            return ""
        plain = all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in named)
        return _filled(self.owner, arguments) if plain else None

    def summary_of(self, arguments: dict[str, JsonValue]) -> str:
        """What the timeline says of a call beside its name, without its sensitive arguments; empty for nothing."""
        plain = {name: value for name, value in arguments.items() if name not in self.sensitive}
        shown = masked(plain, self.sensitive)
        return _filled(self.summary or self.resource, shown)


def content_digest(value: Value, size: int = 12) -> str:
    """The first `size` hexadecimal digits of the SHA-256 of a value's canonical JSON.

    Fields that hold their default are left out, so that a field which a later version adds changes no digest.
    """
    return sha256(canonical(value.model_dump(mode="json", exclude_defaults=True)))[:size]


def placeholders(template: str) -> tuple[str, ...]:
    """The arguments that a template names."""
    return tuple(_PLACEHOLDER.findall(template))


def _filled(template: str, arguments: dict[str, JsonValue]) -> str:
    def value(match: re.Match[str]) -> str:
        return str(arguments.get(match[1], "•"))

    return _PLACEHOLDER.sub(value, template)
