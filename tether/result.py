"""RunResult: how a run ended, with counts and never the steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue

from tether.budget.override import Overridden
from tether.contract import EffectState
from tether.errors import RunError
from tether.fallback import Fallback
from tether.records import CallOutcome
from tether.text import cut
from tether.usage import Usage
from tether.value import Value

Outcome = Literal[
    "completed",
    "max_steps",
    "max_tool_calls",
    "timeout",
    "budget",
    "denied",
    "refused",
    "context_too_long",
    "unknown_effect",
    "cancelled",
    "error",
]

RESULT_MEMO = "tether_result"
"""Where a cancelled run, which can return nothing, leaves its result."""
MAX_RESULT_BYTES = 1024 * 1024
CUT_MARKER = " … (cut; the run's history has the whole)"
MAX_WORDS_BYTES = 2_000
"""Of why a run ended, where its result is cut."""


class ToolUse(Value):
    """How often a tool was executed, and how often it failed."""

    tool: str
    calls: int
    failed: int = 0


class EffectLine(Value):
    """What became of the effect of one call."""

    call: str
    tool: str
    resource: str = ""
    state: EffectState


class EffectCounts(Value):
    """How many effects were done, not done, or are unknown."""

    done: int = 0
    not_done: int = 0
    unknown: int = 0

    def plus(self, state: EffectState) -> EffectCounts:
        """With one more."""
        return self.model_copy(update={state: getattr(self, state) + 1})


class RunResult(Value):
    """How a run ended.

    Attributes:
        run: The run's id.
        agent: The agent's name.
        version: Digest of the manifest.
        succeeded: Whether it completed its task.
        outcome: Its ending by name.
        why: The ending in a sentence.
        answer: The last text of the model.
        output: The structured answer, where the agent has one.
        error: What went wrong, where something did.
        task: What was asked.
        user: Who asked.
        started: When it started.
        completed: When it ended.
        turns: Model calls that were answered, the plan not counted.
        steps: Lines of the record.
        usage: Tokens.
        cost: Micro-dollars.
        total_ms: From start to end.
        planning_ms: Active time of the plan.
        execution_ms: Active time of the rest; parallel calls count once.
        tools: Tools that were executed.
        effects: What became of the effects, in numbers.
        effect_lines: What became of each, the newest 100.
        metadata: As given at the start.
        composed: Outcomes of the last turn's calls that only the workflow put into words.
        overrides: By which people raised the run's own cap.
        resumed: The run that it resumed; empty where it resumed none.
        continued_as: The run that goes on where this one's time was used up; empty where none does.
        fallback: What people are told in place of an answer, where the run has none.
    """

    run: str
    agent: str
    version: str = ""
    succeeded: bool
    outcome: Outcome
    why: str = ""
    answer: str = ""
    output: Any = None
    error: RunError | None = None
    task: str
    user: str
    started: datetime
    completed: datetime
    turns: int = 0
    steps: int = 0
    usage: Usage = Usage()
    cost: int = 0
    total_ms: int = 0
    planning_ms: int = 0
    execution_ms: int = 0
    tools: tuple[ToolUse, ...] = ()
    effects: EffectCounts = EffectCounts()
    effect_lines: tuple[EffectLine, ...] = ()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    composed: tuple[CallOutcome, ...] = ()
    overrides: tuple[Overridden, ...] = ()
    resumed: str = ""
    continued_as: str = ""
    fallback: Fallback | None = None

    @property
    def reply(self) -> str:
        """What to show whoever asked: the answer of a run that completed, else its fallback, or why it ended."""
        if self.succeeded:
            return self.answer
        return self.fallback.message if self.fallback else self.why

    @property
    def tools_used(self) -> tuple[str, ...]:
        """Names of the tools that were executed."""
        return tuple(use.tool for use in self.tools)

    @property
    def tools_failed(self) -> tuple[str, ...]:
        """Names of the tools that failed at least once for good."""
        return tuple(use.tool for use in self.tools if use.failed)

    def carriable(self, max_bytes: int = MAX_RESULT_BYTES) -> RunResult:
        """The same result, cut so that its JSON fits into what Temporal carries; the history has the whole."""
        if _fits(self, max_bytes):
            return self
        shorter = self._cut_to(max_bytes // 8)
        # A byte may take six in JSON: text of control characters needs the smaller share.
        return shorter if _fits(shorter, max_bytes) else self._cut_to(max_bytes // 64)

    def _cut_to(self, share: int) -> RunResult:
        return self.model_copy(
            update={
                "answer": cut(self.answer, share, CUT_MARKER),
                "why": cut(self.why, MAX_WORDS_BYTES),
                "error": _shortened(self.error, MAX_WORDS_BYTES),
                "task": cut(self.task, share, CUT_MARKER),
                "fallback": _shortened_fallback(self.fallback, share),
                "output": None,
                "metadata": {},
                "composed": tuple(
                    _shortened_outcome(outcome, share // len(self.composed)) for outcome in self.composed
                ),
            }
        )


def _fits(result: RunResult, max_bytes: int) -> bool:
    return len(result.model_dump_json().encode()) <= max_bytes


def _shortened_outcome(outcome: CallOutcome, share: int) -> CallOutcome:
    text = cut(outcome.text, share, CUT_MARKER)
    return outcome.model_copy(update={"text": text, "error": _shortened(outcome.error, min(share, MAX_WORDS_BYTES))})


def _shortened_fallback(fallback: Fallback | None, share: int) -> Fallback | None:
    return fallback and fallback.model_copy(
        update={
            "message": cut(fallback.message, share, CUT_MARKER),
            "original_error": _shortened(fallback.original_error, min(share, MAX_WORDS_BYTES)),
        }
    )


def _shortened(error: RunError | None, max_bytes: int) -> RunError | None:
    return error and error.model_copy(update={"message": cut(error.message, max_bytes)})
