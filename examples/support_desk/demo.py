"""`make demo`: the support desk gives money back, and its worker is killed in the middle of it.

It starts all that it needs and leaves nothing behind. At a terminal it asks there whether the refund may be made, and
stays up for looking until Ctrl-C; elsewhere it allows the refund itself, as who started the run.
Exit status: 0; 1 where the run did not complete or the refund was not issued exactly once; 130 if interrupted.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from examples.support_desk.model import is_scripted
from examples.support_desk.screen import Screen
from examples.support_desk.shop import Refund
from examples.support_desk.stage import HEARTBEAT_SECONDS, Stage, stage
from tether import Actor, AgentClient, RunHandle, RunResult, TetherError
from tether.starters.cli.asking import Asker
from tether.starters.cli.terminal import at_terminal

TASK = "ada@example.com writes that the teapot of order 1042 arrived broken. Refund what our policy allows."
STARTER = Actor(id="you")
"""Who starts the demo; its policy lets them allow refunds."""
WITHIN_SECONDS = 300.0
LOOK_EVERY = 0.05
SHOW_EVERY = 0.25
INTERRUPTED = 130


async def demo(screen: Screen) -> int:
    """The whole demo; its exit status."""
    async with stage() as here:
        screen.heading(
            "Tether demo: a support desk gives money back, and its worker dies in the middle of it",
            f"Model: {_model(here.model)}",
            f"Task:  {TASK}",
        )
        screen.tell(f"a Temporal server listens on {here.server.address}; its Web UI is at {here.server.ui}")
        screen.tell(f"{here.start_worker()} started, with a heartbeat timeout of {HEARTBEAT_SECONDS} s")
        client = await AgentClient.connect(address=here.server.address)
        run = await client.start("support_desk", TASK, user="desk", key="ticket-77", by=STARTER)
        screen.tell(f"{run.id} started: {here.page_of(run.id)}")
        async with asyncio.timeout(None if at_terminal() else WITHIN_SECONDS):
            with screen.live():
                result, key = await _watched(run, here, screen)
        status = _judge(result, key, here, screen)
        if at_terminal():
            screen.tell(f"Look around at {here.page_of(run.id)}; Ctrl-C ends the demo and removes all of it.", "bold")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return status


async def _watched(run: RunHandle[Any], here: Stage, screen: Screen) -> tuple[RunResult, str]:
    """Follow the run to its end, and kill its worker on the way; its result, and the key of the refund begun then."""
    showing = [asyncio.create_task(_show_steps(run, screen)), asyncio.create_task(_show_state(run, screen))]
    allowing = asyncio.create_task(_ask(run, here, screen) if at_terminal() else _allow(run, screen))
    result = asyncio.create_task(run.result())
    entered = asyncio.create_task(_refund_entered(here))
    key = ""
    try:
        await here.while_serving(asyncio.wait({result, entered}, return_when=asyncio.FIRST_COMPLETED))
        if entered.done():
            key = _kill(here, screen)
            screen.tell(
                f"{here.start_worker()} started; the call goes to it once {HEARTBEAT_SECONDS} s pass without a beat"
            )
        ended = await here.while_serving(result)
        await asyncio.gather(*showing)
    finally:
        for task in (*showing, allowing, result, entered):
            task.cancel()
        await asyncio.gather(*showing, allowing, result, entered, return_exceptions=True)
    return ended, key


async def _ask(run: RunHandle[Any], here: Stage, screen: Screen) -> None:
    """Ask who started the demo about what waits for a person, as `tether run` does."""
    asker = Asker(run, STARTER, screen.console, asks=True, pause=screen.paused)
    screen.tell(f"from another shell: export TEMPORAL_ADDRESS={here.server.address} TETHER_ACTOR={STARTER.id}")
    with screen.beside(asker.aside):
        try:
            while True:
                await asker.see(await run.waiting())
                await asyncio.sleep(SHOW_EVERY)
        finally:
            await asker.close()


async def _allow(run: RunHandle[Any], screen: Screen) -> None:
    """Allow what waits for a person, as who started the demo: nobody sits at it."""
    while True:
        for request in await run.waiting():
            arguments = ", ".join(f"{name}={value!r}" for name, value in request.arguments.items())
            screen.tell(f"{request.tool}({arguments}) waits for a person, by the rule {request.rule!r}", "bold yellow")
            await run.approve(request.call, by=STARTER, digest=request.digest)
            screen.tell(f"  allowed by {STARTER.id!r}, who started the run: these exact arguments, once", "yellow")
        await asyncio.sleep(SHOW_EVERY)


async def _refund_entered(here: Stage) -> Refund:
    """Wait for the middle of the refund: it stands in the ledger, and the payment gateway hasn't answered yet."""
    while True:
        entered = [refund for refund in here.shop.refunds() if refund.state == "entered"]
        if entered:
            return entered[0]
        await asyncio.sleep(LOOK_EVERY)


