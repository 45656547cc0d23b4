"""What the Temporal Web UI and searches see of a run."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from tether import attributes
    from tether.money import dollars
    from tether.result import RunResult
    from tether.state import RunState
    from tether.text import cut, one_line

AGENT = SearchAttributeKey.for_keyword(attributes.AGENT)
VERSION = SearchAttributeKey.for_keyword(attributes.VERSION)
STATE = SearchAttributeKey.for_keyword(attributes.STATE)
OUTCOME = SearchAttributeKey.for_keyword(attributes.OUTCOME)

RESULT_MEMO = "tether_result"


def searchable() -> bool:
    """Whether the run was started with Tether's attributes, so that the namespace has them."""
    return workflow.info().typed_search_attributes.get(STATE) is not None


def mark_pinned(agent: str, version: str) -> None:
    """Say which version of which agent the run is pinned to."""
    updates: list[SearchAttributeUpdate[str]] = [VERSION.value_set(cut(version, attributes.MAX_VALUE_BYTES))]
    if not searchable():
        updates += [AGENT.value_set(cut(agent, attributes.MAX_VALUE_BYTES)), STATE.value_set("running")]
    workflow.upsert_search_attributes(updates)


def mark_ended(result: RunResult, state: str) -> None:
    """Say how the run ended."""
    workflow.upsert_search_attributes([STATE.value_set(state), OUTCOME.value_set(result.outcome)])


def show(state: RunState, agent: str, max_steps: int) -> None:
    """Bring the run's current details up to date: markdown, no event."""
    counters = state.counters
    cost = dollars(None if counters.unpriced else counters.cost)
    doing = f"**{agent}** is {state.doing.replace('_', ' ')}: turn {state.turn} of {max_steps}"
    lines = [f"{doing}, {state.steps} steps, {counters.usage.total:,} tokens, {cost}"]
    lines += [f"- `{call.decided.tool}` ({call.decided.id}): {call.status}" for call in state.calls]
    if state.plan:
        lines += ["", "Plan:", *(f"{step.id}. {one_line(step.what)}" for step in state.plan.steps)]
    if state.ending:
        lines += ["", f"Ended as {state.ending.outcome}: {one_line(state.ending.why, 500)}"]
    workflow.set_current_details("\n".join(lines))
