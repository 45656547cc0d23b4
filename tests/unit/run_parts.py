"""Parts of runs for tests: replies, calls and their outcomes, as activities record them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from tether import Agent, Limits, tool
from tether.budget.reservation import Reservation
from tether.errors import ErrorKind, RunError
from tether.gate import Rules, read_calls
from tether.gate import decide as decide_all
from tether.ids import content_id
from tether.limits import RunLimits
from tether.manifest import Manifest
from tether.messages import AssistantMessage, Block, CallBlock, TextBlock
from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
from tether.plan import Plan, PlanStep
from tether.policy.permit import Caller
from tether.policy.rules import ALLOW_ALL
from tether.progress import outcome_of
from tether.records import Beat, Spent, TranscriptRef
from tether.result import RunResult
from tether.start import RunInput
from tether.state import RunState
from tether.step import FailedAttempt
from tether.tool_records import ToolFailure, ToolResult
from tether.tools import ToolRegistry
from tether.usage import Usage
from tether.values import spoken

TASK = "Refund order 1"
FIRST_HEAD = RunInput(agent="desk", task=TASK).first_head
LIMITS = RunLimits.of(Limits())


@tool(effect="read")
def look_up(order_id: str) -> str:
    """Look up an order."""
    return order_id


@tool(effect="unsafe")
def refund(order_id: str, cents: int = 100) -> str:
    """Refund an order."""
    return f"{order_id} {cents}"


AGENT = Agent(name="desk", instructions="Be nice.", models="openai:gpt", tools=[look_up, refund])
MANIFEST = Manifest.of(AGENT)


def fresh(*, planning: bool = False) -> RunState:
    """The state of a run that was just pinned."""
    return RunState(started_ms=1_000, head=FIRST_HEAD, planning=planning)


def call(name: str = "look_up", **arguments: JsonValue) -> CallBlock:
    """A call as a model asks for it."""
    return CallBlock(kind="call", tool=name, arguments=arguments or {"order_id": "1"})


def decide(
    blocks: tuple[Block, ...], registry: ToolRegistry, next_call: int
) -> tuple[AssistantMessage, tuple[DecidedCall, ...]]:
    """A reply and what is decided about its calls where everything is allowed."""
    message, candidates = read_calls(blocks, registry, next_call)
    return message, decide_all(candidates, {}, Rules(ALLOW_ALL.pinned(), Caller()))


def reply(*blocks: Block | str, next_call: int = 1, **fields: Any) -> ModelResult:
    """A reply with the decisions about it; a string is a text block."""
    made = tuple(TextBlock(kind="text", text=block) if isinstance(block, str) else block for block in blocks)
    message, calls = decide(made, AGENT.registry, next_call)
    content = content_id(message.model_dump_json())
    usage = fields.pop("usage", Usage(input=10, output=5))
    return ModelResult(message=message, calls=calls, content=content, usage=usage, **fields)


def plan(*what: str, **fields: Any) -> ModelResult:
    """A plan of these steps."""
    made = Plan(steps=tuple(PlanStep(id=str(number), what=words) for number, words in enumerate(what, start=1)))
    return ModelResult(plan=made, content=content_id(made.model_dump_json()), **fields)


def problem(kind: ErrorKind = ErrorKind.INVALID_OUTPUT) -> RunError:
    """Something that went wrong."""
    return RunError(kind=kind, message=f"it was {kind.value}")


def returned(value: JsonValue = "ok", active_ms: int = 0) -> ToolResult:
    """What a handler returned."""
    return ToolResult(value=value, content=content_id(spoken(value)), spent=Spent(active_ms=active_ms))


def broke(call_id: str, kind: ErrorKind = ErrorKind.TOOL_FAILED, active_ms: int = 0) -> ToolFailure:
    """A call that failed for good."""
    return ToolFailure(outcome=outcome_of(call_id, problem(kind)), spent=Spent(active_ms=active_ms))


def unanswered(kind: ErrorKind, active_ms: int = 0, attempts: int = 1) -> ModelFailure:
    """A model call that failed."""
    return ModelFailure(error=problem(kind), spent=Spent(active_ms=active_ms, attempts=attempts))


def asked(failed: Sequence[FailedAttempt] = (), *, reserved: int = 0, turn: int = 1) -> ModelInput:
    """What was given to a model call."""
    return ModelInput(
        agent="desk",
        manifest="",
        turn=turn,
        transcript=TranscriptRef(turns=turn - 1, head=""),
        max_output_tokens=10,
        active_ms=1_000,
        failed=tuple(failed),
        reservation=Reservation(number=1, mark="m", amount=reserved) if reserved else None,
    )


def failed_attempt(number: int, active_ms: int = 0) -> FailedAttempt:
    """An attempt that was made again."""
    return FailedAttempt(attempt=number, error=problem(ErrorKind.CONNECTION), active_ms=active_ms)


def beat(phase: Any, attempt: int = 1, **fields: Any) -> Beat:
    """A beat of an activity's attempt."""
    return Beat(phase=phase, attempt=attempt, **fields)


def result(**fields: Any) -> RunResult:
    """A run's result."""
    at = datetime(2026, 11, 21, tzinfo=UTC)
    given = {"succeeded": True, "outcome": "completed", "started": at, "completed": at, **fields}
    return RunResult(run="run/default/1", agent="desk", task=given.pop("task", TASK), user="u", **given)
