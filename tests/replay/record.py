"""Record the histories that the replay tests replay: `python -m tests.replay.record [NAME …]`.

A recorded history is a promise: once a version is released, today's workflow must replay it. Record a new one for new
behaviour, and record old ones anew only before 0.1.0, on purpose, and say so.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client

from tests.workflows.approving import FINANCE, LEAD, PEOPLE, start, waiting
from tests.workflows.desk import Answer, agent, look_up, refund
from tests.workflows.test_summaries import reads_and_sums_up
from tests.workflows.test_windows import read_page
from tether import App, Budgets, Circuits, Context, Fallbacks, Happened, Limits, Model, ModelPrice, ToolError, tool
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import upgrade
from tether.budget.accounts import ScopeOverride
from tether.budget.config import Defaults
from tether.budget.override import OVERRIDE
from tether.policy.rules import ALLOW_ALL, Ask, Policy, Rule
from tether.starters.client import AgentClient, RunHandle
from tether.starters.overriding import wake
from tether.starters.replay import histories_of, numbered
from tether.testing.harness import Tether, running
from tether.testing.wire import Reply, ScriptedUsage, Stall, Status, calls, calls_many, says
from tether.workers.dev import DevServer
from tether.workers.embedded import EmbeddedStore

HISTORIES = Path(__file__).parent / "histories"
PRICE = ModelPrice(input_usd="1", output_usd="10")
PRICED = Model("openai:scripted", price=PRICE, max_output_tokens=1_000)
PLAN = '{"steps": [{"id": "1", "what": "look it up", "tool": "look_up"}]}'

_posting = threading.Event()
_WORKER = re.compile(r"^\d+@[\w.]+")

Scenario = Callable[[Tether], Awaitable[RunHandle[Any]]]


@tool(effect="unsafe")
async def send(text: str) -> str:
    """Send."""
    raise ConnectionError("reset while sending")


@tool(effect="unsafe", reconcile=lambda text: Happened(f"posted {text}"))
async def post(text: str) -> str:
    """Post."""
    raise ConnectionError("reset while posting")


@tool(name="post", effect="unsafe", reconcile=lambda text: Happened(f"posted {text}"))
async def post_slowly(text: str) -> str:
    """Post, for longer than anybody waits."""
    _posting.set()
    await asyncio.sleep(60)
    return text


@tool(effect="read", cost_usd="0.02", retries=1, actual_cost_usd=lambda found: "0.01" if found else "0")
async def search(query: str) -> str:
    """Search."""
    return f"found {query}"


@tool(effect="read")
async def fail() -> str:
    """Fail."""
    raise ToolError("closed until Monday")


async def planned(tether: Tether) -> RunHandle[Any]:
    """A plan, two calls at once, a keyed effect, an answer."""
    tether.script(
        says(PLAN),
        calls_many(("look_up", {"order_id": "1"}), ("look_up", {"order_id": "2"})),
        calls("refund", order_id="1", cents=500),
        says("Refunded."),
    )
    return await tether.start(agent(plan=True), "Refund order 1")


async def plan_never_read(tether: Tether) -> RunHandle[Any]:
    """A plan that can't be read twice: the run goes on without one."""
    tether.script(says("no"), says("still no"), says("Hello."))
    return await tether.start(agent(plan=True), "Greet")


async def corrected(tether: Tether) -> RunHandle[Any]:
    """Bad arguments, an unknown tool and a failing one, told to the model."""
    tether.script(calls_many(("look_up", {}), ("lookup", {}), ("fail", {})), says("Sorry."))
    return await tether.start(agent(look_up, fail), "Try")


async def unknown_effect(tether: Tether) -> RunHandle[Any]:
    """An unsafe call whose outcome is unknown: made again since it did not happen, then the run is stopped."""
    tether.script(calls_many(("send", {"text": "hello"}), ("look_up", {"order_id": "1"})))
    run = await tether.start(agent(look_up, send), "Send")
    await waiting(run)
    await run.outcome("c1", "did_not", by=LEAD)
    (request,) = await waiting(run, revision=2)
    await run.outcome("c1", "stop", by=LEAD, revision=request.revision)
    return run


