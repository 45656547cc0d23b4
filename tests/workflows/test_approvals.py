"""Approvals on a real server: who may answer, what follows, and what a refusal leaves as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.workflows.approving import CLERK, FINANCE, LEAD, PEOPLE, STARTER, start, waiting
from tests.workflows.desk import agent
from tether import Actor, tool
from tether.approvals import WAITING_MEMO
from tether.errors import (
    AlreadyAnswered,
    AnswerRefused,
    ArgumentsChanged,
    InvalidAnswer,
    NotAuthorised,
    RequesterMayNot,
    RunEnded,
    StarterMayNot,
    UnknownCall,
)
from tether.ids import arguments_digest
from tether.policy.rules import Ask, Policy, Rule
from tether.result import EffectCounts
from tether.starters.client import RunHandle
from tether.step import AgentStep
from tether.testing.harness import Tether
from tether.testing.wire import calls, calls_many, says

REFUND: dict[str, Any] = {"order_id": "1", "cents": 500}


async def steps(run: RunHandle[Any]) -> list[AgentStep]:
    """All steps of a run that has ended."""
    return [step async for step in run.steps()]


async def events(tether: Tether, run: RunHandle[Any]) -> int:
    """How many events the run's present history has, once nothing is in flight any more."""
    handle = tether.client.get_workflow_handle(run.id)
    while True:
        described = await handle.describe()
        raw = described.raw_description
        if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
            return described.history_length


async def test_an_approved_call_is_executed_with_the_exact_arguments(tether: Tether) -> None:
    """A call that the policy asks about waits, and an authorised yes executes it once, named in the record."""
    tether.script(replace(calls("refund", **REFUND), text="It arrived broken."), says("Refunded."))
    run = await start(tether)
    (request,) = await waiting(run)
    assert (request.tool, request.arguments, request.roles) == ("refund", REFUND, ("lead",))
    assert (request.rule, request.reason, request.user) == ("refunds", "It arrived broken.", "u-17")
    assert request.digest == arguments_digest("refund", REFUND)
    assert (await run.status()).doing == "waiting_approval"
    answered = await run.approve("c1", by=LEAD, digest=request.digest)
    result = await run.result()
    (step,) = [step for step in await steps(run) if step.tool == "refund"]
    assert (answered.verdict, answered.by) == ("approve", LEAD)
    assert (result.answer, result.effects) == ("Refunded.", EffectCounts(done=1))
    assert step.output == "refunded 500 of 1"
    assert step.approval
    assert (step.approval.by, step.approval.digest, step.effect) == (LEAD, request.digest, "done")


async def test_a_denied_call_is_not_executed_and_the_model_hears_why(tether: Tether) -> None:
    """A no settles the call with the person's message for the model; nothing was executed."""
    tether.script(calls("refund", **REFUND), says("Then not."))
    run = await start(tether)
    await waiting(run)
    await run.deny("c1", by=LEAD, message="We don't refund used goods.")
    result = await run.result()
    told = tether.wire.requests[-1].tool_results[-1].text
    assert told == "Denied: a person denied this call: We don't refund used goods."
    assert (result.answer, result.effects, result.tools) == ("Then not.", EffectCounts(not_done=1), ())


@pytest.mark.parametrize(
    ("refused", "by", "error"),
    [
        ({}, CLERK, RequesterMayNot),
        ({}, STARTER, StarterMayNot),
        ({}, FINANCE, NotAuthorised),
        ({}, Actor(id=""), NotAuthorised),
        ({}, Actor(id="anonymous"), NotAuthorised),
        ({}, Actor(id="u-40", tenant="other"), NotAuthorised),
        ({}, Actor(id="u-40", channel="worker"), NotAuthorised),
        ({"call": "c9"}, LEAD, UnknownCall),
        ({"digest": "0" * 16}, LEAD, ArgumentsChanged),
    ],
)
async def test_what_may_not_answer_is_refused_at_once(
    tether: Tether, refused: dict[str, str], by: Actor, error: type[AnswerRefused]
) -> None:
    """Each refusal has its type, writes no event, and leaves the request as it was."""
    tether.script(calls("refund", **REFUND), says("Refunded."))
    run = await start(tether)
    before = await waiting(run)
    written = await events(tether, run)
    with pytest.raises(error):
        await run.approve(refused.get("call", "c1"), by=by, digest=refused.get("digest", ""))
    assert await run.waiting() == before
    assert await events(tether, run) == written
    await run.cancel()


