"""What becomes of calls of unknown outcome: their tool is asked, then a person."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.client import Client

from tests.activities.one_activity import given, serving
from tether import Agent, DidNotHappen, Happened, StillUnknown, Tool, ToolContext, tool
from tether.actors import Actor
from tether.approvals import Approval, Change
from tether.ids import content_id, idempotency_key
from tether.manifest import Manifest
from tether.policy.pinned import PinnedAsk, PinnedPolicy
from tether.tool_records import ReconcileInput

WHY = "whether pay (call c1) took effect is unknown: its worker was lost while it ran"


class Receipt(BaseModel):
    number: int


class Bank:
    """A resource that a tool and what stands beside it share."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []


def paying(reconcile: Any, **labels: Any) -> Tool:
    """A tool that is reconciled so."""

    async def pay(iban: str, cents: int = 5) -> Receipt:
        """Pay."""
        raise AssertionError("nobody calls it here")

    made: Tool = tool(effect="unsafe", reconcile=reconcile, **labels)(pay)
    return made


def doubtful(made: Tool, **fields: Any) -> ReconcileInput:
    """A call of that tool whose outcome is unknown."""
    call = given(made, iban="X1", cents=5)
    return ReconcileInput(call=call.model_copy(update=fields), why=WHY)


def did_not() -> DidNotHappen:
    """Find nothing."""
    return DidNotHappen()


async def test_a_call_that_happened_has_the_result_that_its_tool_found(client: Client) -> None:
    """The function gets the call's arguments and its idempotency key; its result is written as the handler's would."""
    bank = Bank()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bank]:
        yield bank

    async def find(context: ToolContext[Bank], iban: str) -> Happened:
        context.deps.asked.append((iban, context.idempotency_key))
        return Happened(Receipt(number=7))

    made = paying(find)
    search = doubtful(made)
    async with serving(client, made, resources={Bank: opened}) as stage:
        result = await stage.reconcile(search)
    assert (result.verdict, result.value, result.content) == ("happened", {"number": 7}, content_id('{"number": 7}'))
    assert bank.asked == [("X1", idempotency_key("first", 1, 0, search.call.digest))]


async def test_a_call_that_happened_as_a_person_changed_it_says_so(client: Client) -> None:
    """The model hears that the arguments were changed before it hears what was found."""
    made = paying(lambda: Happened("paid"))
    changed = Approval(
        by=Actor(id="u-9"), at_ms=0, digest="d", version="v", changes=(Change(argument="cents", was=9, now=5),)
    )
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made, approval=changed))
    assert "cents: 9 -> 5" in result.note
    assert result.content == content_id(f"{result.note}\npaid")


async def test_a_call_that_did_not_happen_is_said_so(client: Client) -> None:
    """A sync function runs in a thread; `DidNotHappen` leads to the call being made again."""
    threads: list[int] = []

    def find() -> DidNotHappen:
        threads.append(threading.get_ident())
        return DidNotHappen()

    made = paying(find)
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made))
    assert (result.verdict, result.why) == ("did_not", "")
    assert threads
    assert threading.get_ident() not in threads


async def test_nothing_found_is_not_believed_while_the_handler_runs(client: Client) -> None:
    """What still runs on its worker may act after the tool has looked: a person is asked, who reads both."""
    made = paying(did_not)
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made).model_copy(update={"still_runs": True}))
    assert (result.verdict, result.terms is None) == ("unknown", False)
    assert result.why == f"{WHY}; pay's reconcile found nothing, but what still runs may yet do it"


async def test_what_is_found_is_believed_while_the_handler_runs(client: Client) -> None:
    """That it happened stays so, whatever still runs."""
    made = paying(lambda: Happened("paid"))
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made).model_copy(update={"still_runs": True}))
    assert (result.verdict, result.value) == ("happened", "paid")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "pay's reconcile can't tell"),
        (StillUnknown(), "pay's reconcile can't tell"),
        (StillUnknown("the list is\na day old"), "pay's reconcile says: the list is a day old"),
        ({"state": "paid"}, "pay's reconcile returned dict; it should return Happened(result)"),
        (Happened, "pay's reconcile returned type; it should return Happened(result)"),
    ],
)
async def test_what_stays_unknown_is_put_to_a_person(client: Client, said: Any, told: str) -> None:
    """Where the tool can't tell, the terms of the run's own policy say who is asked, and why stands beside it."""
    made = paying(lambda: said)
    policy = PinnedPolicy(
        name="p", people={"u-9": ("ops",), "u-8": ("desk",)}, ask=PinnedAsk(approvers=("ops",), deadline_ms=60_000)
    )
    agent = Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[made])
    pinned = Manifest.of(agent).model_copy(update={"policy": policy})
    async with serving(client, made, pinned=pinned) as stage:
        result = await stage.reconcile(doubtful(made))
    assert result.verdict == "unknown"
    assert result.why.startswith(f"{WHY}; {told}")
    assert result.terms is not None
    assert (result.terms.approvers, result.terms.deadline_ms) == (("u-9",), 60_000)