async def reconciled(tether: Tether) -> RunHandle[Any]:
    """Unknown outcomes: one that the tool finds out, one that a person says."""
    tether.script(calls_many(("post", {"text": "hello"}), ("send", {"text": "hello"})), says("Sent both."))
    run = await tether.start(agent(post, send), "Send")
    await waiting(run)
    await run.outcome("c2", "happened", by=LEAD, result="sent")
    return run


async def approved(tether: Tether) -> RunHandle[Any]:
    """Calls that people were asked about: allowed, edited and asked anew, denied; a refused signal between."""
    refunds = [("refund", {"order_id": str(n), "cents": 100 * n}) for n in (1, 2, 3)]
    tether.script(calls_many(*refunds, ("look_up", {"order_id": "1"})), says("Done."))
    run = await start(tether, remind="1s")
    await waiting(run, 3)
    await tether.client.get_workflow_handle(run.id).signal("approve", {"call": "c1", "by": {"id": "u-17"}})
    await run.approve("c1", by=LEAD)
    await run.approve("c2", by=LEAD, edits={"cents": 9_000})
    (request, _) = await waiting(run, 2, revision=2)
    await run.approve("c2", by=FINANCE, digest=request.digest)
    await run.deny("c3", by=LEAD, message="No.")
    return run


async def escalated(tether: Tether) -> RunHandle[Any]:
    """A request that escalates, reminds, and at its deadline is denied by default."""
    tether.script(calls("refund", order_id="1", cents=5), says("Nobody answered."))
    return await start(tether, remind="2s", escalate={"after": "1s", "to": "finance"}, deadline="3s")


async def waited_on(tether: Tether) -> RunHandle[Any]:
    """A request that waits while its run continues as new, and is answered in a later run of the chain."""
    tether.script(calls("refund", order_id="1", cents=5), says("Refunded."))
    run = await start(tether, continue_after=40)
    await waiting(run)
    handle = tether.client.get_workflow_handle(run.id)
    for _ in range(30):
        await handle.signal("approve", {"call": "c1", "by": {"id": "u-17"}})
    await handle.query("status")
    await run.approve("c1", by=LEAD)
    return run


async def cancelled_waiting(tether: Tether) -> RunHandle[Any]:
    """Cancelled while it waits for a person."""
    tether.script(calls("refund", order_id="1", cents=5))
    run = await start(tether)
    await waiting(run)
    await run.cancel()
    return run


async def max_steps(tether: Tether) -> RunHandle[Any]:
    """A run that uses up its turns, its stop predicate asked before the end."""
    tether.script(*[calls("look_up", order_id="1")] * 2)
    return await tether.start(agent(limits=Limits(max_steps=2), stop=lambda _steps: False), "Loop")


async def max_tool_calls(tether: Tether) -> RunHandle[Any]:
    """A run whose model asks for more calls than it may."""
    tether.script(calls_many(*[("look_up", {"order_id": "1"})] * 3))
    return await tether.start(agent(limits=Limits(max_tool_calls=2)), "Loop")


async def told(tether: Tether) -> RunHandle[Any]:
    """A run without an answer, whose agent has a function that says so."""
    tether.script(calls("look_up", order_id="1"))
    fallbacks = Fallbacks(generic=lambda error, run: f"Sorry, {run.user}: {error.kind}.")
    return await tether.start(agent(limits=Limits(max_steps=1), fallbacks=fallbacks), "Loop")


async def fell_back(tether: Tether) -> RunHandle[Any]:
    """A run whose first model fails until its circuit opens, whose second finds a call too long, and then answers."""
    models = [Model("openai:first", price=PRICE), Model("anthropic:second", price=PRICE)]
    down, too_long = Status(500), Status(400, kind="invalid_request_error", message="prompt is too long")
    reads = [calls("read_page", number=number) for number in range(6)]
    tether.script(down, down, *reads, too_long, says("Read."))
    context = Context(keep_turns=2, preview_bytes=100)
    app = App(
        agents=[agent(read_page, models=models, context=context)],
        policy=ALLOW_ALL,
        circuits=Circuits(failures=2, open_for=300),
    )
    return await AgentClient(tether.client, settings=await tether.serve(app, model_attempts=4)).start("desk", "Read")


