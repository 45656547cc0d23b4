"""The result of a run that has come to its end."""

from __future__ import annotations

from datetime import UTC, datetime

from tether.contract import EffectState
from tether.fallback import Fallback
from tether.result import EffectCounts, EffectLine, RunResult
from tether.start import RunInput
from tether.state import MAX_REMEMBERED, Ending, RunState


def result_of(
    given: RunInput,
    state: RunState,
    ending: Ending,
    *,
    run: str,
    version: str,
    now: datetime,
    fallback: Fallback | None = None,
) -> RunResult:
    """What a run leaves behind.

    Args:
        given: What it was started with.
        state: Where it stands.
        ending: How it ends.
        run: Its id.
        version: Digest of the manifest; empty where it was never pinned.
        now: When it ends.
        fallback: What people are told in place of an answer.
    """
    context = given.context
    counters = state.counters
    effects, lines = _effects(state)
    started = datetime.fromtimestamp(state.started_ms / 1000, tz=UTC)
    return RunResult(
        run=run,
        agent=given.agent,
        version=version,
        succeeded=ending.outcome == "completed",
        outcome=ending.outcome,
        why=ending.why + _doubts(state),
        answer=state.answer,
        output=state.output,
        error=ending.error,
        task=given.task,
        user=context.user,
        started=started,
        completed=now,
        turns=state.turn - state.before,
        steps=state.steps,
        usage=counters.usage,
        cost=counters.cost,
        total_ms=round((now - started).total_seconds() * 1000),
        planning_ms=counters.planning_ms,
        execution_ms=counters.active_ms - counters.planning_ms,
        tools=tuple(counters.tools.values()),
        effects=effects,
        effect_lines=lines,
        metadata=context.metadata,
        composed=state.composed,
        overrides=tuple(state.purse.overrides),
        resumed=given.resumed.run if given.resumed else "",
        continued_as=state.continued_as,
        fallback=fallback,
    ).carriable()


def _effects(state: RunState) -> tuple[EffectCounts, tuple[EffectLine, ...]]:
    """What became of all effects, those of the present turn's calls included that are not settled."""
    counts, lines = state.counters.effects, list(state.effects)
    for call in state.calls:
        if call.acts and call.status != "settled":
            became: EffectState = "unknown" if call.in_doubt or call.status == "running" else "not_done"
            counts = counts.plus(became)
            decided = call.decided
            lines.append(EffectLine(call=decided.id, tool=decided.tool, resource=decided.resource, state=became))
    return counts, tuple(lines[-MAX_REMEMBERED:])


def _doubts(state: RunState) -> str:
    doubtful = [f"{call.decided.tool} ({call.decided.id})" for call in state.calls if call.in_doubt]
    if not doubtful or (state.ending and state.ending.outcome == "unknown_effect" and len(doubtful) == 1):
        return ""
    return f"; unknown whether these took effect: {', '.join(doubtful)}"