async def test_what_a_program_says_wrongly_is_an_invalid_answer(tether: Tether) -> None:
    """What can't be written down as an answer is refused like any other, before it is sent."""
    tether.script(calls("refund", **REFUND), says("Refunded."))
    run = await start(tether)
    await waiting(run)
    with pytest.raises(InvalidAnswer, match="verdict"):
        await run.outcome("c1", "hapened", by=LEAD)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidAnswer, match="edits"):
        await run.approve("c1", by=LEAD, edits={"cents": object()})
    await run.deny("c1", by=LEAD)
    assert (await run.result()).effects == EffectCounts(not_done=1)


async def test_an_answer_counts_once(tether: Tether) -> None:
    """A second answer does nothing and says who gave the first; after the end there is nothing to answer."""
    tether.script(calls_many(("refund", REFUND), ("refund", {"order_id": "2", "cents": 5})), says("Done."))
    run = await start(tether)
    await waiting(run, 2)
    await run.approve("c1", by=LEAD)
    with pytest.raises(AlreadyAnswered, match="u-40"):
        await run.deny("c1", by=LEAD)
    await run.deny("c2", by=LEAD)
    result = await run.result()
    with pytest.raises(RunEnded):
        await run.approve("c2", by=LEAD)
    assert result.effects == EffectCounts(done=1, not_done=1)


async def test_siblings_go_on_while_one_waits(tether: Tether) -> None:
    """A call that is allowed is executed while its sibling waits; a denial of the one leaves the other alone."""
    tether.script(calls_many(("refund", REFUND), ("look_up", {"order_id": "7"})), says("Done."))
    run = await start(tether)
    await waiting(run)
    status = await run.status()
    while {call.id: call.status for call in status.calls} != {"c1": "waiting", "c2": "settled"}:
        status = await run.status()
    await run.deny("c1", by=LEAD)
    result = await run.result()
    assert [use.tool for use in result.tools] == ["look_up"]
    assert result.succeeded


async def test_edited_arguments_are_what_is_executed(tether: Tether) -> None:
    """An approver's edit is validated and decided anew, executed, kept in the record, and told to the model."""
    tether.script(calls("refund", **REFUND), says("Refunded less."))
    run = await start(tether)
    await waiting(run)
    answered = await run.approve("c1", by=LEAD, edits={"cents": 300})
    await run.result()
    (step,) = [step for step in await steps(run) if step.tool == "refund"]
    assert [(change.argument, change.was, change.now) for change in answered.changes] == [("cents", 500, 300)]
    assert step.arguments == {"order_id": "1", "cents": 300}
    assert step.approval
    assert step.approval.changes == answered.changes
    told = tether.wire.requests[-1].tool_results[-1].text
    assert "cents" in told
    assert "refunded 300 of 1" in told


