"""What a model's reply amounts to: an answer, a refusal, or something that it must say again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from tether.errors import ErrorKind, RunError
from tether.messages import AssistantMessage
from tether.model_records import ModelResult
from tether.plan import Plan
from tether.provider import ModelReply
from tether.text import cut

MAX_REPLY_BYTES = 1024 * 1024
"""Of one reply as JSON, with the decisions about its calls and its structured answer; Temporal wedges at 2 MiB."""

MAX_PLAN_BYTES = 64 * 1024
"""Of a plan as JSON: it stays in the run's state."""

M = TypeVar("M", bound=BaseModel)

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Judged:
    """What a reply amounts to.

    Attributes:
        output: The structured answer, where one was asked for and the reply fits.
        problem: What is wrong with it.
        nudge: What the model is told, where it can say it again.
    """

    output: JsonValue = None
    problem: RunError | None = None
    nudge: str = ""


def judge(
    reply: ModelReply, message: AssistantMessage, output: type[BaseModel] | None, max_output_tokens: int
) -> Judged:
    """Judge a reply.

    Args:
        reply: As the provider gave it.
        message: The same as a message.
        output: The shape of the answer, None for text.
        max_output_tokens: What the reply was allowed to write.
    """
    if reply.finish == "refusal" or message.refusal:
        words = cut(message.refusal or message.text or "it gave no reason", 500)
        return Judged(problem=RunError(kind=ErrorKind.REFUSED, message=f"the model declined: {words}"))
    if reply.finish == "content_filter":
        why = "the provider's content filter stopped the reply; reword the task, or ask the provider"
        return Judged(problem=RunError(kind=ErrorKind.CONTENT_FILTER, message=why))
    if any(message.calls()):
        return Judged()
    if reply.finish == "length":
        return Judged(
            problem=RunError(
                kind=ErrorKind.REPLY_CUT,
                message=f"the reply was cut off at {max_output_tokens} output tokens; raise max_tokens_per_step",
            ),
            nudge=f"Your reply was cut off at {max_output_tokens} tokens. Answer again, more briefly.",
        )
    if output is not None:
        return _structured(message.text, output)
    if not message.text.strip():
        error = RunError(kind=ErrorKind.MALFORMED_REPLY, message="the model's reply was empty")
        return Judged(problem=error, nudge="Your reply was empty. Answer, or call a tool.")
    return Judged()


def read_plan(text: str) -> tuple[Plan | None, str]:
    """A plan from a reply's text, or what is wrong with it."""
    plan, problem = read_json(text, Plan)
    if plan is None:
        return None, problem
    known: set[str] = set()
    for step in plan.steps:
        if step.id in known:
            return None, f"two steps have the id {step.id!r}"
        known.add(step.id)
    unknown = {other for step in plan.steps for other in step.depends_on} - known
    if unknown:
        return None, f"a step depends on {min(unknown)!r}, which is no step"
    if len(plan.model_dump_json().encode()) > MAX_PLAN_BYTES:
        return None, f"it is longer than {MAX_PLAN_BYTES // 1024} KiB"
    return (plan, "") if plan.steps else (None, "it has no steps")


def read_json(text: str, model: type[M]) -> tuple[M | None, str]:
    """A pydantic model from text that should be its JSON, alone or in a fenced block, or what is wrong with it."""
    fenced = _FENCED.match(text)
    try:
        return model.model_validate_json(fenced[1] if fenced else text), ""
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc']) or 'the text'}: {item['msg']}"
            for item in error.errors(include_url=False)[:5]
        ]
        return None, "; ".join(problems)
    except Exception as error:  # noqa: BLE001  a validator of the user's own; the model is told, and the run goes on
        return None, f"its validation raised {type(error).__name__}: {error}"


def too_large(result: ModelResult) -> RunError | None:
    """The error of a reply that Temporal could not carry."""
    size = len(result.model_dump_json(exclude_defaults=True).encode())
    if size <= MAX_REPLY_BYTES:
        return None
    text = (
        f"the model's reply is {size // 1024:,} KiB with what was decided about it, more than the "
        f"{MAX_REPLY_BYTES // 1024:,} KiB that a run can keep; "
        "lower max_tokens_per_step, or tell the model to answer in parts"
    )
    return RunError(kind=ErrorKind.TOO_LARGE, message=text)


def _structured(text: str, output: type[BaseModel]) -> Judged:
    answer, problem = read_json(text, output)
    if answer is not None:
        return Judged(output=answer.model_dump(mode="json", by_alias=True, round_trip=True))
    error = RunError(kind=ErrorKind.INVALID_OUTPUT, message=f"the answer is not a {output.__name__}: {problem}")
    return Judged(problem=error, nudge=f"Your answer doesn't fit the schema: {problem}. Answer again with JSON only.")
