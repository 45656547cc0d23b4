"""Whose a resource is, found out or not: decided, recorded, explained."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.workflows.approving import CLERK, LEAD, PEOPLE, waiting
from tests.workflows.desk import agent
from tether import App, tool
from tether.errors import InvalidAnswer
from tether.policy.rules import Ask, Policy, Rule
from tether.starters.cli.verdicts import explained
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import calls, calls_many, says

POLICY = Policy(
    people=PEOPLE,
    rules=[
        Rule(name="not your own", tool="settle", resource="own:*", then="deny", reason="Somebody else settles those."),
        Rule(name="asked", tool="settle", when={"args": {"cents": {"more_than": 100}}}, then="ask"),
        Rule(name="rest", then="allow"),
    ],
    ask=Ask(approvers="lead"),
)


async def owner_of_claim(claim: str) -> Any:
    """Whose a claim is; of claim 3 the other side doesn't know."""
    if claim == "3":
        raise ConnectionError("the claims are away")
    return {"1": CLERK.id, "2": None}[claim]


@tool(effect="keyed", resource="claim:{claim}", owner=owner_of_claim)
async def settle(claim: str, cents: int = 1) -> str:
    """Settle a claim."""
    return f"settled {claim}"


async def begun(tether: Tether) -> RunHandle[Any]:
    """A run of the clerk."""
    settings = await tether.serve(App(agents=[agent(settle)], policy=POLICY))
    return await AgentClient(tether.client, settings=settings).start("desk", "Settle", user=CLERK.id)


async def test_a_deny_of_the_users_own_holds_where_the_owner_function_fails(tether: Tether) -> None:
    """A failure of the owner function opens nothing up, and the record says what wasn't known."""
    claims = [("settle", {"claim": claim}) for claim in ("1", "2", "3")]
    tether.script(calls_many(*claims), says("Done."))
    run = await begun(tether)
    await asyncio.wait_for(run.result(), 30)
    record = await run.record()
    made = {each.decided.resource: each for each in record.turns[1].calls.values()}
    verdicts = {
        name: (each.decided.owner, each.decided.permit and each.decided.permit.rule) for name, each in made.items()
    }
    assert verdicts == {
        "claim:1": (CLERK.id, "not your own"),
        "claim:2": ("", "rest"),
        "claim:3": (None, "not your own"),
    }
    assert "could not be found out" in made["claim:3"].text
    _, [(_, told, _)] = explained(record, made["claim:3"])
    doubt = "resource: whose claim:3 is could not be found out: that counts as a match"
    assert told.rules[0].notes == (doubt,)


async def test_an_edit_to_what_nobody_knows_the_owner_of_is_denied(tether: Tether) -> None:
    """A call that a person edits is decided anew: there too a failure opens nothing up."""
    tether.script(calls("settle", claim="2", cents=500), says("Done."))
    run = await begun(tether)
    await waiting(run)
    with pytest.raises(InvalidAnswer, match=r"not your own|could not be found out"):
        await run.approve("c1", by=LEAD, edits={"claim": "3"})
    await run.approve("c1", by=LEAD)
    assert (await asyncio.wait_for(run.result(), 30)).succeeded
