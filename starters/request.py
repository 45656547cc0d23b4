"""What a client sends to start a run: validated before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError
from temporalio.client import WorkflowExecutionDescription
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from tether.adapters import attributes
from tether.agent import MAX_AGENT_NAME
from tether.context import ANONYMOUS, DEFAULT_ROLE, DEFAULT_TENANT, RunContext
from tether.errors import ErrorKind, InvalidRun, TooLarge
from tether.ids import pseudonym, run_id
from tether.limits import LimitChanges, LimitOverrides
from tether.messages import Message
from tether.start import RequestMemo, RunInput, unacceptable
from tether.text import cut, one_line, valid_json, valid_unicode

MAX_NAME_BYTES = 1_000
"""Of a user, role, session, request id or task type: room for any id, none for a document."""

_AGENT = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_AGENT_NAME}}}")
_METADATA: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_EARLIER: TypeAdapter[tuple[Message, ...]] = TypeAdapter(tuple[Message, ...])
_BATCH = 5
_INTERACTIVE = 3


@dataclass(frozen=True)
class Request:
    """A run to be started.

    Attributes:
        input: The workflow's argument.
        memo: By which the same request is told from another.
        batch: Whether interactive runs come first.
    """

    input: RunInput
    memo: RequestMemo
    batch: bool = False

    @property
    def id(self) -> str:
        """The run's id."""
        return self.input.context.run

    @property
    def summary(self) -> str:
        """What the Web UI shows beside the run: nothing of the task, which may hold secrets."""
        return one_line(" · ".join(filter(None, (self.input.agent, self.input.context.task_type))))

    @property
    def priority(self) -> Priority:
        """Interactive before batch, and no user before another."""
        context = self.input.context
        return Priority(
            priority_key=_BATCH if self.batch else _INTERACTIVE,
            fairness_key=pseudonym(context.tenant, context.user),
        )

    @property
    def search_attributes(self) -> TypedSearchAttributes:
        """By which the run is found: pseudonyms only, cut to size."""
        context = self.input.context
        values = {
            attributes.AGENT: self.input.agent,
            attributes.USER: pseudonym(context.tenant, context.user),
            attributes.TENANT: context.tenant,
            attributes.STATE: "running",
            attributes.SESSION: context.session and pseudonym(context.tenant, context.session),
            attributes.ROOT: context.run,
            attributes.TASK_TYPE: context.task_type,
        }
        return TypedSearchAttributes(
            [SearchAttributePair(key, cut(value, attributes.MAX_VALUE_BYTES)) for key, value in values.items() if value]
        )


def is_batch(described: WorkflowExecutionDescription) -> bool:
    """Whether a run that was started lets interactive ones come first."""
    priority: int = described.raw_description.workflow_execution_info.priority.priority_key
    return priority == _BATCH


def request(  # noqa: PLR0913  as `AgentClient.start` takes them
    agent: str,
    task: str,
    *,
    key: str,
    user: str = ANONYMOUS,
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
    starter: str = "",
) -> Request:
    """Everything that starts a run; the arguments are those of `AgentClient.start`.

    Raises:
        InvalidRun: Something can't be used; says what and why.
        TooLarge: The task, or all of it together, is larger than a run may carry.
    """
    _check_types(agent=agent, task=task, key=key, tenant=tenant, limits=limits, metadata=metadata)
    if not _AGENT.fullmatch(agent):
        raise InvalidRun(f"{agent[:80]!r} can't be an agent's name: letters, digits, '_', '-' and '.' only")
    context = RunContext(
        run=run_id(tenant, key),
        user=_name("user", user, required=True),
        starter=_name("starter", starter),
        role=_name("role", role, required=True),
        tenant=tenant,
        session=_name("session", session),
        request_id=_name("request_id", request_id),
        task_type=_name("task_type", task_type),
        timestamp=datetime.now(UTC),
        metadata=_metadata(metadata or {}),
        earlier=_earlier(earlier),
    )
    given = RunInput(agent=agent, task=valid_unicode(task), context=context, limits=limit_changes(limits), plan=plan)
    if error := unacceptable(given):
        raise (TooLarge if error.kind is ErrorKind.TOO_LARGE else InvalidRun)(error.message)
    return Request(given, RequestMemo.of(given), batch)


def limit_changes(limits: LimitOverrides | Mapping[str, Any] | None) -> LimitChanges | None:
    """Limits of one run as recorded; None where none are given.

    Raises:
        InvalidRun: They can't be used.
    """
    if not limits:
        return None
    if isinstance(limits, LimitOverrides):
        return limits.recorded()
    try:
        return LimitOverrides.model_validate(dict(limits)).recorded()
    except ValidationError as error:
        known = ", ".join(LimitOverrides.model_fields)
        raise InvalidRun(f"the limits can't be used: {_problems(error)}; there are: {known}") from error


def _name(what: str, name: str, *, required: bool = False) -> str:
    _check_types(**{what: name})
    if required and not name.strip():
        raise InvalidRun(f"the {what} is empty; leave it out or name one")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise InvalidRun(f"the {what} {name[:40]!r} holds half of a surrogate pair; give an id that is text") from error
    if size > MAX_NAME_BYTES:
        raise InvalidRun(f"the {what} is over {MAX_NAME_BYTES:,} bytes; give an id")
    return name


def _check_types(**given: object) -> None:
    """Refuse what has a type that no run takes: not everyone who calls has a type checker."""
    for what, value in given.items():
        if what in {"limits", "metadata"}:
            expected, usable = "a mapping", value is None or isinstance(value, Mapping | LimitOverrides)
        else:
            expected, usable = "an Agent or its name" if what == "agent" else "text", isinstance(value, str)
        if not usable:
            raise InvalidRun(f"the {what} must be {expected}, not {type(value).__name__}")


def _earlier(messages: Sequence[Message]) -> tuple[Message, ...]:
    try:
        return _EARLIER.validate_python(tuple(messages))
    except (ValidationError, TypeError) as error:
        raise InvalidRun(
            f"the earlier conversation can't be used: {_problems(error)}; make it with tether.user and tether.assistant"
        ) from error


def _metadata(metadata: Mapping[str, Any]) -> dict[str, JsonValue]:
    try:
        clean = valid_json(dict(metadata))
        return _METADATA.validate_python(clean)
    except (ValidationError, TypeError, AttributeError) as error:
        raise InvalidRun(f"the metadata can't be written as JSON: {_problems(error)}") from error


def _problems(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, e['loc'][:3]))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()[:3]
    )
