"""What the Temporal Web UI and searches see of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from tether import attributes
    from tether.approvals import WAITING_MEMO, Request
    from tether.budget.purse import FUNDS_MEMO, Funding, Parked
    from tether.context import DEFAULT_TENANT
    from tether.ids import canonical
    from tether.money import dollars
    from tether.result import RunResult
    from tether.start import RunInput
    from tether.state import RunState
    from tether.text import cut, one_line
    from tether.view import CallView, RunView

AGENT = SearchAttributeKey.for_keyword(attributes.AGENT)
VERSION = SearchAttributeKey.for_keyword(attributes.VERSION)
APPROVERS = SearchAttributeKey.for_keyword_list(attributes.APPROVERS)
STATE = SearchAttributeKey.for_keyword(attributes.STATE)
OUTCOME = SearchAttributeKey.for_keyword(attributes.OUTCOME)

MAX_VALUE_BYTES = attributes.MAX_VALUE_BYTES
MAX_ROLES = 50
ANYBODY = "anybody"
"""Stands in TetherApprovers for whoever did neither ask for the run nor start it."""


def searchable() -> bool:
    """Whether the run was started with Tether's attributes, so that the namespace has them."""
    return workflow.info().typed_search_attributes.get(STATE) is not None


def mark_pinned(agent: str, version: str) -> None:
    """Say which version of which agent the run is pinned to."""
    updates: list[SearchAttributeUpdate[str]] = [VERSION.value_set(cut(version, attributes.MAX_VALUE_BYTES))]
    if not searchable():
        updates += [AGENT.value_set(cut(agent, attributes.MAX_VALUE_BYTES)), STATE.value_set("running")]
    workflow.upsert_search_attributes(updates)


def view(given: RunInput, state: RunState, version: str, cap: int | None) -> RunView:
    """Where a run stands, for whoever asks now.

    Args:
        given: What it was started with.
        state: Where it stands.
        version: Digest of its manifest.
        cap: Its own cap with the overrides that count.
    """
    counters = state.counters
    return RunView(
        run=workflow.info().workflow_id,
        agent=given.agent,
        version=version,
        doing=state.doing,
        outcome=state.ending.outcome if state.ending else None,
        error=state.ending.error if state.ending else None,
        turn=state.turn,
        steps=state.steps,
        calls=tuple(CallView(id=c.decided.id, tool=c.decided.tool, status=c.status) for c in state.calls),
        parked=state.parked,
        cap=cap,
        left=state.purse.left,
        usage=counters.usage,
        cost=counters.cost,
        active_ms=counters.active_ms,
        resumed=given.resumed.run if given.resumed else "",
    )


WaitingKey = tuple[tuple[tuple[str, str, int, bool], ...], Parked | None, int]


def waiting_key(state: RunState) -> WaitingKey:
    """What of all that a run waits for is shown: by it one sees whether that has changed."""
    requests = tuple((each.call, each.kind, each.revision, each.escalated) for each in state.waiting)
    return requests, state.parked, len(state.purse.overrides)


def mark_waiting(run: RunState, *, attributes: bool) -> None:
    """Say what waits for people, and for which roles: an inbox reads it without a query.

    Args:
        run: Where the run stands.
        attributes: Whether the namespace has Tether's search attributes.
    """
    waiting = run.waiting
    funding = Funding(parked=run.parked, overrides=tuple(run.purse.overrides))
    workflow.upsert_memo({WAITING_MEMO: list(waiting) or None, FUNDS_MEMO: None if funding == Funding() else funding})
    if attributes or searchable():
        kinds = {request.kind for request in waiting}
        money = "waiting_budget" if run.parked else "running"
        state = "waiting_approval" if "approval" in kinds else "waiting_outcome" if kinds else money
        roles = {role for request in waiting for role in request.roles or (ANYBODY,)}
        approvers = APPROVERS.value_set([cut(role, MAX_VALUE_BYTES) for role in sorted(roles)][:MAX_ROLES])
        workflow.upsert_search_attributes([STATE.value_set(state), approvers if roles else APPROVERS.value_unset()])


def mark_ended(result: RunResult, state: str) -> None:
    """Say how the run ended."""
    workflow.upsert_search_attributes([STATE.value_set(state), OUTCOME.value_set(result.outcome)])


def show(state: RunState, agent: str, max_steps: int, tenant: str) -> None:
    """Bring the run's current details up to date: markdown, no event."""
    counters = state.counters
    doing = f"**{agent}** is {state.doing.replace('_', ' ')}: turn {state.turn} of {state.before + max_steps}"
    lines = [f"{doing}, {state.steps} steps, {counters.usage.total:,} tokens, {dollars(counters.cost)}"]
    if state.calls:
        lines += ["", *(f"- `{call.decided.tool}` ({call.decided.id}): {call.status}" for call in state.calls)]
    lines += [line for request in state.waiting for line in _waiting(request, tenant)]
    if state.parked:
        lines += _parked(state.parked, tenant)
    if state.refused:
        lines += ["", f"{state.refused} signals were refused; the last: {state.last_refusal}"]
    if state.plan:
        lines += ["", "Plan:", "", *(f"{step.id}. {one_line(step.what)}" for step in state.plan.steps)]
    if state.ending:
        lines += ["", f"Ended as {state.ending.outcome}: {one_line(state.ending.why, 500)}"]
    workflow.set_current_details("\n".join(lines))


def _waiting(request: Request, tenant: str) -> list[str]:
    until = datetime.fromtimestamp(request.deadline_ms / 1000, tz=UTC)
    who = ", ".join(request.roles) or "anybody who did neither ask for the run nor start it"
    arguments = one_line(canonical(request.arguments), 1_000)
    asked = f"**{request.call} `{request.tool}` waits for {who}**, until {until:%Y-%m-%d %H:%M:%S} UTC"
    lines = ["", asked, "", f"- arguments: `{arguments}`", f"- rule: {one_line(request.rule)}"]
    if request.why:
        lines.append(f"- {one_line(request.why, 500)}")
    if request.reason:
        lines.append(f"- the model's reason: {one_line(request.reason, 500)}")
    given: dict[str, Any]
    by = {"id": "YOU"} | ({} if tenant == DEFAULT_TENANT else {"tenant": tenant})
    if request.kind == "outcome":
        given = {"call": request.call, "verdict": "did_not", "revision": request.revision, "by": by}
        verdicts = "verdict `happened`, `stop`, or `did_not`, which also says that it won't any more: it is made again"
        return [*lines, f"- answer by the update `outcome` ({verdicts}): `{json.dumps(given)}`"]
    given = {"call": request.call, "digest": request.digest, "by": by}
    return [*lines, f"- answer by the signal `approve` or `deny`: `{json.dumps(given)}`"]


def _parked(parked: Parked, tenant: str) -> list[str]:
    until = datetime.fromtimestamp(parked.deadline_ms / 1000, tz=UTC)
    lines = ["", f"**{parked.what} waits for money**, until {until:%Y-%m-%d %H:%M:%S} UTC", "", f"- {parked.in_words}"]
    if parked.limit is None:
        return lines
    by = {"id": "YOU"} | ({} if tenant == DEFAULT_TENANT else {"tenant": tenant})
    given = {"id": "ANY-WORD", "amount": parked.missing, "by": by, "reason": "WHY"}
    return [*lines, f"- raise the run's cap, in micro-dollars, by the signal `override`: `{json.dumps(given)}`"]