def _kill(here: Stage, screen: Screen) -> str:
    here.kill_worker()
    refund = here.shop.refunds()[0]
    screen.tell("KILLED the worker with -9, in the middle of refund_order:", "bold red")
    screen.tell(
        f"  the ledger has refund {refund.id} of {refund.cents} cents, state {refund.state!r}, key {refund.key}"
    )
    return refund.key


async def _show_steps(run: RunHandle[Any], screen: Screen) -> None:
    async for step in run.steps():
        screen.step(step)


async def _show_state(run: RunHandle[Any], screen: Screen) -> None:
    while True:
        view = await run.status()
        screen.stands(view)
        if view.outcome:
            return
        await asyncio.sleep(SHOW_EVERY)


def _judge(result: RunResult, key: str, here: Stage, screen: Screen) -> int:
    """Show how it ended; 0 if that is as it should be."""
    refunds = here.shop.refunds()
    rows = [f"{refund.cents} cents for order {refund.order_id}, {refund.state}, key {refund.key}" for refund in refunds]
    ledger = f"{len(refunds)} refund{'s' * (len(refunds) != 1)}: {'; '.join(rows)}"
    screen.result(result, [("Ledger", ledger), ("Web UI", here.page_of(result.run))])
    if at_terminal() and result.succeeded and not (refunds or key):
        screen.tell(
            "Nobody allowed a refund, and none was made. Allow it to see a worker die in the middle of it.", "bold"
        )
        return 0
    wrong = []
    if not result.succeeded:
        wrong.append(f"the run did not complete: {result.why}")
    if len(refunds) != 1:
        wrong.append(f"the refund was issued {len(refunds)} times")
    if not key:
        wrong.append("the run ended before its worker could be killed in the middle of a refund")
    if key and [refund for refund in refunds if refund.key != key or refund.state != "paid"]:
        wrong.append("the refund that was begun is not the one that was paid")
    for problem in wrong:
        screen.tell(f"NOT AS IT SHOULD BE: {problem}", "bold red")
    if not wrong:
        screen.tell(
            "Its worker was killed, the run went on, and the refund was issued once, under one key.", "bold green"
        )
    return 1 if wrong else 0


def _model(name: str) -> str:
    if not is_scripted(name):
        return name
    return (
        "a SCRIPTED MODEL, since neither OPENAI_API_KEY nor ANTHROPIC_API_KEY is set: rules that speak OpenAI's wire "
        "format on a loopback socket; its tokens are estimates, and its price is made up"
    )


async def _until_told_to_stop(doing: Coroutine[Any, Any, int]) -> int:
    """Run it; the first SIGINT, SIGTERM or SIGHUP cancels it, later ones don't disturb the clearing up."""
    task = asyncio.ensure_future(doing)
    loop = asyncio.get_running_loop()
    told: list[signal.Signals] = []

    def stop(by: signal.Signals) -> None:
        if not told:
            task.cancel()
        told.append(by)

    for by in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(by, stop, by)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED


def main() -> int:
    """Run the demo; its exit status."""
    screen = Screen()
    try:
        status = asyncio.run(_until_told_to_stop(demo(screen)))
    except TimeoutError:
        screen.tell(f"NOT AS IT SHOULD BE: the run had not ended after {WITHIN_SECONDS:g} s", "bold red")
        return 1
    except TetherError as error:
        screen.tell(f"NOT AS IT SHOULD BE: {error}", "bold red")
        return 1
    screen.tell("Everything that the demo started is stopped and removed.")
    return status


if __name__ == "__main__":
    sys.exit(main())
