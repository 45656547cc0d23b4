"""What happens while nobody answers, on a server that skips time: reminders, escalation, and the deadline's default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.workflows.approving import FINANCE, LEAD, waiting
from tests.workflows.desk import agent
from tests.workflows.skipped import Skipping, skipping_server
from tether import Actor, tool
from tether.approvals import POLICY_ACTOR
from tether.errors import AlreadyAnswered, ErrorKind, NotAuthorised, RequestExpired, RunEnded
from tether.policy.rules import Ask, Escalate, Policy, Rule
from tether.result import EffectCounts
from tether.testing.wire import calls, calls_many, says

BOSS = Actor(id="u-42")
PEOPLE = {"u-40": ["lead"], "u-41": ["finance"], "u-42": ["boss"]}
SMALL: dict[str, Any] = {"order_id": "1", "cents": 5}
LARGE: dict[str, Any] = {"order_id": "2", "cents": 9_000}

DAYS = 4


@pytest.fixture
async def server() -> AsyncIterator[Skipping]:
    """A server that skips time, and a harness on it."""
    async with skipping_server() as made:
        yield made


FINANCE_FOR_A_DAY = Ask(approvers="finance", deadline="24h", remind="never", escalate="never", at_deadline="deny")


def policy(large: Ask = FINANCE_FOR_A_DAY, **ask: Any) -> Policy:
    """Refunds are asked of the leads, for an hour where `ask` says nothing else; those over 5,000 as `large` says."""
    return Policy(
        people=PEOPLE,
        ask=Ask(**({"approvers": "lead", "deadline": "1h"} | ask)),
        rules=[
            Rule(name="large", tool="refund", when={"args": {"cents": {"more_than": 5_000}}}, then="ask", ask=large),
            Rule(name="refunds", tool="refund", then="ask"),
        ],
    )


async def test_a_reminder_comes_each_time_anew_until_somebody_answers(server: Skipping) -> None:
    """Reminders are told at their intervals, each with an id of its own, and none after the answer."""
    server.script(calls("refund", **SMALL), says("Refunded."))
    run = await server.start(agent(), policy(deadline="24h", remind="20m"))
    (request,) = await waiting(run.handle)
    await server.sleep(timedelta(minutes=50))
    await run.approve("c1", by=LEAD)
    await run.result()
    notices = await run.notices()
    assert [notice.kind for notice in notices] == ["requested", "reminder", "reminder"]
    assert [notice.request.reminders for notice in notices] == [0, 1, 2]
    assert len({notice.id for notice in notices}) == 3
    for notice in notices:
        due = timedelta(minutes=20) * notice.request.reminders
        late = timedelta(milliseconds=notice.at_ms - request.asked_ms) - due
        assert timedelta() <= late < timedelta(minutes=1)


async def test_an_escalated_request_may_be_answered_by_the_further_role_too_and_not_before(server: Skipping) -> None:
    """The further role is refused until the request has gone to it, which is told, and may answer from then on."""
    server.script(calls("refund", **SMALL), says("Refunded."))
    run = await server.start(agent(), policy(escalate=Escalate(after="30m", to="boss")))
    (before,) = await waiting(run.handle)
    with pytest.raises(NotAuthorised):
        await run.approve("c1", by=BOSS)
    await server.sleep(timedelta(minutes=29))
    with pytest.raises(NotAuthorised):
        await run.approve("c1", by=BOSS)
    await server.sleep(timedelta(minutes=2))
    (after,) = await run.escalated()
    assert (before.roles, after.roles) == (("lead",), ("lead", "boss"))
    assert after.deadline_ms == before.deadline_ms
    await run.approve("c1", by=BOSS)
    result = await run.result()
    assert result.effects == EffectCounts(done=1)
    assert [notice.kind for notice in await run.notices()] == ["requested", "escalated"]


async def test_whoever_was_asked_first_may_answer_after_the_escalation(server: Skipping) -> None:
    """An escalation adds people; it takes the right to answer from nobody."""
    server.script(calls("refund", **SMALL), says("Refunded."))
    run = await server.start(agent(), policy(escalate=Escalate(after="30m", to="boss")))
    await waiting(run.handle)
    await server.sleep(timedelta(minutes=31))
    await run.escalated()
    await run.approve("c1", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=1)


async def test_an_escalation_gives_no_right_to_edit_a_call_into_one_of_another_rule(server: Skipping) -> None:
    """Whom one rule's request has gone to may not at once allow what another rule would bring to them only later."""
    server.script(calls("refund", **SMALL), says("Then not."))
    large = Ask(approvers="finance", deadline="24h", escalate=Escalate(after="12h", to="boss"))
    run = await server.start(agent(), policy(large, escalate=Escalate(after="30m", to="boss")))
    await waiting(run.handle)
    await server.sleep(timedelta(minutes=31))
    await run.escalated()
    await run.approve("c1", by=BOSS, edits={"cents": 9_000})
    (second,) = await waiting(run.handle, revision=2)
    assert (second.roles, second.escalated) == (("finance",), False)
    with pytest.raises(NotAuthorised):
        await run.approve("c1", by=BOSS, digest=second.digest)
    await run.deny("c1", by=FINANCE, digest=second.digest)
    assert (await run.result()).effects == EffectCounts(not_done=1)


