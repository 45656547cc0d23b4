"""What people see of a run in Temporal's Web UI, looked at in a real browser; its pictures are in build/pictures."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Page

from tests.e2e.browser import Chromium, browser, unpacked
from tests.e2e.web_ui import WIDTH, Row, details_of, events_of, new_page, picture_of, size_of, timeline_of
from tests.workflows.approving import FINANCE, start
from tests.workflows.desk import agent, look_up
from tether import tool
from tether.testing.harness import Tether
from tether.testing.wire import calls, calls_many, says
from tether.workers.dev import DevServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tether_server() -> Iterator[DevServer]:
    """A server with a Web UI: here the fixture `tether` runs on it."""
    server = DevServer(ui=True)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A Chromium, unpacked once."""
    with unpacked() as chromium:
        yield chromium


@pytest.fixture
async def page(chromium: Chromium) -> AsyncIterator[Page]:
    """A window of a browser."""
    async with browser(chromium) as started:
        yield await new_page(started)


@tool(effect="read", resource="order:{order_id}")
async def find_order(order_id: str) -> str:
    """Find an order."""
    return "paid"


async def test_the_timeline_tells_what_an_agent_did(tether: Tether, tether_server: DevServer, page: Page) -> None:
    """Each row of the timeline says which tool was called on what, or which turn it was; the details say how it ended.

    The picture, build/pictures/run.png, is what a person has of it.
    """
    both = calls_many(("find_order", {"order_id": "2"}), ("look_up", {"order_id": "2"}))
    tether.script(calls("find_order", order_id="1"), both, says("Both are paid."))
    run = await tether.start(agent(find_order, look_up), "Are orders 1 and 2 paid?")
    await run.result()

    timeline = await timeline_of(page, tether_server.ui, run.id, shows="tether:think • turn 3")
    picture = await picture_of(page, "run")
    details = await details_of(page)
    events = await events_of(page)

    assert timeline.texts == [
        "tether:setup • desk",
        "tether:think • turn 1",
        "find_order • order:1",
        "tether:think • turn 2",
        "find_order • order:2",
        "look_up",
        "tether:think • turn 3",
    ]
    assert {(row.kind, row.status) for row in timeline.rows} == {("activity", "Completed")}
    assert timeline.rows[2] == Row("activity", "find_order • order:1", "Completed")
    assert details.startswith("<p><strong>desk</strong> is completed: turn 3 of 20, ")
    assert "Workflow Execution Completed" in events[0]
    assert "Workflow Execution Started" in events[-1]
    width, height = size_of(picture)
    assert width == WIDTH
    assert height > 500
    assert picture.stat().st_size > 10_000


async def test_a_run_that_waits_for_a_person_reads_as_a_story(
    tether: Tether, tether_server: DevServer, page: Page
) -> None:
    """The timeline tells who was waited for and until what, that it escalated, and that it was executed once allowed.

    The picture, build/pictures/approval.png, is what a person has of it.
    """
    tether.script(calls("refund", order_id="1", cents=500), says("Refunded."))
    run = await start(tether, escalate={"after": "1s", "to": "finance"})
    while not any(request.escalated for request in await run.waiting()):
        await asyncio.sleep(0.05)
    await run.approve("c1", by=FINANCE)
    await run.result()

    timeline = await timeline_of(page, tether_server.ui, run.id, shows="tether:think • turn 2")
    picture = await picture_of(page, "approval")

    told = [text for text in timeline.texts if not text.startswith("tether:notify")]
    assert told == [
        "tether:setup • desk",
        "tether:think • turn 1",
        "refund (c1) waits for lead, until it escalates",
        "refund (c1) waits for lead, finance, until its deadline",
        "answer",
        "refund • order:1",
        "tether:think • turn 2",
    ]
    assert [text for text in timeline.texts if text.startswith("tether:notify")] == [
        "tether:notify • requested: refund (c1)",
        "tether:notify • escalated: refund (c1)",
    ]
    assert picture.stat().st_size > 10_000