async def test_a_tool_without_reconcile_goes_straight_to_a_person(client: Client) -> None:
    """Without a function to ask, also on a worker that doesn't have the tool at all, a person is asked at once."""

    @tool(effect="unsafe")
    def pay(iban: str, cents: int = 5) -> str:
        """Pay."""
        raise AssertionError("nobody calls it here")

    pinned = Manifest.of(Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[pay]))
    async with serving(client, pinned=pinned) as stage:
        result = await stage.reconcile(doubtful(pay))
    assert (result.verdict, result.why) == ("unknown", WHY)
    assert result.terms is not None


async def test_a_search_that_fails_is_repeated_three_times_then_a_person_is_asked(client: Client) -> None:
    """Failures of the function never fail the run: after three attempts its outcome is simply still unknown."""
    asked: list[int] = []

    async def find() -> Happened:
        asked.append(1)
        raise ConnectionError("the bank is away")

    made = paying(find)
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made))
    assert (result.verdict, len(asked), result.spent.attempts) == ("unknown", 3, 3)
    assert "pay's reconcile failed: ConnectionError: the bank is away" in result.why


async def test_a_search_that_is_wrong_is_not_repeated(client: Client) -> None:
    """A programming error of the function would come again: a person is asked at once."""
    asked: list[int] = []

    async def find() -> Happened:
        asked.append(1)
        raise KeyError("state")

    made = paying(find)
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made))
    assert (result.verdict, len(asked)) == ("unknown", 1)


async def test_a_search_has_the_time_that_its_tool_has(client: Client) -> None:
    """A function that hangs is cut off at the tool's timeout, each time."""
    cut_off: list[int] = []

    async def find() -> Happened:
        try:
            await asyncio.sleep(60)
        finally:
            cut_off.append(1)
        return Happened()

    made = paying(find, timeout=0.2)
    async with serving(client, made) as stage:
        result = await stage.reconcile(doubtful(made))
    assert (result.verdict, len(cut_off)) == ("unknown", 3)
    assert "did not answer within 0.2 s" in result.why


async def test_a_search_that_is_cancelled_leaves_it_unknown(client: Client) -> None:
    """A run that ends while it is found out gets to know that it is still unknown, not an error."""
    began, here = asyncio.Event(), asyncio.get_running_loop()

    async def find() -> Happened:
        here.call_soon_threadsafe(began.set)
        await asyncio.sleep(60)
        return Happened()

    made = paying(find)
    async with serving(client, made) as stage:
        handle = await stage.start("tether:reconcile", doubtful(made).model_dump(mode="json"))
        await began.wait()
        await handle.cancel()
        came: dict[str, Any] = await handle.result()
    assert came["verdict"] == "unknown"
    assert "was cancelled" in came["why"]


async def test_a_search_waits_for_a_worker_that_has_the_tool(client: Client) -> None:
    """A worker whose tool has another contract leaves the search to one that has the right one, uncounted."""
    made = paying(did_not)
    other = paying(did_not, timeout=7)
    pinned = Manifest.of(Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[made]))
    async with serving(client, other, pinned=pinned) as stage:
        handle = await stage.start("tether:reconcile", doubtful(made).model_dump(mode="json"))
        await _until_failed(handle, "another contract of tool 'pay'")
        await handle.terminate()


async def test_a_history_that_cant_be_read_now_is_read_later(client: Client) -> None:
    """Without the manifest nobody knows whom to ask: the search comes back for it."""
    made = paying(did_not)
    async with serving(client, made) as stage:
        stage.transcripts.pinned = None
        handle = await stage.start("tether:reconcile", doubtful(made).model_dump(mode="json"))
        await _until_failed(handle, "the run's own history can't be read now (ConnectionError)")
        await handle.terminate()


async def _until_failed(handle: Any, message: str) -> None:
    """Wait until an attempt of a workflow's only activity has failed so, and is to be made again."""
    async with asyncio.timeout(20):
        while True:
            described = await handle.describe()
            for pending in described.raw_description.pending_activities:
                if message in pending.last_failure.message:
                    return
            await asyncio.sleep(0.05)