async def test_at_the_deadline_a_call_is_denied_and_the_model_hears_it(server: Skipping) -> None:
    """With nobody's answer until then nothing is executed, and the run goes on with words for the model."""
    server.script(calls("refund", **SMALL), says("Then not."))
    run = await server.start(agent(), policy(deadline="6h"))
    result = await run.result()
    told = server.wire.requests[-1].tool_results[-1].text
    assert told == "Denied: nobody allowed this call in time"
    assert (result.answer, result.effects) == ("Then not.", EffectCounts(not_done=1))
    assert timedelta(hours=6) <= timedelta(milliseconds=result.total_ms) < timedelta(hours=6, minutes=1)
    assert timedelta(milliseconds=result.execution_ms) < timedelta(minutes=1)
    assert [notice.kind for notice in await run.notices()] == ["requested", "expired"]


async def test_at_the_deadline_a_call_is_allowed_where_the_policy_says_so(server: Skipping) -> None:
    """`at_deadline: allow` executes it then, not before, and the record names the policy as who allowed it."""
    server.script(calls("refund", **SMALL), says("Refunded."))
    run = await server.start(agent(), policy(at_deadline="allow"))
    (request,) = await waiting(run.handle)
    result = await run.result()
    approval = await run.approval()
    assert (result.answer, result.effects) == ("Refunded.", EffectCounts(done=1))
    assert approval
    assert (approval.by, approval.digest) == (POLICY_ACTOR, request.digest)
    assert approval.at_ms >= request.deadline_ms


async def test_a_tool_that_requires_approval_is_not_allowed_by_a_deadline(server: Skipping) -> None:
    """`requires_approval` is a floor: where a rule would allow it when nobody answers, it is denied."""

    @tool(effect="keyed", requires_approval=True)
    async def wire_money(order_id: str, cents: int) -> str:
        """Wire money."""
        return f"wired {cents} for {order_id}"

    server.script(calls("wire_money", **SMALL), says("Then not."))
    asked = Policy(
        people=PEOPLE,
        ask=Ask(approvers="lead", deadline="1h", at_deadline="allow"),
        rules=[Rule(tool="wire_money", then="ask")],
    )
    run = await server.start(agent(wire_money), asked)
    assert (await run.result()).effects == EffectCounts(not_done=1)


@pytest.mark.parametrize("default", ["deny", "allow"])
async def test_an_answer_after_the_deadline_is_refused_as_expired(server: Skipping, default: str) -> None:
    """A late answer does nothing and says that it is late; the sibling with more time still waits, and is answered."""
    server.script(calls_many(("refund", SMALL), ("refund", LARGE)), says("Done."))
    run = await server.start(agent(), policy(at_deadline=default))
    _, sibling = await waiting(run.handle, 2)
    await server.sleep(timedelta(minutes=61))
    assert await waiting(run.handle) == (sibling,)
    for answer in (run.approve, run.deny):
        with pytest.raises(RequestExpired):
            await answer("c1", by=LEAD)
    await run.approve("c2", by=FINANCE)
    allowed = default == "allow"
    assert (await run.result()).effects == EffectCounts(done=1 + allowed, not_done=1 - allowed)