async def test_an_edit_that_takes_long_to_decide_is_waited_for(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a worker has it, an answer isn't told as taken by nobody, however long its owner is looked up."""
    monkeypatch.setattr("tether.starters.answers.TAKEN_WITHIN_SECONDS", 1.0)
    edited = False

    async def owner(order_id: str) -> str:
        if edited:
            await asyncio.sleep(2)
        return "u-1"

    @tool(effect="keyed", owner=owner)
    async def pay(order_id: str, cents: int) -> str:
        """Pay."""
        return f"paid {cents}"

    tether.script(calls("pay", order_id="1", cents=500), says("Done."))
    rules = Policy(people=PEOPLE, rules=[Rule(then="ask", ask=Ask(approvers="lead"))])
    run = await tether.start(agent(pay), "Pay", policy=rules, user="u-17")
    await waiting(run)
    edited = True
    answered = await run.approve("c1", by=LEAD, edits={"cents": 400})
    assert [(change.was, change.now) for change in answered.changes] == [(500, 400)]
    assert (await run.result()).effects == EffectCounts(done=1)


@pytest.mark.parametrize(
    ("edits", "says_what"),
    [({"cents": "many"}, "cents"), ({"nonsense": 1}, "nonsense"), ({"cents": 200_000}, "policy denies")],
)
async def test_edits_that_cant_be_are_refused(tether: Tether, edits: dict[str, Any], says_what: str) -> None:
    """Edited arguments that don't fit, or that the policy denies, are refused, and the request stands."""
    tether.script(calls("refund", **REFUND), says("Refunded."))
    run = await start(tether)
    before = await waiting(run)
    with pytest.raises(InvalidAnswer, match=says_what):
        await run.approve("c1", by=LEAD, edits=edits)
    assert await run.waiting() == before
    await run.approve("c1", by=LEAD)
    assert (await run.result()).succeeded


async def test_an_edit_beyond_the_editors_own_right_is_asked_anew(tether: Tether) -> None:
    """An edit that another has to allow makes a new request, bound to the new arguments; the old one is superseded."""
    tether.script(calls("refund", **REFUND), says("Refunded more."))
    run = await start(tether)
    (first,) = await waiting(run)
    await run.approve("c1", by=LEAD, edits={"cents": 9_000})
    (second,) = await waiting(run, revision=2)
    assert (second.revision, second.roles, second.arguments["cents"]) == (2, ("finance",), 9_000)
    with pytest.raises(NotAuthorised):
        await run.approve("c1", by=LEAD, digest=second.digest)
    for digest in ("", first.digest):
        with pytest.raises(ArgumentsChanged):
            await run.approve("c1", by=FINANCE, digest=digest)
    await run.approve("c1", by=FINANCE, digest=second.digest)
    result = await run.result()
    (step,) = [step for step in await steps(run) if step.tool == "refund"]
    assert result.succeeded
    assert (step.output, step.approval and step.approval.by) == ("refunded 9000 of 1", FINANCE)


async def test_the_starter_may_answer_where_the_rule_says_so(tether: Tether) -> None:
    """`starter_may_approve` lets who started the run answer, and nobody else without the role."""
    tether.script(calls("refund", **REFUND), says("Refunded."))
    run = await start(tether, starter_may_approve=True)
    await waiting(run)
    with pytest.raises(RequesterMayNot):
        await run.approve("c1", by=CLERK)
    await run.approve("c1", by=STARTER)
    assert (await run.result()).succeeded


async def test_signals_answer_too(tether: Tether) -> None:
    """`approve` and `deny` signals do what updates do; what they may not do is counted and shown."""
    tether.script(calls_many(("refund", REFUND), ("refund", {"order_id": "2", "cents": 5})), says("Done."))
    run = await start(tether)
    await waiting(run, 2)
    handle = tether.client.get_workflow_handle(run.id)
    for refused in ({"call": "c1"}, {"call": "c1", "by": {"id": "u-17"}}, "nonsense", {"by": {"id": "u-40"}}):
        await handle.signal("approve", refused)
    await handle.signal("approve", {"call": "c1", "by": {"id": "u-40", "channel": "ui"}})
    await handle.signal("deny", {"call": "c2", "by": {"id": "u-40"}, "message": "No."})
    result = await run.result()
    assert result.effects == EffectCounts(done=1, not_done=1)


async def test_cancelling_withdraws_what_waits(tether: Tether) -> None:
    """A cancelled run asks nobody any more: its memo is empty, late answers are refused, nothing was executed."""
    tether.script(calls("refund", **REFUND))
    run = await start(tether)
    await waiting(run)
    await run.cancel()
    result = await run.result()
    described = await run.describe()
    assert (result.outcome, result.effects) == ("cancelled", EffectCounts(not_done=1))
    assert await described.memo_value(WAITING_MEMO, None) is None
    with pytest.raises(RunEnded):
        await run.approve("c1", by=LEAD)


async def test_without_a_policy_effects_are_asked_of_somebody_else(tether: Tether) -> None:
    """The built-in policy allows reads, and asks anybody but requester and starter about every other effect."""
    tether.script(calls_many(("look_up", {"order_id": "1"}), ("refund", REFUND)), says("Done."))
    run = await tether.start(agent(), "Refund", policy=None, user="u-17", by=STARTER)
    (request,) = await waiting(run)
    assert (request.call, request.roles) == ("c2", ())
    with pytest.raises(RequesterMayNot):
        await run.approve("c2", by=CLERK)
    await run.approve("c2", by=Actor(id="whoever"))
    assert (await run.result()).effects == EffectCounts(done=1)


async def test_a_denied_tool_is_not_shown_and_a_denied_call_is_explained(tether: Tether) -> None:
    """The model is shown only what could be allowed or asked; what it calls nevertheless is denied in words."""
    tether.script(calls("refund", **REFUND), says("I can't."))
    run = await start(tether, policy=Policy(rules=[Rule(when={"effect": "read"}, then="allow")]))
    result = await run.result()
    assert tether.wire.requests[0].tools == ("look_up",)
    assert tether.wire.requests[-1].tool_results[-1].text.startswith("Denied: refund")
    assert result.tools == ()