async def repaired_output(tether: Tether) -> RunHandle[Any]:
    """A structured answer that fits at the second time."""
    tether.script(says("{}"), says('{"text": "Paid.", "confident": true}'))
    return await tether.start(agent(output=Answer), "Is it paid?")


async def refused(tether: Tether) -> RunHandle[Any]:
    """A refusal."""
    tether.script(Reply(text="I won't.", finish="refusal"))
    return await tether.start(agent(), "Do harm")


async def failed(tether: Tether) -> RunHandle[Any]:
    """A key that the provider refuses."""
    tether.script(Status(401))
    return await tether.start(agent(), "Greet")


async def unknown_agent(tether: Tether) -> RunHandle[Any]:
    """An agent that the worker doesn't have."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    return await AgentClient(tether.client, settings=settings).start("nobody", "Greet")


async def cancelled(tether: Tether) -> RunHandle[Any]:
    """Cancelled in a model call."""
    tether.script(calls("look_up", order_id="1"), Stall(says("Never.")))
    run = await tether.start(agent(), "Wait")
    await tether.wire.wait_for_requests(2)
    await run.cancel()
    return run


async def lost_model_call(tether: Tether) -> RunHandle[Any]:
    """Model calls that were lost with their worker twice, the second time with a pause before the next."""
    app = App(agents=[agent()], policy=ALLOW_ALL)
    tether.script(Stall(says("Never.")), Stall(says("Never.")), says("Done."))
    settings = await tether.serve(app, drain=0)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Answer")
    for asked in (1, 2):
        await tether.wire.wait_for_requests(asked)
        await tether.stop(settings.task_queue)
        await tether.serve(app, task_queue=settings.task_queue, drain=0)
    return run


async def continued(tether: Tether) -> RunHandle[Any]:
    """A run that continues as new twice."""
    tether.script(says(PLAN), *[calls("look_up", order_id=str(n)) for n in range(7)], says("Done."))
    settings = await tether.serve(App(agents=[agent(plan=True)], policy=ALLOW_ALL), continue_after=35)
    return await AgentClient(tether.client, settings=settings).start("desk", "Look up seven")


async def raised(tether: Tether) -> RunHandle[Any]:
    """A run that waits for money twice, continues as new while it does, and is given some by update and by signal."""
    limits = Limits(max_cost_usd="0.001")
    app = App(agents=[agent(models=PRICED, limits=limits)], policy=ALLOW_ALL)
    costly = replace(calls("look_up", order_id="1"), usage=ScriptedUsage(input=900, output=900))
    tether.script(costly, says("Done."))
    settings = await tether.serve(app, continue_after=14)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Spend")
    await parked(run)
    await run.override("0.015", by=LEAD, reason="Go on.", id="first")
    await parked(run, spent=1)
    given = {"id": "second", "amount": 500_000, "by": {"id": "u-41"}}
    await tether.client.get_workflow_handle(run.id).signal(OVERRIDE, given)
    return run


async def unpaid(tether: Tether) -> RunHandle[Any]:
    """A run whose budget nobody raises in time."""
    limits = Limits(max_cost_usd="0.001", budget_wait=0.1)
    tether.script(says("Never."))
    return await tether.start(agent(models=PRICED, limits=limits), "Spend")


async def drawn(tether: Tether) -> RunHandle[Any]:
    """A run that draws from a ledger, waits for money of a scope, looks again, pays for a tool, and gives back."""
    mean = Budgets(
        defaults=Defaults(user="0.001", team="refuse", tenant="10.00", agent="uncapped"),
        overrides={"roles": "finance", "most": "100.00"},
        people={"u-41": "finance"},
    )
    tether.script(calls_many(("search", {"query": "a"}), ("search", {"query": "b"})), says("Done."))
    app = App(agents=[agent(search, models=PRICED)], policy=ALLOW_ALL, budgets=mean)
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Search", user="u-17")
    await parked(run)
    async with Store(settings.store_url.get_secret_value()) as store:
        given = ScopeOverride(id="o-1", scope="user:u-17", amount=1_000_000, reason="Go on.")
        await wake(tether.client, await PostgresBooks(store).override(given, FINANCE))
    return run


async def summed_up(tether: Tether) -> RunHandle[Any]:
    """A run that sums up its old turns twice before it leaves them out."""
    context = Context(window=4_000, keep_turns=2, preview_bytes=None, summarise_with=Model("openai:gpt-5-mini"))
    tether.wire.follow(reads_and_sums_up)
    served = agent(read_page, context=context, limits=Limits(max_steps=30))
    return await tether.start(served, "Read the book")


async def goes_on(tether: Tether) -> RunHandle[Any]:
    """A run whose time is used up, and which begins the run that goes on."""
    tether.script(calls("look_up", order_id="1"), Stall(says("Never.")), says("Done."))
    run = await tether.start(agent(limits=Limits(timeout=1, on_timeout="continue")), "Look up")
    result = await run.result()
    await (await AgentClient(tether.client).get(result.continued_as)).result()
    return run


async def resumed(tether: Tether) -> RunHandle[Any]:
    """A run that resumes a cancelled one: a call in doubt is looked into, one that waited is asked anew."""
    tether.script(calls_many(("refund", {"order_id": "1", "cents": 100}), ("post", {"text": "hello"})), says("Done."))
    ask = Ask(approvers="lead", deadline="1h")
    rules = Policy(people=PEOPLE, ask=ask, rules=[Rule(tool="refund", then="ask"), Rule(tool="post", then="allow")])
    settings = await tether.serve(App(agents=[agent(look_up, refund, post_slowly)], policy=rules))
    client = AgentClient(tether.client, settings=settings)
    run = await client.start("desk", "Refund and post", user="u-17")
    await waiting(run)
    await asyncio.to_thread(_posting.wait)
    await run.cancel()
    await run.result()
    following = await client.resume(run.id)
    await waiting(following)
    await following.approve("c1", by=LEAD)
    return following


async def parked(run: RunHandle[Any], *, spent: int = 0) -> None:
    """Wait until a run that has spent so much waits for money."""
    while (view := await run.status()).parked is None or view.cost < spent:
        await asyncio.sleep(0.05)


SCENARIOS: tuple[Scenario, ...] = (
    planned,
    plan_never_read,
    corrected,
    unknown_effect,
    reconciled,
    approved,
    escalated,
    waited_on,
    cancelled_waiting,
    max_steps,
    max_tool_calls,
    told,
    fell_back,
    repaired_output,
    refused,
    failed,
    unknown_agent,
    cancelled,
    lost_model_call,
    continued,
    raised,
    unpaid,
    drawn,
    summed_up,
    goes_on,
    resumed,
)


async def record(names: list[str]) -> None:
    """Record the scenarios of those names; all where none is given."""
    unknown = set(names) - {scenario.__name__ for scenario in SCENARIOS}
    if unknown:
        raise SystemExit(f"there is no scenario {', '.join(sorted(unknown))}")
    async with DevServer(ui=False) as server, EmbeddedStore() as store:
        await upgrade(store.url)
        client = await connect(address=server.address, namespace="default")
        settings = Settings(drain=2, heartbeat=2, unsafe_heartbeat=2, store_url=SecretStr(store.url))
        for scenario in SCENARIOS:
            if names and scenario.__name__ not in names:
                continue
            async with running(client, settings) as tether:
                run = await scenario(tether)
                result = await run.result()
                files = await _written(client, run.id, HISTORIES / f"{scenario.__name__}.json")
            print(f"{scenario.__name__}: {result.outcome}, {files} file(s)")  # noqa: T201  a command


async def _written(client: Client, run: str, first: Path) -> int:
    number = 0
    async for history in histories_of(client, run):
        number += 1
        numbered(first, number).write_text(json.dumps(_anywhere(json.loads(history.to_json())), indent=1) + "\n")
    return number


def _anywhere(node: Any) -> Any:
    """A history without what names the machine on which it was recorded."""
    if isinstance(node, dict):
        return {key: _anywhere(item) for key, item in node.items() if key != "stackTrace"}
    if isinstance(node, list):
        return [_anywhere(item) for item in node]
    return _WORKER.sub("recorder", node) if isinstance(node, str) else node


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:]))