async def test_what_was_answered_takes_no_default(server: Skipping) -> None:
    """A call that was denied in time is not allowed by its deadline, though its run still waits for a sibling then."""
    server.script(calls_many(("refund", SMALL), ("refund", LARGE)), says("Done."))
    run = await server.start(agent(), policy(at_deadline="allow"))
    await waiting(run.handle, 2)
    await run.deny("c1", by=LEAD)
    await server.sleep(timedelta(minutes=61))
    with pytest.raises(AlreadyAnswered):
        await run.approve("c1", by=LEAD)
    await run.deny("c2", by=FINANCE)
    assert (await run.result()).effects == EffectCounts(not_done=2)
    assert [notice.kind for notice in await run.notices()] == ["requested", "requested"]


async def test_days_of_reminders_keep_every_history_short_and_the_deadline_where_it_was(server: Skipping) -> None:
    """A run that waits for days goes on as new while it waits: each reminder comes once, the deadline never moves."""
    server.script(calls("refund", **SMALL), says("Then not."))
    asked = policy(deadline=f"{DAYS}d", remind="1h", escalate=Escalate(after="2d", to="boss"))
    run = await server.start(agent(), asked, continue_after=60)
    (request,) = await waiting(run.handle)
    result = await run.result()
    notices = await run.notices()
    lengths = await run.lengths()
    hours = 24 * DAYS
    reminders = [notice.request.reminders for notice in notices if notice.kind == "reminder"]
    assert sorted(reminders) == list(range(1, hours))
    assert [notice.kind for notice in notices if notice.kind != "reminder"] == ["requested", "escalated", "expired"]
    assert {notice.request.deadline_ms for notice in notices} == {request.deadline_ms}
    assert len({notice.id for notice in notices}) == len(notices)
    assert result.effects == EffectCounts(not_done=1)
    assert timedelta() <= timedelta(milliseconds=notices[-1].at_ms - request.deadline_ms) < timedelta(minutes=1)
    assert len(lengths) > 5
    assert max(lengths) < 100


async def test_an_answer_after_days_across_continue_as_new_is_taken(server: Skipping) -> None:
    """In a later run of the chain the request is the same, escalated as it was, and answered by the further role."""
    server.script(calls("refund", **SMALL), says("Refunded."))
    asked = policy(deadline="7d", remind="1h", escalate=Escalate(after="12h", to="boss"))
    run = await server.start(agent(), asked, continue_after=60)
    (before,) = await waiting(run.handle)
    await server.sleep(timedelta(days=1))
    (after,) = await run.escalated()
    assert len(await run.lengths()) > 1
    assert (after.digest, after.deadline_ms, after.asked_ms) == (before.digest, before.deadline_ms, before.asked_ms)
    await run.approve("c1", by=BOSS, digest=before.digest)
    result = await run.result()
    approval = await run.approval()
    assert result.effects == EffectCounts(done=1)
    assert approval
    assert (approval.by, approval.escalated) == (BOSS, True)


async def test_nothing_is_due_in_a_cancelled_run(server: Skipping) -> None:
    """A default that would allow a call at its deadline allows nothing once the run was cancelled."""
    server.script(calls("refund", **SMALL))
    run = await server.start(agent(), policy(at_deadline="allow", remind="10m"))
    await waiting(run.handle)
    await run.handle.cancel()
    result = await run.cancelled()
    await server.sleep(timedelta(hours=2))
    assert (result.outcome, result.effects) == ("cancelled", EffectCounts(not_done=1))
    assert [notice.kind for notice in await run.notices()] == ["requested"]
    with pytest.raises(RunEnded):
        await run.approve("c1", by=LEAD)


async def test_word_of_an_outcome_that_never_comes_stops_the_run(server: Skipping) -> None:
    """When nobody says until the deadline what became of a call, the run stops and says that it is unknown."""

    @tool(effect="unsafe")
    async def wire_money(order_id: str, cents: int) -> str:
        """Wire money, and break off."""
        raise ConnectionError("reset")

    asked = Policy(
        people=PEOPLE,
        ask=Ask(approvers="lead", deadline="2h", at_deadline="allow"),
        rules=[Rule(tool="wire_money", then="allow")],
    )
    server.script(calls("wire_money", **SMALL))
    run = await server.start(agent(wire_money), asked)
    (request,) = await waiting(run.handle)
    assert request.kind == "outcome"
    result = await run.result()
    assert result.effects == EffectCounts(unknown=1)
    assert result.error
    assert result.error.kind == ErrorKind.UNKNOWN_EFFECT
    assert [notice.kind for notice in await run.notices()] == ["requested", "expired"]
